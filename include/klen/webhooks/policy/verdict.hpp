#pragma once

#include "klen/webhooks/policy/attempt_result.hpp"

#include <chrono>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace klen::webhooks::policy {

/// When failed attempts are repeated. From `[delivery]` of the configuration.
struct retry_policy {
    std::vector<std::chrono::seconds> schedule; ///< wait after the 1st, 2nd, … failed attempt
    std::uint32_t jitter_percent = 0;           ///< 0 to 100: adds up to so much of the wait, never less than the wait
    std::chrono::seconds retry_after_max{};

    int attempts_max() const { return static_cast<int>(schedule.size()) + 1; }
};

enum class decision : std::uint8_t {
    delivered,
    retry,     ///< again after `wait`
    failed,    ///< no attempt is left: kept for a manual resend
    cancelled, ///< the webhook is gone
};
std::string_view to_string(decision what);

struct verdict {
    decision what{};
    std::chrono::milliseconds wait{}; ///< from the end of the attempt; for `retry` only
    bool disable_webhook = false;     ///< 410 Gone
};

/// The wait after a `local_failure`, before jitter (up to as much again): short, because the receiver is not at fault,
/// and not nothing, because a machine without descriptors or memory needs time to recover.
inline constexpr std::chrono::milliseconds local_failure_wait{5'000};

/// Which attempt of its delivery is judged.
struct attempt_place {
    int scheduled = 1;             ///< the schedule's own number of it, 1 for the first; of a manual one: of the next
    bool manual = false;           ///< asked for by hand: uses up nothing of the schedule
    bool schedule_goes_on = false; ///< of a manual one: the schedule's next attempt is still to come
};

/// The one place where an attempt's result becomes the delivery's next state. Pure. `random` is uniform in [0, 1). A
/// `local_failure` is always retried, after the last attempt as well: it does not count as an attempt, and whoever
/// records it must not count it either (a manual one stays manual).
///
/// A manual attempt that fails changes nothing about the schedule: `retry` where that goes on, at the time it had
/// before, which whoever records it knows (`wait` is the schedule's own and there for want of that time); `failed`
/// where it is over.
verdict decide(retry_policy const& policy, attempt_place which, attempt_result const& result, double random);

/// `Retry-After` (RFC 9110 §10.2.3): seconds or an HTTP date, relative to `now`. Nothing when absent or unusable;
/// a date in the past is zero.
std::optional<std::chrono::seconds> parse_retry_after(std::string_view value,
                                                      std::chrono::system_clock::time_point now);

/// Whether the status counts as delivered (2xx).
constexpr bool is_success(int status) { return status >= 200 && status <= 299; }

} // namespace klen::webhooks::policy
