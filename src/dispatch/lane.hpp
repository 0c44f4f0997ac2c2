#pragma once

#include "dispatch/delivery_profile.hpp"
#include "dispatch/leased.hpp"

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

namespace klen::webhooks::dispatch {

enum class lane_state {
    loading, ///< its webhook's configuration is unknown or was changed: nothing begins
    ready,
    disabled, ///< its deliveries wait in the database
    deleted,  ///< its deliveries are cancelled
    unusable, ///< its secrets cannot be read: as disabled, until it is read again
};

/// One webhook's deliveries in memory, and what may happen to them. A state machine without I/O; belongs to one shard.
///
/// Work that is parked in the database is fetched in big steps: when half of the queue is free, one claim with that
/// much room is wanted; while it is under way the lane takes no new deliveries. A note of parked work that arrives
/// during the claim survives the claim's "nothing is left".
class lane {
  public:
    struct limits {
        std::uint32_t queue_max = 1;
    };
    lane(webhook_id id, limits how) : id_(id), limits_(how) {}

    webhook_id id() const { return id_; }
    lane_state state() const { return state_; }
    std::shared_ptr<delivery_profile> const& profile() const { return profile_; }

    // --- its deliveries ---
    /// False: not taken, `delivery` is as it was. Up to twice the queue's size is taken, because a batch that was
    /// granted room may meet a lane that others filled meanwhile. A disabled or unusable lane takes nothing.
    bool offer(leased_delivery& delivery);
    std::uint32_t queued() const { return static_cast<std::uint32_t>(queue_.size()); }
    std::uint32_t in_flight() const { return in_flight_; }
    leased_delivery const& front() const { return queue_.front(); }
    leased_delivery pop();
    /// May something happen to the front of the queue now: a request, or a verdict without one?
    bool startable() const;
    /// The front needs no request: its webhook or its event is gone, or its URL is refused.
    policy::error_class verdict_without_request() const;
    void began() { ++in_flight_; }
    void ended(steady_time now);
    /// Everything queued, to be handed back or dropped.
    std::vector<leased_delivery> empty_queue();
    /// Drops what is leased under a term that is over; returns how many.
    std::size_t drop_ended();
    bool failing() const { return failing_; }
    void set_failing(bool failing) { failing_ = failing; }

    // --- room and what is parked ---
    std::uint32_t room() const;
    /// New deliveries should be born parked. Once full it stays so until half of the queue is free.
    bool closed() const;
    void note_parked() { has_parked_ = true; }
    bool has_parked() const { return has_parked_ || claiming_; }
    /// `least`: how much room is worth a claim.
    bool wants_parked(std::uint32_t least) const;
    bool wants_parked() const { return wants_parked((limits_.queue_max + 1) / 2); }
    /// Returns the room to be asked for.
    std::uint32_t begin_parked_claim();
    /// `nothing_left`: false after a failed claim, too.
    void end_parked_claim(bool nothing_left);

    // --- its webhook ---
    void mark_changed();
    bool wants_load() const { return load_wanted_ && !loading_; }
    void begin_load();
    /// What was loaded; null for a state without requests. Stays `loading` if it was changed again meanwhile.
    void loaded(lane_state state, std::shared_ptr<delivery_profile> profile, bool failing);

    /// Nothing would be lost if it were forgotten.
    bool idle_since(steady_time before) const;
    void used(steady_time now) { last_used_ = now; }

    // --- the shard's own marks ---
    bool runnable = false;         ///< stands in the shard's line
    bool waiting_for_host = false; ///< stands in a host's line
    std::string host_turn;         ///< a place at this host was left for it
    bool shown_closed = false;     ///< what the grant says of it

  private:
    bool takes() const {
        return state_ == lane_state::loading || state_ == lane_state::ready || state_ == lane_state::deleted;
    }
    void judge_room();

    webhook_id id_;
    limits limits_;
    lane_state state_ = lane_state::loading;
    std::shared_ptr<delivery_profile> profile_;
    std::deque<leased_delivery> queue_;
    std::uint32_t in_flight_ = 0;
    bool failing_ = false;

    bool full_ = false;
    bool has_parked_ = false;
    bool claiming_ = false;
    std::uint32_t reserved_ = 0;

    bool load_wanted_ = true;
    bool loading_ = false;
    bool waited_ = false; ///< its deliveries had to wait in the database: look for them when it is ready
    steady_time last_used_{};
};

} // namespace klen::webhooks::dispatch
