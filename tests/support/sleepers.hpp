#pragma once

#include "klen/webhooks/base/async.hpp"

#include <functional>
#include <map>
#include <memory>
#include <optional>

namespace klen::webhooks::testing {

/// Whether a simulated process runs. What would wake one that is frozen happens when it is thawed.
struct process {
    bool frozen = false;
};
using process_ptr = std::shared_ptr<process>;

/// Coroutines that wait for a virtual time, in order. Whoever owns the time wakes them.
class sleepers {
  public:
    /// Cancellable. `of`: whose sleep it is.
    task<void> sleep_until(process_ptr of, steady_time at);

    /// When the first one that is not frozen wants to be woken.
    std::optional<steady_time> first() const;
    /// Wakes that one: posts its continuation.
    void wake_first();
    bool empty() const { return waiting_.empty(); }
    void clear() { waiting_.clear(); }

  private:
    struct sleeper {
        process_ptr of;
        std::function<void(boost::system::error_code)> wake;
    };
    using queue = std::multimap<steady_time, std::shared_ptr<sleeper>>;
    queue::const_iterator first_awake() const;

    queue waiting_;
};

} // namespace klen::webhooks::testing
