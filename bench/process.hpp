#pragma once

#include <chrono>
#include <map>
#include <string>
#include <sys/types.h>
#include <vector>

namespace klen::bench {

/// A program under measurement, in a process group of its own; ended by the destructor (SIGTERM, then SIGKILL).
class process {
  public:
    process(std::vector<std::string> const& command, std::map<std::string, std::string> const& environment,
            std::string const& output_file);
    ~process();
    process(process const&) = delete;
    process& operator=(process const&) = delete;

    pid_t pid() const { return pid_; }
    bool running();
    /// SIGTERM, then waits; the exit code, or -1 when it had to be killed.
    int stop(std::chrono::seconds patience);

  private:
    pid_t pid_ = -1;
    int exit_code_ = -1;
    bool reaped_ = false;
};

/// CPU seconds (user and system) used so far, by process.
struct cpu_use {
    double daemon = 0;
    double postgres = 0; ///< every descendant of the daemon whose program is postgres
    double self = 0;     ///< load generator and sink
};
cpu_use cpu_of(pid_t daemon);

/// Resident set of one process in bytes.
std::size_t resident_bytes(pid_t pid);

} // namespace klen::bench
