#pragma once

#include "klen/webhooks/base/async.hpp"

#include <functional>
#include <memory>

namespace klen::webhooks::dispatch {

using sleep_function = std::function<task<void>(executor, steady_time)>;

/// Lets one coroutine wait until it is rung, or until a time. A ring that nobody waits for is remembered, so nothing is
/// missed between looking for work and waiting for it. Copies refer to the same alarm.
class alarm {
  public:
    alarm(executor ex, sleep_function sleep);

    /// On the alarm's executor.
    void ring() const;
    /// From any thread.
    void ring_soon() const;

    /// Both on the alarm's executor, one waiter at a time. Not cancellable: who wants the waiter to end sets a flag and
    /// rings.
    task<void> wait() const;
    task<void> wait_until(steady_time at) const;

  private:
    struct state;
    std::shared_ptr<state> state_;
};

} // namespace klen::webhooks::dispatch
