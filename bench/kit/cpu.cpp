#include "kit/cpu.hpp"

#include <ctime>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <unistd.h>
#include <vector>

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

std::map<pid_t, stat_line> all_processes() {
    std::map<pid_t, stat_line> out;
    for (auto const& entry : std::filesystem::directory_iterator("/proc")) {
        std::string const name = entry.path().filename();
        if (name.find_first_not_of("0123456789") != std::string::npos)
            continue;
        stat_line line;
        if (read_stat(std::stoi(name), line))
            out.emplace(std::stoi(name), line);
    }
    return out;
}

double seconds_of(clockid_t which) {
    timespec t{};
    clock_gettime(which, &t);
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) * 1e-9;
}

} // namespace

family_cpu cpu_of_family(pid_t root) {
    auto const all = all_processes();
    std::set<pid_t> family{root};
    for (bool grew = true; grew;) {
        grew = false;
        for (auto const& [pid, line] : all)
            if (family.contains(line.parent) && family.insert(pid).second)
                grew = true;
    }
    family_cpu out;
    for (pid_t pid : family) {
        auto const it = all.find(pid);
        if (it == all.end())
            continue;
        (it->second.name.starts_with("postgres") ? out.postgres : out.own) += it->second.cpu_seconds;
    }
    return out;
}

double cpu_of_this_thread() { return seconds_of(CLOCK_THREAD_CPUTIME_ID); }
double cpu_of_this_process() { return seconds_of(CLOCK_PROCESS_CPUTIME_ID); }

memory_use memory_of(pid_t pid) {
    std::ifstream file("/proc/" + std::to_string(pid) + "/status");
    memory_use out;
    for (std::string line; std::getline(file, line);) {
        if (line.starts_with("VmRSS:"))
            out.resident_bytes = std::stoul(line.substr(6)) * 1024;
        else if (line.starts_with("VmHWM:"))
            out.peak_bytes = std::stoul(line.substr(6)) * 1024;
    }
    return out;
}

} // namespace klen::bench
