#pragma once

#include "klen/webhooks/base/clock.hpp"
#include "klen/webhooks/policy/attempt_result.hpp"

#include <array>
#include <chrono>
#include <cstdint>
#include <limits>
#include <string_view>

namespace klen::webhooks::policy {

/// When requests to an endpoint that fails are held back. From `[dispatch]` of the configuration.
struct circuit_policy {
    std::uint32_t failures = 0;        ///< so many in a row open the circuit; 0: never
    std::uint32_t failure_percent = 0; ///< so large a share of the attempts in `window` opens it; 0: never
    std::uint32_t attempts_min = 0;    ///< if there were so many
    std::chrono::milliseconds window{};
    std::chrono::milliseconds wait{}; ///< from opening to the first probe; doubled by each probe that fails
    std::chrono::milliseconds wait_max{};
    std::uint32_t slow_start = 0; ///< requests at once to an endpoint of which nothing is known; 0: no limit
    std::uint32_t ramp_end = 1;   ///< where growing ends, and with it the limit
};

enum class circuit_state : std::uint8_t {
    closed,    ///< requests go out
    open,      ///< none does, until its time has come
    half_open, ///< one does, to see how the endpoint is: a probe
};
std::string_view to_string(circuit_state what);

/// What an attempt says of the endpoint.
enum class endpoint_sign : std::uint8_t {
    alive,  ///< it answered, if only with a refusal of this one delivery (any status but 429 and 5xx)
    failed, ///< it did not, or asked to be left alone
    none,   ///< it was not asked
};
endpoint_sign sign_of(attempt_result const& result);

/// What the circuit has to know of an attempt when it ends.
struct begun_attempt {
    std::uint32_t era = 0; ///< in which it began
    /// Somebody asked for it: its success counts as any other's, its failure holds nothing back that waits.
    bool by_hand = false;
};

enum class circuit_cause : std::uint8_t { none, failures_in_a_row, failure_ratio, retry_after, probe_failed };
std::string_view to_string(circuit_cause what);

/// One endpoint's circuit breaker with slow start. A pure state machine: time and chance come from outside.
///
///     closed ── too many failures, or Retry-After ──► open ── its time, or a wish ──► half_open
///       ▲                                              ▲                                  │
///       │                                              └────────── the probe failed ──────┤
///       └───── one request at once, then two, four … ─────────── the probe succeeded ─────┘
///
/// Every change of state begins a new era; what began in an earlier one changes nothing any more (but for a
/// Retry-After, which makes an open circuit wait longer). What is asked for by hand can only help: a probe before its
/// time that fails leaves the time of the next one and the pauses to come as they were.
class circuit {
  public:
    static constexpr std::uint32_t no_limit = std::numeric_limits<std::uint32_t>::max();

    /// `how` outlives it. Closed, with slow start.
    explicit circuit(circuit_policy const& how) : how_(&how) { reset(); }

    circuit_state state() const { return state_; }
    /// Requests at once: 0 when open.
    std::uint32_t limit() const { return limit_; }
    /// Closed after a probe, and not yet trusted with everything.
    bool recovering() const { return recovering_; }
    std::uint32_t era() const { return era_; }
    /// When it is open: until then.
    steady_time open_until() const { return open_until_; }

    /// An attempt has ended. `chance`: uniform in [0, 1); spreads the probes of many.
    /// Tells why it opened, if it did: `probe_failed` for one that was open before.
    circuit_cause ended(begun_attempt const& which, attempt_result const& result, steady_time now, double chance);
    /// Open, and its time has come: half open.
    bool half_open_if_due(steady_time now);
    /// Somebody asks for an attempt: an open one does not wait for its time. False: it was not open.
    bool half_open_now();
    /// Half open before its time: open to what was asked for, and to nothing else.
    bool only_asked(steady_time now) const { return state_ == circuit_state::half_open && now < open_until_; }
    /// Nothing that was asked for is left: it waits for its time after all. False: it was not half open before it.
    bool open_again(steady_time now);
    /// Another endpoint, or one that is new: nothing is known of it.
    void reset();

  private:
    struct counts {
        std::uint32_t all = 0;
        std::uint32_t failed = 0;
    };
    circuit_cause failed(begun_attempt const& which, std::chrono::nanoseconds asked, steady_time now, double chance);
    circuit_cause judge_failure(steady_time now);
    void count(bool failed, steady_time now);
    void open(steady_time until);
    void close();
    void grow();
    std::chrono::nanoseconds next_wait(double chance);
    std::chrono::milliseconds asked_wait(attempt_result const& result) const;

    circuit_policy const* how_;
    circuit_state state_ = circuit_state::closed;
    bool recovering_ = false;
    std::uint32_t era_ = 0;
    std::uint32_t limit_ = no_limit;
    std::uint32_t successes_ = 0;    ///< since the limit last grew
    std::uint32_t in_a_row_ = 0;     ///< failures
    std::array<counts, 2> window_{}; ///< this half of the window, and the one before
    steady_time half_began_{};
    std::chrono::milliseconds wait_{}; ///< the next one
    steady_time open_until_{};         ///< half open before that: somebody asked
};

} // namespace klen::webhooks::policy
