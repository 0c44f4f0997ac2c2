#include "event_queue.hpp"

#include <algorithm>
#include <utility>

namespace klen::webhooks::store {

namespace {

/// Accounts that are remembered although nothing of theirs waits: spares most events an allocation.
constexpr std::size_t idle_accounts_max = 1024;
/// For so long nobody makes more than a few dozen webhooks.
constexpr milliseconds experience_fresh{100};
/// Of an account and type of which nothing fresh is known, in one batch: with a thousand webhooks they are a few
/// thousand deliveries.
constexpr std::uint32_t scouts_max = 4;
/// Who has published in this time counts as publishing still.
constexpr milliseconds publishing_for{1000};
/// When so many accounts' events do not fit, hardly anything will.
constexpr std::size_t passed_over_max = 64;

std::uint64_t weight(accepted_event const& event) { return event.body.size() + 256; }

} // namespace

event_queue::account& event_queue::account_of(std::string const& id) {
    auto& out = accounts_[id];
    out.types.reserve(types_max); // they stay where they are
    return out;
}

event_queue::experience& event_queue::experience_of(account& of, std::string const& event_type) {
    auto const found = std::ranges::find(of.types, event_type, &experience::event_type);
    if (found != of.types.end())
        return *found;
    if (of.types.size() < types_max) {
        auto& made = of.types.emplace_back();
        made.event_type = event_type;
        return made;
    }
    auto& oldest = *std::ranges::min_element(of.types, {}, &experience::known_at);
    oldest = experience{};
    oldest.event_type = event_type;
    return oldest;
}

event_queue::refusal event_queue::put(waiting_event& one) {
    auto const& event = one.event();
    auto& own = account_of(event.account_id);
    auto const& like = experience_of(own, event.event_type);
    auto const bytes = weight(event);
    auto const deliveries = like.foreseen();
    auto const refused = is_full(bytes, deliveries)               ? refusal::full
                         : share_is_taken(own, bytes, deliveries) ? refusal::share_taken
                                                                  : refusal::none;
    if (refused != refusal::none) {
        forget_if_idle(event.account_id);
        return refused;
    }
    one.deliveries_foreseen = deliveries;
    own.bytes += bytes;
    own.deliveries += deliveries;
    bytes_ += bytes;
    deliveries_ += deliveries;
    ++events_;
    if (own.waiting.empty())
        turns_.push_back(&own);
    own.waiting.push_back(std::move(one));
    return refusal::none;
}

/// An event always finds room when nothing else waits, however much it is.
bool event_queue::is_full(std::uint64_t bytes, std::uint32_t deliveries) const {
    return events_ >= limits_.queue_events_max || bytes_ + bytes > limits_.queue_bytes_max ||
           (events_ > 0 && deliveries_ + deliveries > limits_.queue_deliveries_max);
}

/// An account with nothing in the queue may always put one event there, however small its share.
bool event_queue::share_is_taken(account const& own, std::uint64_t bytes, std::uint32_t deliveries) const {
    std::uint64_t const percent = limits_.account_share_percent;
    return !own.waiting.empty() && (own.waiting.size() >= limits_.queue_events_max * percent / 100 ||
                                    own.bytes + bytes > limits_.queue_bytes_max * percent / 100 ||
                                    own.deliveries + deliveries > limits_.queue_deliveries_max * percent / 100);
}

bool event_queue::has_its_share(account& of) const {
    if (std::exchange(of.batch, batch_) != batch_)
        of.in_batch = 0;
    return several_ && of.in_batch >= limits_.batch_account_events_max;
}

void event_queue::note_publisher(std::string const& account_id, steady_time now) {
    if (account_id == last_publisher_)
        return;
    if (!last_publisher_.empty())
        several_until_ = now + publishing_for;
    last_publisher_ = account_id;
}

/// Whether the first of them may go with the batch, too.
bool event_queue::fits(account& of, steady_time now) {
    if (has_its_share(of))
        return false;
    auto const& event = of.waiting.front().event();
    auto& like = experience_of(of, event.event_type);
    if (std::exchange(like.batch, batch_) != batch_)
        like.in_batch = 0;
    bool const fresh = like.known() && now - like.known_at < experience_fresh;
    if (!fresh && like.in_batch >= scouts_max)
        return false;
    auto const bytes = batch_bytes_ + weight(event);
    auto const deliveries = batch_deliveries_ + like.foreseen();
    if (batch_deliveries_ > 0 && (bytes > limits_.batch_bytes_max || deliveries > limits_.batch_deliveries_max))
        return false;
    batch_bytes_ = bytes;
    batch_deliveries_ = deliveries;
    ++like.in_batch;
    ++of.in_batch;
    return true;
}

waiting_event event_queue::take_from(account& of) {
    auto out = std::move(of.waiting.front());
    of.waiting.pop_front();
    auto const bytes = weight(out.event());
    of.bytes -= bytes;
    of.deliveries -= out.deliveries_foreseen;
    bytes_ -= bytes;
    deliveries_ -= out.deliveries_foreseen;
    --events_;
    return out;
}

void event_queue::forget_if_idle(std::string const& id) {
    if (accounts_.size() <= idle_accounts_max)
        return;
    auto const which = accounts_.find(id);
    if (which->second.waiting.empty())
        accounts_.erase(which);
}

std::vector<waiting_event> event_queue::take_batch(steady_time now) {
    std::vector<waiting_event> out;
    std::vector<account*> next_time;
    ++batch_;
    batch_bytes_ = 0;
    batch_deliveries_ = 0;
    several_ = turns_.size() > 1 || now < several_until_;
    while (!turns_.empty() && out.size() < limits_.batch_events_max && next_time.size() < passed_over_max) {
        auto* const whose = turns_.front();
        turns_.pop_front();
        if (!fits(*whose, now)) {
            next_time.push_back(whose);
            continue;
        }
        out.push_back(take_from(*whose));
        note_publisher(out.back().event().account_id, now);
        if (!whose->waiting.empty())
            turns_.push_back(whose);
        else
            forget_if_idle(out.back().event().account_id);
    }
    turns_.insert(turns_.begin(), next_time.begin(), next_time.end());
    return out;
}

std::vector<waiting_event> event_queue::take_all() {
    std::vector<waiting_event> out;
    for (auto* const whose : turns_)
        for (auto& one : whose->waiting)
            out.push_back(std::move(one));
    turns_.clear();
    accounts_.clear();
    events_ = 0;
    bytes_ = 0;
    deliveries_ = 0;
    return out;
}

void event_queue::count(accepted_event const& event, std::uint32_t deliveries) {
    auto const whose = accounts_.find(event.account_id);
    if (whose == accounts_.end())
        return;
    auto& like = experience_of(whose->second, event.event_type);
    if (like.counted_events++ == 0)
        counted_.push_back(&like);
    like.counted_deliveries += deliveries;
}

void event_queue::learn(steady_time now) {
    for (auto* const like : counted_) {
        auto const events = std::exchange(like->counted_events, 0U);
        auto const deliveries = std::exchange(like->counted_deliveries, 0U);
        if (events == 0)
            continue; // another type has taken its place
        like->deliveries = static_cast<std::uint32_t>((deliveries + events - 1) / events);
        like->known_at = now;
    }
    counted_.clear();
}

} // namespace klen::webhooks::store
