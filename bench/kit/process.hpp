#pragma once

#include <chrono>
#include <map>
#include <string>
#include <sys/types.h>
#include <vector>

namespace klen::bench {

/// A program that belongs to a measurement, in a process group of its own; ended by the destructor (SIGTERM, then
/// SIGKILL), and by the kernel should this process die.
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
    /// Waits for its end by itself; its exit code.
    int wait();

  private:
    pid_t pid_ = -1;
    int exit_code_ = -1;
    bool reaped_ = false;
};

/// Runs a command to its end; throws with its output's file when it fails.
void run_command(std::vector<std::string> const& command, std::string const& output_file);

} // namespace klen::bench
