#pragma once

#include "klen/webhooks/base/clock.hpp"

#include <chrono>
#include <optional>
#include <utility>

namespace klen::webhooks::store {

/// Notices that PostgreSQL's clock jumps, by which retries are due: set by hand, or another server after a failover.
/// Thread-compatible.
class clock_watch {
    using milliseconds = std::chrono::milliseconds;

  public:
    /// It showed `shown` (since any fixed time) when it was asked between `asked` and `answered`. Tells how far it has
    /// jumped since the last time, where that is more than it can have drifted; positive: ahead.
    std::optional<milliseconds> seen(milliseconds shown, boot_time asked, boot_time answered) {
        auto const began = shown - std::chrono::duration_cast<milliseconds>(answered.time_since_epoch());
        auto const unsure = std::chrono::duration_cast<milliseconds>(answered - asked);
        auto const before = std::exchange(began_, began);
        auto const unsure_before = std::exchange(unsure_, unsure);
        if (!before)
            return std::nullopt;
        auto const jumped = began - *before;
        if (std::chrono::abs(jumped) <= least + unsure + unsure_before)
            return std::nullopt;
        return jumped;
    }

  private:
    static constexpr milliseconds least{2'000};
    std::optional<milliseconds> began_; ///< what it showed when this machine was started
    milliseconds unsure_{0};
};

} // namespace klen::webhooks::store
