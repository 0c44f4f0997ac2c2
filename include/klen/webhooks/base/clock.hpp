#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace klen::webhooks {

/// Durations and deadlines. Never shown to anybody.
using steady_time = std::chrono::steady_clock::time_point;
/// Only for what people and receivers read (`X-Klen-Timestamp`, logs): due times and leases are the database's clock.
using wall_time = std::chrono::system_clock::time_point;

/// CLOCK_BOOTTIME: unlike the steady clock it goes on while the machine is suspended, so the age of a lease measured
/// by it can only be too high, never too low.
struct boot_clock {
    using duration = std::chrono::nanoseconds;
    using rep = duration::rep;
    using period = duration::period;
    using time_point = std::chrono::time_point<boot_clock>;
    static constexpr bool is_steady = true;
    static time_point now() noexcept;
};
using boot_time = boot_clock::time_point;

/// Where dispatch and policy get their time from, so that a simulation can give them another. Thread-safe.
class clock {
  public:
    virtual ~clock() = default;
    virtual steady_time steady() const = 0;
    virtual wall_time wall() const = 0;
    virtual boot_time boot() const = 0;
};

/// The machine's clocks.
clock const& system_clock();

/// RFC 3339, UTC, milliseconds, "Z": "2026-03-02T09:18:41.903Z".
std::string rfc3339_ms(wall_time at);

/// An RFC 3339 date-time with a real date: "2026-03-02T09:18:41Z", fractions and numeric offsets allowed, a second of
/// 60 only where a leap second can be. At most 64 characters. A time that `wall_time` cannot hold gives the nearest it
/// can.
std::optional<wall_time> parse_rfc3339(std::string_view text);

} // namespace klen::webhooks
