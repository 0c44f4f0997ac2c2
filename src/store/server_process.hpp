#pragma once

#include "klen/webhooks/base/config.hpp"
#include "klen/webhooks/base/result.hpp"

#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <sys/types.h>

namespace klen::webhooks::store {

/// Who runs the server: PostgreSQL refuses to run as root.
struct server_user {
    uid_t uid = 0;
    gid_t gid = 0;
    std::string name;
    bool drop = false; ///< this process is root and becomes that user in the child
};
/// For root: `wanted`, or postgres, or nobody. For anybody else: the user of this process (`wanted` must be that one).
result<server_user> choose_server_user(std::string const& wanted);

/// A program to be started as that user, in a session of its own (a terminal's Ctrl-C does not reach it), with a
/// minimal environment, no inherited descriptors but stdout and stderr on `output`.
struct command {
    std::vector<std::string> argv; ///< argv[0] is the file
    server_user user;
    int output = -1;
};

struct command_result {
    int exit_code = -1; ///< 128 + signal when it was killed
    std::string output; ///< its last 4 KiB
};
/// Runs it to its end.
result<command_result> run_command(std::vector<std::string> argv, server_user const& user);

/// A child that lives until it is stopped. It gets `signal_on_death` when this process dies: the kernel sends it when
/// the *thread* that forked ends, so the child is forked by a thread of its own, which stays until the child is gone.
class server_process {
  public:
    static result<std::unique_ptr<server_process>> start(command what, int signal_on_death);
    ~server_process(); ///< expects it to be stopped; kills it otherwise
    server_process(server_process const&) = delete;
    server_process& operator=(server_process const&) = delete;

    pid_t pid() const { return pid_; }
    bool running() const;
    /// Nothing is sent when it has ended already.
    void send(int signal);
    /// True when it ended within that time.
    bool wait(milliseconds time);

  private:
    server_process() = default;
    void wait_for_end(pid_t child);

    mutable std::mutex mutex_;
    std::condition_variable changed_;
    pid_t pid_ = 0; ///< constant after `start`
    bool started_ = false;
    bool ended_ = false;
    std::thread keeper_;
};

/// That user's processes whose current folder is `dir`: a postmaster and its children stand in their data folder.
std::vector<pid_t> processes_in(std::string const& dir, server_user const& user);

} // namespace klen::webhooks::store
