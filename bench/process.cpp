#include "process.hpp"

#include <csignal>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include <stdexcept>
#include <sys/resource.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

namespace klen::bench {

namespace {

struct stat_line {
    pid_t parent = 0;
    std::string name;
    double cpu_seconds = 0;
};

bool read_stat(pid_t pid, stat_line& out) {
    std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
    std::string line;
    if (!std::getline(file, line))
        return false;
    auto const open = line.find('(');
    auto const close = line.rfind(')');
    if (open == std::string::npos || close == std::string::npos)
        return false;
    out.name = line.substr(open + 1, close - open - 1);
    std::istringstream rest(line.substr(close + 2));
    std::vector<std::string> fields;
    for (std::string field; rest >> field;)
        fields.push_back(field);
    if (fields.size() < 15)
        return false;
    out.parent = std::stoi(fields[1]);
    // Own time and that of children waited for: a backend that ended is not lost.
    double ticks = 0;
    for (std::size_t i : {11U, 12U, 13U, 14U})
        ticks += std::stod(fields[i]);
    out.cpu_seconds = ticks / static_cast<double>(sysconf(_SC_CLK_TCK));
    return true;
}

} // namespace

process::process(std::vector<std::string> const& command, std::map<std::string, std::string> const& environment,
                 std::string const& output_file) {
    pid_ = fork();
    if (pid_ < 0)
        throw std::runtime_error("fork failed");
    if (pid_ > 0)
        return;
    setpgid(0, 0);
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
    execv(arguments[0], arguments.data());
    _exit(127);
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

cpu_use cpu_of(pid_t daemon) {
    std::map<pid_t, stat_line> all;
    for (auto const& entry : std::filesystem::directory_iterator("/proc")) {
        std::string const name = entry.path().filename();
        if (name.find_first_not_of("0123456789") != std::string::npos)
            continue;
        stat_line line;
        if (read_stat(std::stoi(name), line))
            all.emplace(std::stoi(name), line);
    }
    std::set<pid_t> family{daemon};
    for (bool grew = true; grew;) {
        grew = false;
        for (auto const& [pid, line] : all)
            if (family.contains(line.parent) && family.insert(pid).second)
                grew = true;
    }
    cpu_use out;
    for (pid_t pid : family) {
        auto const it = all.find(pid);
        if (it == all.end())
            continue;
        if (it->second.name.rfind("postgres", 0) == 0)
            out.postgres += it->second.cpu_seconds;
        else
            out.daemon += it->second.cpu_seconds;
    }
    rusage self{};
    getrusage(RUSAGE_SELF, &self);
    auto seconds = [](timeval t) { return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) * 1e-6; };
    out.self = seconds(self.ru_utime) + seconds(self.ru_stime);
    return out;
}

std::size_t resident_bytes(pid_t pid) {
    std::ifstream file("/proc/" + std::to_string(pid) + "/statm");
    std::size_t total = 0;
    std::size_t resident = 0;
    file >> total >> resident;
    return resident * static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
}

} // namespace klen::bench
