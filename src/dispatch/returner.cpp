#include "dispatch/returner.hpp"

#include <algorithm>
#include <utility>

namespace klen::webhooks::dispatch {

namespace {
constexpr std::size_t batch_max = 1000;
} // namespace

task<void> returner::loop() {
    auto const& bell = hub_->returns.bell();
    backoff waits;
    auto not_before = hub_->now();
    while (!hub_->stopping) {
        for (auto& d : hub_->returns.drain())
            waiting_.push_back(std::move(d));
        std::erase_if(waiting_, [](returned_delivery const& d) { return d.held.under().ended(); });
        auto const now = hub_->now();
        if (waiting_.empty()) {
            co_await bell.wait();
            continue;
        }
        auto ready = now < not_before ? batch{} : next_batch(now);
        if (ready.empty()) {
            auto const look_again = std::max(next_time(now), not_before);
            co_await bell.wait_until(look_again);
            continue;
        }
        auto const done = co_await hand_back(std::move(ready));
        if (hub_->stopping)
            break;
        if (done)
            waits.reset();
        else
            not_before = hub_->now() + waits.next();
    }
    waiting_.clear();
}

returner::batch returner::next_batch(steady_time now) {
    batch out;
    batch others;
    for (auto& d : waiting_) {
        bool const fits =
            d.not_before <= now && out.size() < batch_max &&
            (out.empty() || (d.held.term_of() == out.front().held.term_of() && d.parked == out.front().parked));
        (fits ? out : others).push_back(std::move(d));
    }
    waiting_ = std::move(others);
    return out;
}

steady_time returner::next_time(steady_time now) const {
    auto at = steady_time::max();
    for (auto const& d : waiting_)
        at = std::min(at, d.not_before);
    return std::max(at, now);
}

/// False: it was not done; the next ones had better wait.
task<bool> returner::hand_back(batch what) {
    std::vector<delivery_id> ids;
    std::vector<webhook_id> webhooks;
    ids.reserve(what.size());
    for (auto const& d : what) {
        ids.push_back(d.id);
        if (webhooks.empty() || webhooks.back() != d.webhook) // a lane's come together
            webhooks.push_back(d.webhook);
    }
    auto const parked = what.front().parked;
    auto const owner = what.front().held.under().id();
    auto done = co_await hub_->env.store->hand_back(owner, std::move(ids), parked);
    if (hub_->stopping)
        co_return true;
    if (done) {
        what.clear();
        claims_->room_returned();
        if (parked) // their lanes may have looked in vain meanwhile
            claims_->parked_again(std::move(webhooks));
        else
            claims_->note_due(hub_->now());
        co_return true;
    }
    if (auto const say = trouble_log_.allow(); say.write)
        log::warn("deliveries cannot be handed back", {{"deliveries", what.size()},
                                                       {"fault", to_string(done.error().kind)},
                                                       {"error.message", done.error().message},
                                                       {"repeats", say.held_back}});
    if (done.error().kind == fault::connection_lost) {
        // Perhaps it did happen, and they are leased to us again already: a repeat would give away what is being sent.
        // The end of the term gives back what is left of them.
        hub_->doubt(what.front().held.term_of());
    } else if (done.error().kind != fault::database_refused) {
        std::move(what.begin(), what.end(), std::back_inserter(waiting_));
    } // what the database refuses stays leased until this instance ends
    co_return false;
}

} // namespace klen::webhooks::dispatch
