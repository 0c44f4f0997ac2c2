#pragma once

#include "app/health_backlog.hpp"
#include "app/job_turns.hpp"
#include "app/operational_events.hpp"
#include "klen/webhooks/api/handlers.hpp"
#include "klen/webhooks/base/async.hpp"
#include "klen/webhooks/base/config.hpp"
#include "klen/webhooks/base/log.hpp"
#include "klen/webhooks/dispatch/dispatcher.hpp"
#include "klen/webhooks/intake/intake.hpp"
#include "klen/webhooks/store/api_store.hpp"
#include "klen/webhooks/store/history_store.hpp"

#include <boost/asio/steady_timer.hpp>

#include <atomic>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>

namespace klen::webhooks::app {

/// What the background work reads and feeds. All of it outlives the work.
struct background_parts {
    store::api_store* store = nullptr;
    store::history_store* history = nullptr;
    dispatch::dispatcher* dispatcher = nullptr;
    api::key_cache* keys = nullptr;
    intake::event_catalogue* catalogue = nullptr;
    intake::intake* events = nullptr;
};

struct background_times {
    milliseconds watch{}; ///< how often changes to webhooks and keys are looked for
    milliseconds catalogue{std::chrono::seconds(15)};
    milliseconds maintenance{std::chrono::hours(1)};
    milliseconds jobs{std::chrono::seconds(1)};
    milliseconds operational{std::chrono::seconds(1)};
    milliseconds health{};
    milliseconds key_use{std::chrono::minutes(1)};
    milliseconds queue{std::chrono::seconds(15)};
    hours events_kept{};
    hours idempotency_window{};
};

/// For the metrics, readable from any thread.
struct background_stats {
    std::uint64_t job_steps = 0;
    bool job_under_way = false; ///< by this daemon
    std::uint64_t operational_published = 0;
    std::uint64_t operational_waiting = 0;
    std::optional<store::queue_condition> queue; ///< nothing: it was not seen lately
};

/// Work beside the deliveries, on the coordinator's executor: follows what other instances and commands change, makes
/// and drops partitions, carries out jobs, writes down the health of webhooks and the use of keys, and publishes
/// operational events. Several daemons on one database may all do it. All members are to be called on the executor but
/// those that are marked thread-safe.
class background {
  public:
    /// `operational_account`: see `operational_events`.
    background(executor ex, background_parts parts, background_times times, std::string operational_account);

    /// Everything once, in order: a server that starts afterwards knows its keys and types, and today has a partition.
    task<result<void>> first_round();
    void start();
    task<void> stop();
    /// After `stop`, and after the dispatcher's: writes what is still known of health and keys; ends within `bound`.
    task<void> write_rest(milliseconds bound);

    /// A job waits for its first step. Thread-safe.
    void job_begun();
    background_stats stats() const; ///< thread-safe

  private:
    using step = task<result<void>> (background::*)();
    /// Work that is done again and again, `every` so often or when it is asked for.
    struct chore {
        std::string name;
        milliseconds every{};
        step what{};
        asio::steady_timer timer;
        bool asked = false;
    };

    void begin(chore& which);
    void ask_for(chore& which);
    task<void> repeat(chore& which);

    task<result<void>> watch();
    task<result<void>> read_catalogue();
    task<result<void>> maintain();
    task<result<void>> work_at_jobs();
    task<result<void>> write_health();
    task<result<void>> write_key_use();
    task<result<void>> publish_operational();
    task<result<void>> look_at_queue();
    void step_failed(store::webhook_job const& job, failure const& why);
    void gather_health();

    executor ex_;
    background_parts parts_;
    background_times times_;
    chore watching_, catalogue_, maintenance_, jobs_, health_, key_use_, operational_, queue_;
    std::string cursor_;
    std::unordered_map<webhook_id, std::int64_t> revisions_; ///< what the last look showed: looks overlap by seconds
    health_backlog unwritten_health_;
    std::map<api_key_id, wall_time> unwritten_uses_;
    operational_events outbox_;
    job_turns turns_;
    log::throttle failed_steps_{std::chrono::seconds(30)};
    std::atomic<std::uint64_t> job_steps_{0};
    std::atomic<bool> job_under_way_{false};
    mutable std::mutex queue_mutex_;
    std::optional<store::queue_condition> queue_seen_;
    std::chrono::steady_clock::time_point queue_seen_at_;
    task_group group_;
};

} // namespace klen::webhooks::app
