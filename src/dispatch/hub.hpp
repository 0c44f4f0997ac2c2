#pragma once

#include "dispatch/budget.hpp"
#include "dispatch/inbox.hpp"
#include "dispatch/leased.hpp"
#include "dispatch/term.hpp"
#include "klen/webhooks/dispatch/dispatcher.hpp"
#include "klen/webhooks/policy/circuit.hpp"
#include "klen/webhooks/policy/claim_pace.hpp"
#include "klen/webhooks/policy/verdict.hpp"

#include <atomic>
#include <memory>
#include <utility>

namespace klen::webhooks::dispatch {

struct counters {
    std::atomic<std::uint64_t> delivered{0};
    std::atomic<std::uint64_t> attempts_failed{0};
    std::atomic<std::uint64_t> deliveries_failed{0};
    std::atomic<std::uint64_t> cancelled{0};
    std::atomic<std::uint64_t> leases_lost{0};
    std::atomic<std::uint64_t> in_flight{0};
    std::atomic<std::uint64_t> circuits_opened{0};
};

inline policy::circuit_policy circuit_policy_of(dispatch_config const& from) {
    policy::circuit_policy out;
    out.failures = from.circuit_failures;
    out.failure_percent = from.circuit_failure_percent;
    out.attempts_min = from.circuit_attempts_min;
    out.window = from.circuit_window;
    out.wait = from.circuit_wait;
    out.wait_max = from.circuit_wait_max;
    out.slow_start = from.slow_start_concurrency;
    out.ramp_end = from.webhook_concurrency_max;
    return out;
}

inline policy::claim_pace::limits claim_limits_of(dispatch_config const& from) {
    policy::claim_pace::limits out;
    out.slowdown_percent = from.claims_slow_publishing_percent;
    return out;
}

/// A lane has room for what is parked for it.
struct parked_want {
    webhook_id webhook;
    std::uint32_t room = 0;
};

/// What the shards and the coordinator's loops share. Every member is thread-safe or constant. Held by whoever may
/// still have a call under way, so it outlives the dispatcher when a shutdown had to give up waiting.
struct hub {
    hub(dispatch_options o, dispatch_environment e)
        : options(std::move(o)),
          env(std::move(e)), retries{options.delivery.retry_schedule, options.delivery.retry_jitter_percent,
                                     options.delivery.retry_after_max},
          circuits(circuit_policy_of(options.dispatch)), pace(claim_limits_of(options.dispatch)),
          memory(std::make_shared<budget>(options.dispatch.deliveries_in_memory_max,
                                          options.dispatch.bytes_in_memory_max)),
          slots(std::make_shared<outcome_slots>(options.dispatch.unrecorded_outcomes_max)), outcomes(make_alarm()),
          returns(make_alarm()), loads(make_alarm()), wants(make_alarm()), keeper_bell(make_alarm()) {}

    dispatch_options const options;
    dispatch_environment const env;
    policy::retry_policy const retries;
    policy::circuit_policy const circuits;

    policy::claim_pace pace;
    lease_book leases;
    std::shared_ptr<budget> const memory;
    std::shared_ptr<outcome_slots> const slots;
    counters stats;

    std::atomic<bool> stopping{false};     ///< take and claim nothing more
    std::atomic<bool> sends_held{false};   ///< a shard waits for a fresh lease or for an outcome slot
    std::atomic<bool> shards_answer{true}; ///< no io thread hangs
    std::atomic<bool> database_ended{false};
    std::atomic<bool> abandoned{false}; ///< a shutdown gave up waiting: touch nothing of the environment any more

    inbox<outcome> outcomes;
    inbox<returned_delivery> returns;
    inbox<webhook_id> loads; ///< lanes that need their webhook's configuration
    inbox<parked_want> wants;
    alarm keeper_bell; ///< the registration needs a look

    alarm make_alarm() const { return {env.coordinator, env.sleep_until}; }
    /// On the coordinator: something may be leased under it that nobody here knows of.
    void doubt(term_ptr const& under) const {
        if (under->doubtful())
            return;
        under->doubt();
        keeper_bell.ring();
    }
    steady_time now() const { return env.time->steady(); }
    leased_delivery lease_of(store::claimed_delivery what, term_ptr under) const {
        auto const bytes = what.event ? what.event->body.size() : 0;
        return {std::move(what), lease(std::move(under), memory->take(bytes))};
    }
};
using hub_ptr = std::shared_ptr<hub>;

/// Waits between tries of something that the database did not do: 100 ms, doubled up to 1 s.
class backoff {
  public:
    milliseconds next() { return std::exchange(wait_, std::min(wait_ * 2, milliseconds(1000))); }
    void reset() { wait_ = milliseconds(100); }

  private:
    milliseconds wait_{100};
};

} // namespace klen::webhooks::dispatch
