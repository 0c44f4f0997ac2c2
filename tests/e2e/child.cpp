#include "e2e/child.hpp"

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <stdexcept>

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

namespace klen::webhooks::e2e {

bool eventually(std::function<bool()> const& condition, std::chrono::milliseconds bound) {
    auto const until = std::chrono::steady_clock::now() + bound;
    for (;;) {
        if (condition())
            return true;
        if (std::chrono::steady_clock::now() >= until)
            return false;
        ::poll(nullptr, 0, 20);
    }
}

temporary_folder::temporary_folder() {
    std::string name = "/tmp/klen-e2e-XXXXXX";
    if (::mkdtemp(name.data()) == nullptr)
        throw std::runtime_error("no temporary folder could be made");
    ::chmod(name.c_str(), 0755); // the private PostgreSQL's user must be able to enter
    path_ = name;
}

temporary_folder::~temporary_folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
}

std::string file_text(std::string const& path) {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

std::vector<std::string> lines_of(std::string const& text) {
    std::vector<std::string> out;
    std::istringstream in(text);
    for (std::string line; std::getline(in, line);)
        out.push_back(line);
    return out;
}

void write_file(std::string const& path, std::string const& text) { std::ofstream(path, std::ios::binary) << text; }

child::child(std::vector<std::string> arguments, std::map<std::string, std::string> environment,
             std::string output_file, std::string error_file)
    : output_file_(std::move(output_file)), error_file_(std::move(error_file)) {
    std::string const program = KLEN_BINARY_DIR "/klen-webhooks";
    arguments.insert(arguments.begin(), program);
    environment.emplace("PATH", "/usr/local/bin:/usr/bin:/bin");
    std::vector<std::string> settings;
    settings.reserve(environment.size());
    for (auto const& [name, value] : environment)
        settings.emplace_back(name).append("=").append(value);
    std::vector<char*> argv;
    std::vector<char*> envp;
    argv.reserve(arguments.size() + 1);
    envp.reserve(settings.size() + 1);
    for (auto& a : arguments)
        argv.push_back(a.data());
    for (auto& s : settings)
        envp.push_back(s.data());
    argv.push_back(nullptr);
    envp.push_back(nullptr);
    pid_ = ::fork();
    if (pid_ < 0)
        throw std::runtime_error("fork failed");
    if (pid_ > 0)
        return;
    ::setpgid(0, 0);
    ::prctl(PR_SET_PDEATHSIG, SIGKILL); // a test that is killed leaves nobody behind
    int const in = ::open("/dev/null", O_RDONLY);
    int const out = ::open(output_file_.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0644);
    int const err = ::open(error_file_.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0644);
    ::dup2(in, 0);
    ::dup2(out, 1);
    ::dup2(err, 2);
    ::execve(program.c_str(), argv.data(), envp.data());
    ::_exit(127);
}

child::~child() {
    if (!running())
        return;
    signal(SIGKILL);
    wait(10s);
}

void child::signal(int number) const {
    if (!code_)
        ::kill(pid_, number);
}

bool child::running() {
    if (code_)
        return false;
    int status = 0;
    if (::waitpid(pid_, &status, WNOHANG) != pid_)
        return true;
    code_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    return false;
}

std::optional<int> child::wait(std::chrono::milliseconds bound) {
    eventually([this] { return !running(); }, bound);
    return code_;
}

finished run_command(std::vector<std::string> arguments, std::map<std::string, std::string> environment,
                     std::chrono::milliseconds bound) {
    temporary_folder folder;
    child command(std::move(arguments), std::move(environment), folder / "out", folder / "err");
    auto const code = command.wait(bound);
    return {code.value_or(-1), command.output(), command.errors()};
}

} // namespace klen::webhooks::e2e
