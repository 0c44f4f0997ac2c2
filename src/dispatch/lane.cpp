#include "dispatch/lane.hpp"

#include <algorithm>
#include <utility>

namespace klen::webhooks::dispatch {

using policy::error_class;

bool lane::offer(leased_delivery& delivery) {
    if (!takes() || queue_.size() >= std::size_t{limits_.queue_max} * 2)
        return false;
    queue_.push_back(std::move(delivery));
    judge_room();
    return true;
}

leased_delivery lane::pop() {
    auto out = std::move(queue_.front());
    queue_.pop_front();
    judge_room();
    return out;
}

error_class lane::verdict_without_request() const {
    auto const& what = queue_.front().what;
    if (what.webhook_deleted || state_ == lane_state::deleted)
        return error_class::webhook_deleted;
    if (!what.event)
        return error_class::event_expired;
    if (state_ == lane_state::ready && !profile_->to)
        return error_class::url_not_allowed;
    return error_class::none;
}

bool lane::startable() const {
    if (queue_.empty())
        return false;
    if (verdict_without_request() != error_class::none)
        return true;
    return state_ == lane_state::ready && in_flight_ < profile_->concurrency;
}

void lane::ended(steady_time now) {
    --in_flight_;
    last_used_ = now;
}

std::vector<leased_delivery> lane::empty_queue() {
    std::vector<leased_delivery> out;
    out.reserve(queue_.size());
    std::move(queue_.begin(), queue_.end(), std::back_inserter(out));
    queue_.clear();
    judge_room();
    return out;
}

std::size_t lane::drop_ended() {
    auto const dropped = std::erase_if(queue_, [](leased_delivery const& d) { return d.held.under().ended(); });
    judge_room();
    return dropped;
}

std::uint32_t lane::room() const {
    auto const taken = queue_.size() + reserved_;
    return taken >= limits_.queue_max ? 0 : static_cast<std::uint32_t>(limits_.queue_max - taken);
}

void lane::judge_room() {
    auto const taken = queue_.size() + reserved_;
    if (taken >= limits_.queue_max)
        full_ = true;
    else if (taken <= limits_.queue_max / 2)
        full_ = false;
}

bool lane::closed() const { return full_ || claiming_ || !takes(); }

bool lane::wants_parked(std::uint32_t least) const {
    bool const can_use = state_ == lane_state::ready || state_ == lane_state::deleted;
    return can_use && has_parked_ && !claiming_ && room() >= std::max(least, 1U);
}

std::uint32_t lane::begin_parked_claim() {
    has_parked_ = false;
    claiming_ = true;
    reserved_ = room();
    judge_room();
    return reserved_;
}

void lane::end_parked_claim(bool nothing_left) {
    claiming_ = false;
    reserved_ = 0;
    if (!nothing_left)
        has_parked_ = true;
    judge_room();
}

void lane::mark_changed() {
    load_wanted_ = true;
    if (state_ == lane_state::disabled || state_ == lane_state::unusable)
        waited_ = true;
    state_ = lane_state::loading;
}

void lane::begin_load() {
    load_wanted_ = false;
    loading_ = true;
}

void lane::loaded(lane_state state, std::shared_ptr<delivery_profile> profile, bool failing) {
    loading_ = false;
    if (load_wanted_)
        return; // what came may be older than the change
    state_ = state;
    profile_ = std::move(profile);
    failing_ = failing;
    if (state_ == lane_state::ready && std::exchange(waited_, false))
        has_parked_ = true;
}

bool lane::idle_since(steady_time before) const {
    bool const looks_for_parked = has_parked_ && takes(); // else the change that lets it take again looks for them
    return queue_.empty() && in_flight_ == 0 && !looks_for_parked && !claiming_ && !loading_ && !runnable &&
           !waiting_for_host && last_used_ < before;
}

} // namespace klen::webhooks::dispatch
