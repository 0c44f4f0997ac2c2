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
#include <unordered_map>

namespace klen::webhooks::app {

/// A thread for computations that would hold an io thread for too long, one after the other; the accounts that ask for
/// some take turns. Where CPUs are scarce it takes what the other threads leave. Thread-safe.
class side_thread {
  public:
    /// Computations that may wait for their turn.
    struct limits {
        std::size_t waiting_max = 0;
        std::size_t waiting_of_account_max = 0;
    };
    /// `name`: of the thread, which is watched under it (thread_watch.hpp).
    side_thread(std::string name, limits bounds);
    /// As `stop`.
    ~side_thread();
    side_thread(side_thread const&) = delete;
    side_thread& operator=(side_thread const&) = delete;

    /// Completes on the caller's executor when `what` has run. Without having run it: `over_limit` when too many of
    /// this account wait, `overloaded` when too many of all do, `shutting_down` after `stop`. `corrupt` when it threw:
    /// for want of memory, or by a fault of ours. What `what` refers to must live until then, whatever becomes of the
    /// caller.
    task<result<void>> run(std::string account_id, std::function<void()> what);
    /// Ends with the computation that is under way; those that wait are not done. Idempotent.
    void stop();

  private:
    struct job {
        std::function<void()> what;
        one_shot<result<void>>::setter done;
    };
    void serve(std::string const& name);
    job take_next();
    static result<void> compute(std::function<void()>& what);

    limits const bounds_;
    std::mutex mutex_;
    std::condition_variable changed_;
    std::unordered_map<std::string, std::deque<job>> jobs_; ///< of the accounts in `turns_`, none empty
    std::deque<std::string> turns_;                         ///< whose turn is next
    std::size_t waiting_ = 0;
    bool stopping_ = false;
    std::thread thread_;
};

} // namespace klen::webhooks::app
