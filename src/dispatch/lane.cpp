#include "dispatch/lane.hpp"

#include <algorithm>
#include <utility>

namespace klen::webhooks::dispatch {

using policy::circuit_state;
using policy::error_class;

namespace {

/// How many may be queued for each request at once of a webhook that has to prove itself: if it does, they leave within
/// a few answers; if it hangs, they would wait for minutes and fill the memory that others need.
constexpr std::uint32_t queued_per_request = 16;
/// What a limited rate uses up in this time may be queued: fetching more takes less than half of it.
constexpr std::uint32_t paced_seconds = 2;

} // namespace

lane::lane(webhook_id id, limits how)
    : id_(id), limits_(how), queue_max_(how.queue_max), circuit_(*how.circuit), allowance_(how.queue_max) {
    judge_queue_max();
}

bool lane::offer(leased_delivery& delivery) {
    if (!takes() || queue_.size() >= std::size_t{queue_max_} * 2)
        return false;
    if (delivery.what.manual && circuit_.state() == circuit_state::half_open)
        asked_ = true; // there may be more of them than the one that there is room for
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
    return state_ == lane_state::ready && in_flight_ < std::min(profile_->concurrency, circuit_.limit());
}

std::uint32_t lane::began(steady_time now) {
    ++in_flight_;
    if (pacer_.limits())
        pacer_.took(now);
    if (circuit_.state() != circuit_state::closed)
        judge_queue_max();
    return circuit_.era();
}

policy::circuit_cause lane::ended(policy::begun_attempt const& which, policy::attempt_result const& result,
                                  steady_time now, double chance) {
    --in_flight_;
    last_used_ = now;
    if (result.status != 0) {
        answered_ = true;
        stalls_ = false;
    }
    bool const was_closed = circuit_.state() == circuit_state::closed;
    auto const limit = circuit_.limit();
    auto const cause = circuit_.ended(which, result, now, chance);
    if (!was_closed || circuit_.limit() != limit)
        judge_queue_max();
    return cause;
}

bool lane::half_open(steady_time now) {
    if (!circuit_.half_open_if_due(now))
        return false;
    last_used_ = now;
    judge_queue_max();
    return true;
}

void lane::ask() {
    asked_ = true;
    has_parked_ = true;
}

bool lane::judge_asked(steady_time now) {
    if (claiming_ || !queue_.empty() || in_flight_ != 0)
        return false;
    bool const changed = asked_ && has_parked_ ? circuit_.half_open_now() : circuit_.open_again(now);
    if (changed) {
        last_used_ = now;
        judge_queue_max();
    }
    return changed;
}

void lane::judge_progress(bool scarce) {
    bool const stalls = in_flight_ > 0 && !std::exchange(answered_, false);
    stalls_ = stalls_ || stalls;
    if (stalls)
        allowance_ = scarce || !profile_ ? 1 : std::max(std::min(profile_->concurrency, circuit_.limit()), 1U) * 2;
    else if (allowance_ < limits_.queue_max)
        allowance_ *= 2;
    else
        return;
    judge_queue_max();
}

std::uint32_t lane::fitting_queue_max() const {
    if (state_ == lane_state::deleted)
        return limits_.queue_max;
    if (circuit_.state() == circuit_state::open)
        return 0;
    if (circuit_.state() == circuit_state::half_open)
        return in_flight_ == 0 ? 1 : 0;
    std::uint64_t out = std::min(limits_.queue_max, allowance_);
    if (profile_ && profile_->rate)
        out = std::min<std::uint64_t>(out, std::uint64_t{*profile_->rate} * paced_seconds);
    if (circuit_.limit() != policy::circuit::no_limit)
        out = std::min<std::uint64_t>(out, std::uint64_t{circuit_.limit()} * queued_per_request);
    return static_cast<std::uint32_t>(out);
}

void lane::judge_queue_max() {
    auto const before = std::exchange(queue_max_, fitting_queue_max());
    if (before != queue_max_)
        judge_room();
}

std::vector<leased_delivery> lane::shed() {
    std::vector<leased_delivery> out;
    while (queue_.size() > queue_max_) {
        out.push_back(std::move(queue_.back()));
        queue_.pop_back();
    }
    if (!out.empty()) {
        has_parked_ = true;
        judge_room();
    }
    return out;
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
    return taken >= queue_max_ ? 0 : static_cast<std::uint32_t>(queue_max_ - taken);
}

void lane::judge_room() {
    auto const taken = queue_.size() + reserved_;
    if (taken >= queue_max_)
        full_ = true;
    else if (taken <= queue_max_ / 2)
        full_ = false;
}

bool lane::closed() const { return full_ || claiming_ || !takes(); }

bool lane::wants_parked(std::uint32_t least) const {
    bool const can_use = state_ == lane_state::ready || state_ == lane_state::deleted;
    return can_use && has_parked_ && !claiming_ && room() >= std::max(least, 1U);
}

std::uint32_t lane::begin_parked_claim() {
    has_parked_ = false;
    asked_ = false;
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

void lane::loaded(lane_state state, std::shared_ptr<delivery_profile> profile, bool failing, steady_time now) {
    loading_ = false;
    if (load_wanted_)
        return; // what came may be older than the change
    bool const same_endpoint =
        profile && profile_ && profile->to && profile_->to && profile->to->url == profile_->to->url;
    if (!same_endpoint)
        circuit_.reset();
    state_ = state;
    profile_ = std::move(profile);
    failing_ = failing;
    pacer_.set(profile_ ? profile_->rate : std::nullopt, now);
    judge_queue_max();
    if (state_ == lane_state::ready && std::exchange(waited_, false))
        has_parked_ = true;
}

bool lane::idle_since(steady_time before) const {
    bool const looks_for_parked = has_parked_ && takes(); // else the change that lets it take again looks for them
    return queue_.empty() && in_flight_ == 0 && !looks_for_parked && !claiming_ && !loading_ && !runnable &&
           !waiting_for_host && wake_at == steady_time::max() && last_used_ < before;
}

} // namespace klen::webhooks::dispatch
