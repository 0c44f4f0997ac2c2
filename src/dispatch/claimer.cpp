#include "dispatch/claimer.hpp"

#include <algorithm>
#include <unordered_map>
#include <unordered_set>
#include <utility>

namespace klen::webhooks::dispatch {

namespace {

/// Between two claims of which the first found less than it might have: gathers what falls due close together.
constexpr milliseconds claim_spacing{100};
constexpr std::chrono::seconds scan_interval{5};
constexpr std::uint32_t scan_step = 500;
constexpr std::uint32_t parked_batch_max = 500;

milliseconds spacing(dispatch_config const& config) { return std::min(claim_spacing, config.poll_interval); }

} // namespace

claimer::claimer(hub_ptr shared, shard_set_ptr shards)
    : hub_(std::move(shared)), shards_(std::move(shards)), due_alarm_(hub_->make_alarm()), claim_at_(hub_->now()),
      not_before_(claim_at_), parked_not_before_(claim_at_), scan_alarm_(hub_->make_alarm()) {}

void claimer::note_due(steady_time at) {
    if (!noted_due_ || at < *noted_due_)
        noted_due_ = at;
    // A moment later, because the database's clock ticks between ours.
    auto const claim_at = std::max(at + milliseconds(1), not_before_);
    if (claim_at >= claim_at_)
        return;
    claim_at_ = claim_at;
    due_alarm_.ring();
}

void claimer::room_returned() {
    if (std::exchange(held_back_, false)) {
        claim_at_ = hub_->now();
        due_alarm_.ring();
    }
    if (!parked_wants_.empty())
        hub_->wants.bell().ring();
}

void claimer::wake() {
    room_returned();
    due_alarm_.ring();
    hub_->wants.bell().ring();
    if (hub_->stopping)
        scan_alarm_.ring();
}

void claimer::look_around() {
    note_due(hub_->now());
    scan_alarm_.ring();
}

term_ptr claimer::usable_term() const {
    auto t = hub_->leases.current();
    if (!t || t->doubtful() || !t->fresh(hub_->env.time->boot()))
        return nullptr;
    return t;
}

void claimer::hand_over(std::vector<store::claimed_delivery> claimed, term_ptr const& under) {
    std::vector<leased_delivery> leased;
    leased.reserve(claimed.size());
    for (auto& c : claimed)
        leased.push_back(hub_->lease_of(std::move(c), under));
    shards_->deliver(std::move(leased));
}

void claimer::failed(char const* what, failure const& why, term_ptr const& under) {
    // Perhaps it did happen, and something is leased to us that we never heard of.
    if (why.kind == fault::connection_lost)
        hub_->doubt(under);
    if (why.kind == fault::lease_lost)
        hub_->keeper_bell.ring();
    if (auto const say = trouble_log_.allow(); say.write)
        log::warn(what, {{"error.message", why.message}, {"fault", to_string(why.kind)}, {"repeats", say.held_back}});
}

// --- due -------------------------------------------------------------------------------------------------------------

task<void> claimer::due_loop() {
    while (!hub_->stopping) {
        auto const now = hub_->now();
        if (now < claim_at_) {
            co_await due_alarm_.wait_until(claim_at_);
            continue;
        }
        if (auto const at = hub_->pace.next(now); now < at) {
            claim_at_ = at;
            continue;
        }
        auto const under = usable_term();
        auto const limit = hub_->pace.room(hub_->memory->claim_room(hub_->options.dispatch.claim_batch_max), now);
        held_back_ = !under || limit == 0;
        if (held_back_)
            claim_at_ = now + hub_->options.dispatch.poll_interval;
        else
            co_await claim_due(under, limit);
    }
}

task<void> claimer::claim_due(term_ptr under, std::uint32_t limit) {
    budget::reservation const room(hub_->memory, limit);
    store::due_request request;
    request.owner = under->id();
    request.limit = limit;
    request.full = shards_->closed_webhooks();
    noted_due_.reset(); // what is noted from here on may be later than what this claim sees
    auto claimed = co_await hub_->env.store->claim_due(std::move(request));
    if (hub_->stopping)
        co_return; // what was claimed goes back with the lease
    if (!claimed) {
        failed("due deliveries cannot be claimed", claimed.error(), under);
        not_before_ = hub_->now() + due_backoff_.next();
        claim_at_ = not_before_;
        co_return;
    }
    due_backoff_.reset();
    hub_->pace.claimed(static_cast<std::uint32_t>(claimed->deliveries.size()), hub_->now());
    bool const found = !claimed->deliveries.empty() || !claimed->parked.empty();
    bool const filled = claimed->deliveries.size() >= limit || (found && claimed->next_due == milliseconds(0));
    if (!claimed->parked.empty())
        shards_->note_parked(std::move(claimed->parked));
    if (!claimed->deliveries.empty())
        hand_over(std::move(claimed->deliveries), under);
    not_before_ = hub_->now() + (filled ? milliseconds(0) : spacing(hub_->options.dispatch));
    claim_at_ = filled ? not_before_ : next_claim(claimed->next_due);
}

steady_time claimer::next_claim(std::optional<milliseconds> next_due) const {
    auto const now = hub_->now();
    auto at = now + hub_->options.dispatch.poll_interval;
    if (next_due)
        at = std::min(at, now + *next_due + milliseconds(1));
    if (noted_due_)
        at = std::min(at, *noted_due_ + milliseconds(1));
    return std::max(at, not_before_);
}

// --- parked ----------------------------------------------------------------------------------------------------------

task<void> claimer::parked_loop() {
    auto const& bell = hub_->wants.bell();
    while (!hub_->stopping) {
        for (auto& want : hub_->wants.drain())
            parked_wants_.push_back(want);
        auto const now = hub_->now();
        auto const under = usable_term();
        if (parked_wants_.empty()) {
            co_await bell.wait();
        } else if (now < parked_not_before_) {
            co_await bell.wait_until(parked_not_before_);
        } else if (auto const at = hub_->pace.next(now); now < at) {
            co_await bell.wait_until(at);
        } else if (auto wants = under ? fitting_wants() : std::vector<parked_want>{}; wants.empty()) {
            auto const look_again = now + hub_->options.dispatch.poll_interval;
            co_await bell.wait_until(look_again);
        } else {
            co_await claim_parked(under, std::move(wants));
        }
    }
}

/// As many wants, in order, as there is memory for; the last one may get less than it has room for.
std::vector<parked_want> claimer::fitting_wants() {
    std::vector<parked_want> out;
    auto left = hub_->pace.room(hub_->memory->claim_room(hub_->options.dispatch.claim_batch_max), hub_->now());
    while (left > 0 && !parked_wants_.empty() && out.size() < parked_batch_max) {
        auto want = parked_wants_.front();
        parked_wants_.pop_front();
        want.room = std::min(want.room, left);
        left -= want.room;
        out.push_back(want);
    }
    return out;
}

task<void> claimer::claim_parked(term_ptr under, std::vector<parked_want> wants) {
    std::vector<store::lane_room> rooms;
    std::uint32_t total = 0;
    for (auto const& w : wants) {
        rooms.push_back({w.webhook, w.room});
        total += w.room;
    }
    budget::reservation const room(hub_->memory, total);
    auto claimed = co_await hub_->env.store->claim_parked(under->id(), std::move(rooms));
    if (hub_->stopping)
        co_return;
    if (!claimed) {
        failed("parked deliveries cannot be claimed", claimed.error(), under);
        parked_wants_.insert(parked_wants_.begin(), wants.begin(), wants.end());
        parked_not_before_ = hub_->now() + parked_backoff_.next();
        co_return;
    }
    parked_backoff_.reset();
    hub_->pace.claimed(static_cast<std::uint32_t>(claimed->deliveries.size()), hub_->now());
    if (!claimed->deliveries.empty())
        hand_over(std::move(claimed->deliveries), under);
    std::unordered_set<webhook_id> const exhausted(claimed->exhausted.begin(), claimed->exhausted.end());
    std::vector<parked_answer> answers;
    for (auto const& w : wants)
        answers.push_back({w.webhook, exhausted.contains(w.webhook)});
    auto const webhook_of = [](parked_answer const& a) { return a.webhook; };
    auto const use = [](shard& s, std::vector<parked_answer> part) { s.parked_claimed(part); };
    shards_->hand_out(std::move(answers), webhook_of, use);
}

task<void> claimer::scan_loop() {
    while (!hub_->stopping) {
        auto const next = hub_->now() + scan_interval;
        // While claims lag behind what is known, more of it would only fill memory with lanes.
        if (usable_term() && parked_wants_.size() < scan_step)
            co_await scan();
        if (!hub_->stopping)
            co_await scan_alarm_.wait_until(next);
    }
}

task<void> claimer::scan() {
    auto found = co_await hub_->env.store->parked_webhooks(scanned_to_, scan_step);
    if (!found || hub_->stopping)
        co_return;
    // Round and round: a step that was not filled was the last of its round.
    scanned_to_ = found->size() < scan_step ? webhook_id{} : found->back();
    if (!found->empty())
        shards_->note_parked(std::move(*found));
}

} // namespace klen::webhooks::dispatch
