#pragma once

#include "klen/webhooks/base/async.hpp"
#include "klen/webhooks/base/clock.hpp"
#include "klen/webhooks/base/config.hpp"
#include "klen/webhooks/egress/http_client.hpp"
#include "klen/webhooks/policy/circuit.hpp"
#include "klen/webhooks/signing/sealer.hpp"
#include "klen/webhooks/store/delivery_store.hpp"
#include "klen/webhooks/store/event_writer.hpp"

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace klen::webhooks::dispatch {

/// One io thread's share: the lanes of the webhooks that hash to it.
struct shard_environment {
    executor ex;
    egress::http_client* client = nullptr; ///< used on `ex` only
};

/// Everything the dispatcher sees of the world. All of it outlives the dispatcher.
struct dispatch_environment {
    executor coordinator;                  ///< heartbeat, claims, outcome batches; may be the only shard's executor
    std::vector<shard_environment> shards; ///< at least one
    store::delivery_store* store = nullptr;
    clock const* time = nullptr;
    signing::sealer const* seals = nullptr;
    egress::url_policy urls;
    /// Waits on the environment's clock: real timers in production, virtual ones in a simulation. Cancellable by the
    /// coroutine's cancellation state.
    std::function<task<void>(executor, steady_time)> sleep_until;
    std::function<double()> random; ///< uniform in [0, 1); called on the coordinator and the shards, one thread each
};

/// Sleeps with an Asio timer: the production value of `sleep_until`.
std::function<task<void>(executor, steady_time)> timer_sleep();

struct dispatch_options {
    dispatch_config dispatch;
    delivery_config delivery;
    egress_config egress;
    bool log_attempts = true;
    std::string instance_name; ///< host:pid
};

/// Counters and gauges, readable from any thread.
struct dispatch_stats {
    std::uint64_t delivered = 0;
    std::uint64_t attempts_failed = 0;
    std::uint64_t deliveries_failed = 0; ///< no attempt left
    std::uint64_t cancelled = 0;
    std::uint64_t leases_lost = 0;
    std::uint64_t in_memory = 0; ///< leased deliveries: queued, in flight or unrecorded
    std::uint64_t bytes_in_memory = 0;
    std::uint64_t in_flight = 0;
    std::uint64_t unrecorded = 0; ///< outcomes not yet committed
    std::uint64_t lanes = 0;
    std::uint64_t parked_lanes = 0;   ///< lanes that have deliveries parked in the database
    std::uint64_t unusable_lanes = 0; ///< lanes of webhooks whose secrets cannot be read
    std::uint64_t circuits_open = 0;  ///< lanes whose circuit is open or half open
    std::uint64_t circuits_opened = 0;
    double oldest_heartbeat_seconds = 0; ///< age of the last committed heartbeat
};

/// A webhook's circuit at this daemon.
struct circuit_status {
    policy::circuit_state state = policy::circuit_state::closed;
    steady_time open_until{}; ///< where it is open
};

/// Owns deliveries from claim to recorded outcome. See docs/ARCHITECTURE.md, "Life of a delivery".
///
/// Made and destroyed while its executors' threads are not running or from outside them; `start` and `stop` are awaited
/// on the coordinator's executor; the lane_gate's members and what is marked so are thread-safe.
class dispatcher : public store::lane_gate {
  public:
    static std::unique_ptr<dispatcher> create(dispatch_options options, dispatch_environment environment);

    /// Registers the instance and starts claiming, heartbeats and lanes. A failure: the database cannot be used.
    virtual task<result<void>> start() = 0;

    /// Takes nothing more; lets attempts end; writes outcomes; gives back leases; ends within
    /// `dispatch.shutdown_timeout`. Idempotent, safe before `start`.
    virtual task<void> stop() = 0;

    /// The database has ended and does not come back while this process lives: `stop` waits a moment at most for what
    /// can no longer be recorded. Thread-safe.
    virtual void database_ended() = 0;

    /// The webhook was changed, enabled, disabled or deleted: its lane reads it again before the next attempt.
    /// Thread-safe.
    virtual void webhook_changed(webhook_id id) = 0;

    /// An attempt was asked for by hand and waits, parked, for its lane. A lane whose circuit is open does not wait for
    /// its time then: what was asked for is its probe, now, and nothing else is. Thread-safe.
    virtual void attempt_asked(webhook_id id) = 0;

    /// Closed, too, where nothing is known. Thread-safe.
    virtual circuit_status circuit_of(webhook_id id) const = 0;

    /// How the webhooks did since the last call, from recorded outcomes only. On the coordinator's executor. At most
    /// one entry a webhook.
    virtual std::vector<store::health_record> take_health() = 0;

    /// Thread-safe.
    virtual dispatch_stats stats() const = 0;
    /// Thread-safe: heartbeats are committed and every shard answers.
    virtual bool healthy() const = 0;
};

} // namespace klen::webhooks::dispatch
