#pragma once

#include <chrono>

namespace klen::webhooks::app {

/// The process's signals, taken one by one by the main thread. Make it before any thread is started: threads inherit
/// the blocked mask, so no other thread is ever interrupted. SIGPIPE is ignored: a write to a closed connection is an
/// error value.
class signals {
  public:
    signals();
    ~signals();
    signals(signals const&) = delete;
    signals& operator=(signals const&) = delete;

    enum class what { nothing, stop, reopen_log };
    /// Waits for SIGTERM, SIGINT (stop) or SIGHUP (reopen_log), `at_most` that long.
    what wait(std::chrono::milliseconds at_most);
    /// Has a stop been asked for and not yet been taken by `wait`?
    bool stop_pending() const;
    /// From now on SIGTERM or SIGINT ends the process at once, with exit code 1.
    void die_at_next();
};

} // namespace klen::webhooks::app
