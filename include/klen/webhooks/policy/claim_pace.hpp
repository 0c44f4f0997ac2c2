#pragma once

#include "klen/webhooks/base/clock.hpp"

#include <chrono>
#include <cstdint>
#include <mutex>

namespace klen::webhooks::policy {

/// How fast a backlog may be fetched while others publish. A herd of deliveries that falls due at once would take all
/// of the machine and of the database, and every publisher would wait for it. So fetching speeds up as long as
/// publishers wait about as long as they do without a backlog, and slows down as soon as they wait longer.
///
/// Thread-safe; takes its time from the caller, whose clock never runs backwards.
class claim_pace {
  public:
    struct limits {
        std::uint32_t slowdown_percent = 0; ///< how much longer than usual publishers may wait; 0: as long as it takes
        std::uint32_t least_per_second = 500; ///< a backlog is never fetched more slowly than that
    };
    explicit claim_pace(limits how);

    /// A batch of events was committed, of which one had waited for `longest`.
    void published(std::chrono::nanoseconds longest, steady_time now);

    /// When something may be fetched: `now`, or later.
    steady_time next(steady_time now);
    /// How much of `wanted` may be fetched now. At least 1 when `next` says `now`.
    std::uint32_t room(std::uint32_t wanted, steady_time now);
    /// So much was.
    void claimed(std::uint32_t deliveries, steady_time now);

    /// Deliveries a second that may be fetched now; for tests.
    double rate() const;

  private:
    bool is_free(steady_time now) const;
    void turn(steady_time now);
    void close_window(std::chrono::nanoseconds length);
    double least() const { return limits_.least_per_second; }

    limits const limits_;
    mutable std::mutex mutex_;
    double rate_;
    double tokens_ = 0;
    steady_time filled_at_{};
    steady_time window_began_{};
    steady_time published_at_{};
    std::chrono::nanoseconds waited_{0}; ///< in this window, of all batches together
    std::uint32_t batches_ = 0;          ///< in this window
    std::uint32_t claimed_ = 0;          ///< in this window
    std::uint32_t quiet_ = 0;            ///< windows without a claim, one after the other
    std::chrono::nanoseconds usual_{0};  ///< what a batch waits without a backlog; 0: nothing is known
};

} // namespace klen::webhooks::policy
