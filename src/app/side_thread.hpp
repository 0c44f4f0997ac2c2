#pragma once

#include "klen/webhooks/base/async.hpp"
#include "klen/webhooks/base/result.hpp"

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <string>
#include <thread>

namespace klen::webhooks::app {

/// A thread for computations that would hold an io thread for too long, one after the other. Where CPUs are scarce it
/// takes what the other threads leave. Thread-safe.
class side_thread {
  public:
    /// `name`: of the thread in ps and debuggers. `waiting_max`: computations that may wait for their turn.
    side_thread(std::string name, std::size_t waiting_max);
    /// As `stop`.
    ~side_thread();
    side_thread(side_thread const&) = delete;
    side_thread& operator=(side_thread const&) = delete;

    /// Completes on the caller's executor when `what` has run. Without having run it: `overloaded` when too many wait,
    /// `shutting_down` after `stop`. What `what` refers to must live until then, whatever becomes of the caller.
    task<result<void>> run(std::function<void()> what);
    /// Ends with the computation that is under way; those that wait are not done. Idempotent.
    void stop();

  private:
    struct job {
        std::function<void()> what;
        one_shot<result<void>>::setter done;
    };
    void serve();

    std::size_t const waiting_max_;
    std::mutex mutex_;
    std::condition_variable changed_;
    std::deque<job> jobs_;
    bool stopping_ = false;
    std::thread thread_;
};

} // namespace klen::webhooks::app
