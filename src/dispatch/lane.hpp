#pragma once

#include "dispatch/delivery_profile.hpp"
#include "dispatch/leased.hpp"
#include "klen/webhooks/policy/circuit.hpp"
#include "klen/webhooks/policy/pacer.hpp"

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
///
/// How much is held in memory follows from how fast it can leave: nothing while the webhook's circuit is open, one
/// probe while it is half open, two seconds' requests where its rate is limited, little while it has to prove itself,
/// and little when it has answered nothing for a while. The rest waits in the database, at nobody's expense.
class lane {
  public:
    struct limits {
        std::uint32_t queue_max = 1;
        policy::circuit_policy const* circuit = &no_circuit; ///< outlives the lane
    };
    lane(webhook_id id, limits how);

    webhook_id id() const { return id_; }
    /// Empty: not known yet.
    std::string const& account() const { return account_; }
    /// True: it was not known before.
    bool belongs_to(std::string const& account) {
        if (!account_.empty() || account.empty())
            return false;
        account_ = account;
        return true;
    }
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
    /// A request begins; `now` is looked at where `paced`. Returns the circuit's era, for `ended`.
    std::uint32_t began(steady_time now);
    /// It has ended. Tells why the circuit opened, if it did.
    policy::circuit_cause ended(policy::begun_attempt const& which, policy::attempt_result const& result,
                                steady_time now, double chance);
    /// Everything queued, to be handed back or dropped.
    std::vector<leased_delivery> empty_queue();
    /// What is queued beyond the room that there is now, to be handed back.
    std::vector<leased_delivery> shed();
    /// Drops what is leased under a term that is over; returns how many.
    std::size_t drop_ended();
    bool failing() const { return failing_; }
    void set_failing(bool failing) { failing_ = failing; }

    // --- how fast ---
    bool paced() const { return pacer_.limits(); }
    /// Where it is paced: when the next request may begin.
    steady_time next_start() const { return pacer_.next(); }
    policy::circuit const& circuit() const { return circuit_; }
    /// Half opens an open circuit whose time has come. False: it stays as it is.
    bool half_open(steady_time now);
    /// An attempt was asked for by hand, and waits parked.
    void ask();
    /// Half opens an open circuit as long as what was asked for may wait, and opens it again when there is none left.
    /// Only while nothing is under way. False: it stays as it is.
    bool judge_asked(steady_time now);
    /// The circuit is half open for what was asked for by hand; anything else would spend its attempt on it.
    bool only_asked(steady_time now) const { return circuit_.only_asked(now); }
    /// Whether it may have one of the places that are free at its host (see host_gate). While it answers nothing it
    /// takes as many as it leaves at most.
    bool may_take(std::uint32_t free) const { return in_flight_ == 0 || (stalls_ ? in_flight_ < free : free > 0); }
    /// Looks whether anything was answered since the last look. `scarce`: others need the memory.
    void judge_progress(bool scarce);

    // --- room and what is parked ---
    std::uint32_t room() const;
    /// New deliveries should be born parked. Once full it stays so until half of the queue is free.
    bool closed() const;
    void note_parked() { has_parked_ = true; }
    bool has_parked() const { return has_parked_ || claiming_; }
    /// `least`: how much room is worth a claim.
    bool wants_parked(std::uint32_t least) const;
    bool wants_parked() const { return wants_parked((queue_max_ + 1) / 2); }
    /// Returns the room to be asked for.
    std::uint32_t begin_parked_claim();
    /// `nothing_left`: false after a failed claim, too.
    void end_parked_claim(bool nothing_left);

    // --- its webhook ---
    void mark_changed();
    bool wants_load() const { return load_wanted_ && !loading_; }
    void begin_load();
    /// What was loaded; null for a state without requests. Stays `loading` if it was changed again meanwhile. Its rate
    /// is in force at once; of another URL nothing is known, so its circuit is closed.
    void loaded(lane_state state, std::shared_ptr<delivery_profile> profile, bool failing, steady_time now = {});

    /// Nothing would be lost if it were forgotten.
    bool idle_since(steady_time before) const;
    void used(steady_time now) { last_used_ = now; }

    // --- the shard's own marks ---
    bool runnable = false;                    ///< stands in the shard's line
    bool waiting_for_host = false;            ///< stands in a host's line
    bool waiting_for_time = false;            ///< is to be woken
    steady_time wake_at = steady_time::max(); ///< where it stands in the shard's queue of those; max: nowhere
    std::string host_turn;                    ///< a place at this host was left for it
    bool shown_closed = false;                ///< what the grant says of it

  private:
    bool takes() const {
        return state_ == lane_state::loading || state_ == lane_state::ready || state_ == lane_state::deleted;
    }
    void judge_room();
    void judge_queue_max();
    std::uint32_t fitting_queue_max() const;

    static constexpr policy::circuit_policy no_circuit{};

    webhook_id id_;
    std::string account_;
    limits limits_;
    std::uint32_t queue_max_; ///< what may be queued now
    lane_state state_ = lane_state::loading;
    std::shared_ptr<delivery_profile> profile_;
    std::deque<leased_delivery> queue_;
    std::uint32_t in_flight_ = 0;
    bool failing_ = false;

    policy::pacer pacer_;
    policy::circuit circuit_;
    bool answered_ = false;   ///< since progress was judged last
    bool stalls_ = true;      ///< nothing was answered yet, or since a look that found it so
    std::uint32_t allowance_; ///< how much may be queued: little once nothing was answered between two looks

    bool full_ = false;
    bool has_parked_ = false;
    bool claiming_ = false;
    bool asked_ = false; ///< something that was asked for by hand may be parked, which no claim has looked for yet
    std::uint32_t reserved_ = 0;

    bool load_wanted_ = true;
    bool loading_ = false;
    bool waited_ = false; ///< its deliveries had to wait in the database: look for them when it is ready
    steady_time last_used_{};
};

} // namespace klen::webhooks::dispatch
