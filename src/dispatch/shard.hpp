#pragma once

#include "dispatch/closed_lanes.hpp"
#include "dispatch/host_gate.hpp"
#include "dispatch/hub.hpp"
#include "dispatch/lane.hpp"
#include "dispatch/wake_queue.hpp"
#include "klen/webhooks/base/log.hpp"

#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <unordered_map>
#include <unordered_set>
#include <vector>

namespace klen::webhooks::dispatch {

/// What became of a claim of parked deliveries, for one lane.
struct parked_answer {
    webhook_id webhook;
    bool nothing_left = false;
};

/// One io thread's lanes and the coroutines that work on them. Members on its executor, but for those marked so.
class shard : public std::enable_shared_from_this<shard> {
  public:
    /// `host_limit`: its share of the requests that may go to one host at once.
    shard(hub_ptr shared, shard_environment where, std::uint32_t host_limit);

    /// From any thread: runs `what` on the shard's executor.
    void post(std::function<void(shard&)> what);

    void deliver(std::vector<leased_delivery> deliveries);
    /// Closes claims of parked deliveries; what they brought was handed to `deliver` before.
    void parked_claimed(std::vector<parked_answer> const& answers);
    void note_parked(std::vector<webhook_id> const& webhooks);
    /// Something parked was asked for by hand: its lane does not wait for an open circuit's time.
    void attempt_asked(webhook_id id);
    void webhook_changed(webhook_id id);
    /// `webhooks`: what is there of `asked`.
    void loaded(std::vector<webhook_id> const& asked, std::vector<store::webhook> const& webhooks);
    /// A term has ended: forgets what is queued under it.
    void drop_ended();
    /// Goes on where a stale lease or missing room for outcomes held it.
    void run();
    /// Every few seconds: forgets idle lanes, looks for small room, too.
    void tick();
    /// Begins nothing more, forgets what is queued; `done` is called on the shard's executor when nothing is in flight.
    void drain(std::function<void()> done);
    /// Ends requests under way, without an outcome.
    void cancel_requests();

    /// Thread-safe.
    closed_lanes const& closed() const { return closed_; }
    circuit_status circuit_of(webhook_id id) const;
    std::uint64_t open_circuits() const;
    std::uint64_t lanes() const { return lane_count_.load(); }
    std::uint64_t parked_lanes() const { return parked_count_.load(); }
    std::uint64_t unusable_lanes() const { return unusable_count_.load(); }

  private:
    struct job {
        std::shared_ptr<lane> in;
        leased_delivery delivery;
        std::shared_ptr<delivery_profile> with;
        outcome_slots::slot slot;
        std::uint32_t era = 0;      ///< of the lane's circuit
        steady_time started{};      ///< set when it begins
        std::int64_t signed_at = 0; ///< the same
    };
    using lane_ptr = std::shared_ptr<lane>;

    task<void> work(std::shared_ptr<job> first);
    task<void> when_idle(std::function<void()> done);
    static std::string sign(job const& j);
    void record(job finished, policy::attempt_result result);
    void judge_endpoint(job const& of, policy::attempt_result const& result, steady_time now);

    std::optional<job> next_job();
    bool has_turn();
    enum class step { started, skipped, held };
    step try_start(lane_ptr const& l, std::optional<job>& out);
    void settle_without_request(lane& l, policy::error_class why, outcome_slots::slot slot);
    void pass_turn(lane& l);
    void leave_host(std::string const& host);
    void give_turn(std::string const& host, lane_ptr next);

    lane_ptr lane_of(webhook_id id);
    void offer(lane& l, leased_delivery delivery);
    void hand_back(leased_delivery delivery, bool parked, milliseconds wait = {});
    void apply(lane& l, store::webhook const* found);
    /// After anything that may have changed what a lane wants.
    void touched(lane_ptr const& l);
    void line_up(lane_ptr const& l);
    void belongs_to(lane& l, std::string const& account);
    void shed(lane& l);

    void hold_until(lane_ptr const& l, steady_time at);
    task<void> keep_time();
    void wake(lane_ptr const& l, steady_time now);
    void wake_all_due(steady_time now);
    void judge_asked(lane_ptr const& l);
    void show_circuit(lane const& l);
    void forget_circuit(lane const& l);

    hub_ptr const hub_;
    shard_environment const where_;
    profile_maker const profiles_;
    task_group workers_;
    task_group drains_;
    task_group timers_;
    std::unordered_map<webhook_id, lane_ptr> lanes_;
    std::deque<lane_ptr> line_; ///< lanes that may start something, in turn
    std::uint32_t steps_ = 0;   ///< of this turn
    bool yielding_ = false;     ///< the next turn is posted
    host_gate<lane> hosts_;
    wake_queue<lane> wakes_; ///< lanes that wait for their time
    alarm timer_;            ///< one for all of them
    bool keeping_time_ = false;
    steady_time sleeps_until_{};
    bool draining_ = false;
    log::throttle unusable_log_{std::chrono::seconds(60)};
    log::throttle local_failure_log_{std::chrono::seconds(10)};

    closed_lanes closed_;
    mutable std::mutex shown_mutex_;
    std::unordered_map<webhook_id, circuit_status> shown_circuits_; ///< those that are not closed
    std::atomic<std::uint64_t> lane_count_{0};
    std::atomic<std::uint64_t> parked_count_{0};
    std::atomic<std::uint64_t> unusable_count_{0};
};
using shard_ptr = std::shared_ptr<shard>;

/// Which of `count` shards a webhook belongs to.
inline std::size_t shard_of(webhook_id id, std::size_t count) { return (std::hash<webhook_id>{}(id) >> 32) % count; }

} // namespace klen::webhooks::dispatch
