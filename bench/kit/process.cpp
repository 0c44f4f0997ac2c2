#include "kit/process.hpp"

#include <csignal>
#include <cstdlib>
#include <fcntl.h>
#include <stdexcept>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

namespace klen::bench {

namespace {

[[noreturn]] void become(std::vector<std::string> const& command, std::map<std::string, std::string> const& environment,
                         std::string const& output_file) {
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    int const out = open(output_file.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0644);
    dup2(out, 1);
    dup2(out, 2);
    for (auto const& [name, value] : environment)
        setenv(name.c_str(), value.c_str(), 1);
    std::vector<char*> arguments;
    arguments.reserve(command.size() + 1);
    for (auto const& part : command)
        arguments.push_back(const_cast<char*>(part.c_str()));
    arguments.push_back(nullptr);
    execvp(arguments[0], arguments.data());
    _exit(127);
}

} // namespace

process::process(std::vector<std::string> const& command, std::map<std::string, std::string> const& environment,
                 std::string const& output_file) {
    pid_ = fork();
    if (pid_ < 0)
        throw std::runtime_error("fork failed");
    if (pid_ == 0)
        become(command, environment, output_file);
}

process::~process() { stop(std::chrono::seconds(15)); }

bool process::running() {
    if (reaped_)
        return false;
    int status = 0;
    if (waitpid(pid_, &status, WNOHANG) == pid_) {
        reaped_ = true;
        exit_code_ = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    }
    return !reaped_;
}

int process::stop(std::chrono::seconds patience) {
    if (!running())
        return exit_code_;
    kill(pid_, SIGTERM);
    auto const until = std::chrono::steady_clock::now() + patience;
    while (running() && std::chrono::steady_clock::now() < until)
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
    if (!running())
        return exit_code_;
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
    reaped_ = true;
    return -1;
}

int process::wait() {
    while (running())
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
    return exit_code_;
}

void run_command(std::vector<std::string> const& command, std::string const& output_file) {
    process one(command, {}, output_file);
    if (one.wait() != 0)
        throw std::runtime_error(command.front() + " failed: see " + output_file);
}

} // namespace klen::bench
