#pragma once

#include "e2e/child.hpp"
#include "faults/sockets.hpp"

#include <atomic>
#include <csignal>
#include <cstdint>
#include <map>
#include <memory>
#include <string>

namespace klen::webhooks::faults {

/// One daemon, `klen-webhooks serve`, that is started again and again. Its name and the number of its start are its
/// User-Agent, so that receivers know who sent something.
class instance {
  public:
    using settings = std::map<std::string, std::string>;

    /// `folder`: for its log.
    instance(std::string name, std::string folder, settings with);

    std::string const& name() const { return name_; }
    std::string sender() const { return name_ + "/" + std::to_string(starts_); }

    /// Begins to start; `wait_until_ready` waits for the end of that.
    void launch();
    /// Throws when it does not get ready.
    void wait_until_ready();
    void start() {
        launch();
        wait_until_ready();
    }
    /// kill -9. A moment at which it was dead.
    wall_us kill();
    /// SIGTERM; the exit code and how long it took.
    struct exit {
        int code = -1;
        std::chrono::milliseconds took{0};
    };
    exit terminate(std::chrono::milliseconds bound);
    /// SIGSTOP. A moment at which it stood still.
    wall_us freeze() const;
    void thaw() const { process_->signal(SIGCONT); }
    bool running() { return process_ && process_->running(); }
    pid_t pid() const { return process_->pid(); }

    std::string url() const;
    std::string log() const { return e2e::file_text(log_file_); }
    std::int64_t resident_kb() const;
    /// Publishers may ask it.
    std::atomic<bool> open{false};

  private:
    std::string name_;
    std::string folder_;
    std::string log_file_;
    settings settings_;
    int starts_ = 0;
    std::size_t log_before_ = 0;
    std::atomic<std::uint16_t> port_{0};
    std::unique_ptr<e2e::child> process_;
};

} // namespace klen::webhooks::faults
