#include "dispatch/outcome_writer.hpp"

#include <algorithm>
#include <unordered_set>
#include <utility>

namespace klen::webhooks::dispatch {

using policy::decision;

namespace {

/// From the begin of one batch to that of the next, while there is room for outcomes. A commit of a few costs
/// PostgreSQL nearly as much as one of many, and publishers' commits wait for the same disk; nobody waits for an
/// outcome (docs/PERFORMANCE.md).
constexpr milliseconds spacing{4};

/// A copy: the batch may have to be repeated.
std::vector<store::attempt_record> records_of(std::vector<outcome> const& batch) {
    std::vector<store::attempt_record> out;
    out.reserve(batch.size());
    for (auto const& o : batch)
        out.push_back(o.record);
    return out;
}

} // namespace

outcome_writer::outcome_writer(hub_ptr shared, shard_set_ptr shards, std::shared_ptr<claimer> claims)
    : hub_(std::move(shared)), shards_(std::move(shards)), claims_(std::move(claims)), pause_(hub_->make_alarm()) {}

void outcome_writer::finish() {
    finishing_ = true;
    hub_->outcomes.bell().ring();
}

void outcome_writer::abandon() {
    gathered_.clear();
    finishing_ = true;
    hub_->outcomes.bell().ring();
    pause_.ring();
}

std::size_t outcome_writer::waiting() const { return gathered_.size() + under_way_; }

task<void> outcome_writer::loop() {
    while (!hub_->abandoned) {
        for (auto& o : hub_->outcomes.drain())
            gathered_.push_back(std::move(o));
        if (!gathered_.empty()) {
            bool const full = gathered_.size() >= hub_->options.dispatch.outcome_batch_max;
            if (auto const at = begun_ + spacing; !full && !finishing_ && !hub_->sends_held && hub_->now() < at) {
                co_await pause_.wait_until(at);
                continue;
            }
            begun_ = hub_->now();
            auto what = next_batch();
            under_way_ = what.size();
            co_await write(std::move(what));
            under_way_ = 0;
            room_returned();
        } else if (finishing_) {
            co_return;
        } else {
            co_await hub_->outcomes.bell().wait();
        }
    }
}

/// Outcomes were written: memory, and slots for other outcomes, are free again.
void outcome_writer::room_returned() {
    if (hub_->sends_held.exchange(false))
        shards_->post_all([](shard& s) { s.run(); });
    claims_->room_returned();
}

/// The oldest ones; all of one term, because a record names its owner.
outcome_writer::batch outcome_writer::next_batch() {
    batch out;
    auto const max = std::max<std::size_t>(hub_->options.dispatch.outcome_batch_max, 1);
    auto const under = gathered_.front().held.term_of();
    while (!gathered_.empty() && out.size() < max && gathered_.front().held.term_of() == under) {
        out.push_back(std::move(gathered_.front()));
        gathered_.pop_front();
    }
    return out;
}

/// Until it is written. A batch that the database refuses is halved, so that one record cannot hold up the others.
task<void> outcome_writer::write(batch what) {
    backoff waits;
    while (!hub_->abandoned) {
        auto const owner = what.front().held.under().id();
        auto records = records_of(what);
        auto told = co_await hub_->env.store->record(owner, std::move(records));
        if (hub_->abandoned)
            co_return;
        if (told) {
            settled(what, *told);
            co_return;
        }
        auto const& why = told.error();
        if (why.kind == fault::database_refused)
            break;
        if (auto const say = trouble_log_.allow(); say.write)
            log::warn("outcomes cannot be written; they wait",
                      {{"outcomes", hub_->slots->used()}, {"error.message", why.message}, {"repeats", say.held_back}});
        auto const again_at = hub_->now() + waits.next();
        co_await pause_.wait_until(again_at);
    }
    if (hub_->abandoned)
        co_return;
    if (what.size() == 1) {
        auto const& r = what.front().record;
        log::error("the database refuses an outcome; its delivery stays with this instance until that ends",
                   {{"event_id", r.event},
                    {"delivery_id", r.delivery},
                    {"webhook_id", r.webhook},
                    {"account_id", r.account_id},
                    {"attempt", r.attempt}});
        co_return;
    }
    auto const middle = what.begin() + static_cast<std::ptrdiff_t>(what.size() / 2);
    batch second(std::make_move_iterator(middle), std::make_move_iterator(what.end()));
    what.erase(middle, what.end());
    co_await write(std::move(what));
    co_await write(std::move(second));
}

void outcome_writer::settled(batch const& what, store::record_result const& told) {
    std::unordered_set<delivery_id> const lost(told.lost.begin(), told.lost.end());
    auto const now = hub_->now();
    auto const wall = hub_->env.time->wall();
    for (auto const& o : what) {
        auto const& r = o.record;
        if (lost.contains(r.delivery)) {
            // What the lane took from this outcome (that its webhook works again, say) is not in the database.
            hub_->stats.leases_lost.fetch_add(1);
            shards_->webhook_changed(r.webhook);
            continue;
        }
        count(o);
        health_.add(r, wall - std::chrono::duration_cast<wall_time::duration>(now - r.ended));
        // Of a manual one only the database knows when its schedule goes on: a claim asks it.
        if (r.verdict.what == decision::retry)
            claims_->note_due(r.manual ? now : std::max(r.ended + r.verdict.wait, now));
    }
    if (!lost.empty())
        if (auto const say = lost_log_.allow(); say.write)
            log::warn("outcomes came too late: their leases were lost",
                      {{"outcomes", lost.size()},
                       {"instance_id", what.front().held.under().id()},
                       {"repeats", say.held_back}});
    for (auto const& [webhook, reason] : told.disabled) {
        auto const of = [&webhook = webhook](outcome const& o) { return o.record.webhook == webhook; };
        auto const one = std::ranges::find_if(what, of);
        log::warn("webhook disabled", {{"webhook_id", webhook},
                                       {"account_id", one == what.end() ? std::string() : one->record.account_id},
                                       {"reason", reason}});
        shards_->webhook_changed(webhook);
    }
}

void outcome_writer::count(outcome const& o) {
    auto& stats = hub_->stats;
    switch (o.record.verdict.what) {
    case decision::delivered:
        stats.delivered.fetch_add(1);
        return;
    case decision::cancelled:
        stats.cancelled.fetch_add(1);
        return;
    case decision::failed:
        stats.deliveries_failed.fetch_add(1);
        [[fallthrough]];
    case decision::retry:
        stats.attempts_failed.fetch_add(1);
        return;
    }
}

} // namespace klen::webhooks::dispatch
