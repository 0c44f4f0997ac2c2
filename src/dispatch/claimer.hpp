#pragma once

#include "dispatch/hub.hpp"
#include "dispatch/shard_set.hpp"

#include <deque>
#include <memory>
#include <optional>

namespace klen::webhooks::dispatch {

/// Fetches from the database what is due and what is parked, as much as there is room for. Three loops on the
/// coordinator; each ends soon after `hub::stopping` is set and `wake` called.
class claimer {
  public:
    claimer(hub_ptr shared, shard_set_ptr shards);

    /// What is due. Sleeps until the next due time that it knows of, `poll_interval` at most.
    task<void> due_loop();
    /// What is parked for lanes that have room.
    task<void> parked_loop();
    /// Looks, step by step, for parked work that other instances left.
    task<void> scan_loop();

    /// Something falls due then.
    void note_due(steady_time at);
    /// There is room in memory again.
    void room_returned();
    /// Deliveries of these were handed back to wait for room.
    void parked_again(std::vector<webhook_id> webhooks) const { shards_->note_parked(std::move(webhooks)); }
    /// There is a fresh lease again, or an end.
    void wake();
    /// A dead instance's work was freed.
    void look_around();

  private:
    term_ptr usable_term() const;
    task<void> claim_due(term_ptr under, std::uint32_t limit);
    /// When to claim again, after one that left nothing due.
    steady_time next_claim(std::optional<milliseconds> next_due) const;
    task<void> claim_parked(term_ptr under, std::vector<parked_want> wants);
    std::vector<parked_want> fitting_wants();
    task<void> scan();
    void hand_over(std::vector<store::claimed_delivery> claimed, term_ptr const& under);
    void failed(char const* what, failure const& why, term_ptr const& under);

    hub_ptr const hub_;
    shard_set_ptr const shards_;

    alarm due_alarm_;
    backoff due_backoff_;
    steady_time claim_at_;                 ///< when the next claim is to be made
    steady_time not_before_;               ///< and not earlier than this
    std::optional<steady_time> noted_due_; ///< earliest due time noted since the last claim began
    bool held_back_ = false;               ///< a claim had no room or no lease

    std::deque<parked_want> parked_wants_;
    steady_time parked_not_before_;
    backoff parked_backoff_;

    alarm scan_alarm_;
    webhook_id scanned_to_{};
    log::throttle trouble_log_{std::chrono::seconds(10)};
};

} // namespace klen::webhooks::dispatch
