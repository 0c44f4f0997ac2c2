#include "support/model_database.hpp"

#include <algorithm>
#include <set>
#include <tuple>
#include <unordered_set>
#include <utility>

namespace klen::webhooks::testing {

using policy::decision;

namespace {

/// Its parked deliveries may be fetched: to be sent, or to be cancelled.
bool fetches_parked(store::webhook const& w) { return w.enabled || w.deleted; }

} // namespace

// --- the database ----------------------------------------------------------------------------------------------------

delivery_id model_database::bear(store::lane_gate::grant const& granted, event_ptr const& event, webhook_id to,
                                 born& out) {
    model_delivery d;
    d.id = delivery_id{make_uuid_()};
    d.event = event;
    d.webhook = to;
    d.account_id = event->account_id;
    d.next_attempt = now_();
    auto& kept = deliveries.emplace(d.id, std::move(d)).first->second;
    open_.emplace(kept.id, &kept);

    if (!instances.contains(granted.owner.value))
        return kept.id; // due, and nobody's
    auto const full = std::find(granted.full.begin(), granted.full.end(), to) != granted.full.end();
    if (full || out.leased.size() >= granted.deliveries_max) {
        park(kept);
        out.parked.insert(to);
    } else {
        out.leased.push_back(lease(kept, granted.owner));
    }
    return kept.id;
}

model_database::born model_database::insert(store::lane_gate::grant const& granted,
                                            std::vector<event_ptr> const& batch) {
    born out;
    for (auto const& event : batch) {
        if (!events.insert(event->id).second)
            continue;
        for (auto const& [id, w] : webhooks) {
            auto const& types = w.subscribed_events;
            auto const wanted = std::find(types.begin(), types.end(), event->event_type) != types.end();
            if (w.account_id == event->account_id && w.enabled && !w.deleted && wanted)
                bear(granted, event, id, out);
        }
    }
    return out;
}

model_database::born model_database::find_born(instance_id owner, std::vector<event_ptr> const& batch) {
    born out;
    std::set<event_id> asked;
    for (auto const& event : batch)
        asked.insert(event->id);
    for (auto const& [id, d] : open_) {
        if (d->finished || !asked.contains(d->event->id))
            continue;
        if (d->parked)
            out.parked.insert(d->webhook);
        else if (d->owner == owner.value && d->as_it_was_born)
            out.leased.push_back(lease(*d, owner));
    }
    return out;
}

delivery_id model_database::publish(store::lane_gate* gate, webhook_id to, std::string body) {
    auto event = std::make_shared<accepted_event>();
    event->id = event_id{make_uuid_()};
    event->account_id = webhooks.at(to).account_id;
    event->event_type = "call.ended";
    event->body = std::move(body);
    events.insert(event->id);

    born out;
    std::vector<std::string_view> const accounts{event->account_id};
    auto const granted = gate ? gate->current_grant(accounts) : store::lane_gate::grant{};
    auto const id = bear(granted, event, to, out);
    if (!out.parked.empty())
        gate->note_parked({to});
    if (!out.leased.empty())
        gate->take(granted.owner, std::move(out.leased));
    return id;
}

std::vector<delivery_id> model_database::publish_many(store::lane_gate* gate, webhook_id to, std::size_t count) {
    std::vector<delivery_id> out;
    for (std::size_t i = 0; i < count; ++i)
        out.push_back(publish(gate, to));
    return out;
}

void model_database::park(model_delivery& d) const {
    d.parked = true;
    d.parked_at = now_();
}

/// A finished one, from the end of its schedule.
void model_database::requeue(model_delivery& d) {
    d.finished = false;
    open_.emplace(d.id, &d);
    d.schedule_base = d.attempts_made;
    park(d);
}

bool model_database::resend(store::lane_gate* gate, delivery_id id) {
    auto& d = deliveries.at(id);
    if (d.owner != 0 || !webhooks.at(d.webhook).enabled)
        return false;
    if (!d.finished && d.manual)
        return true; // asked for already
    if (d.finished)
        requeue(d);
    else
        d.resume_at = d.next_attempt;
    d.manual = true;
    park(d);
    d.next_attempt = now_();
    gate->note_parked({d.webhook});
    return true;
}

bool model_database::recover(store::lane_gate* gate, delivery_id id) {
    auto& d = deliveries.at(id);
    if (!d.finished || d.ended_as() != decision::failed || !webhooks.at(d.webhook).enabled)
        return false;
    requeue(d);
    d.next_attempt = now_();
    gate->note_parked({d.webhook});
    return true;
}

store::claimed_delivery model_database::claim(model_delivery& d, instance_id owner) const {
    d.as_it_was_born = false;
    return lease(d, owner);
}

store::claimed_delivery model_database::lease(model_delivery& d, instance_id owner) const {
    d.owner = owner.value;
    d.parked = false;
    store::claimed_delivery out;
    out.id = d.id;
    out.webhook = d.webhook;
    out.event = d.event_gone ? nullptr : d.event;
    out.event_of = d.event->id;
    out.account_id = d.account_id;
    out.attempts_made = d.attempts_made;
    out.webhook_deleted = webhooks.at(d.webhook).deleted;
    out.schedule_base = d.schedule_base;
    out.manual = d.manual;
    out.schedule_goes_on = d.resume_at.has_value();
    return out;
}

instance_id model_database::register_instance(std::string name) {
    if (observer)
        observer->instance_began({last_instance_ + 1}, name);
    instances[++last_instance_] = {std::move(name), now_(), 0};
    return instance_id{last_instance_};
}

bool model_database::heartbeat(instance_id self) {
    auto const at = instances.find(self.value);
    if (at == instances.end())
        return false;
    at->second.heartbeat = now_();
    ++at->second.count;
    if (observer)
        observer->heartbeat_came(self);
    return true;
}

std::vector<policy::instance_sighting> model_database::sightings() const {
    std::vector<policy::instance_sighting> out;
    for (auto const& [id, i] : instances)
        out.push_back({{id}, i.count, std::chrono::duration_cast<milliseconds>(now_() - i.heartbeat)});
    return out;
}

std::uint64_t model_database::free_leases(std::int64_t owner) {
    std::uint64_t freed = 0;
    for (auto const& [id, d] : open_)
        if (d->owner == owner) {
            d->owner = 0;
            ++freed;
        }
    return freed;
}

std::optional<std::uint64_t> model_database::reap(policy::instance_sighting dead) {
    auto const at = instances.find(dead.id.value);
    if (at == instances.end() || at->second.count != dead.heartbeat_count)
        return std::nullopt;
    if (observer)
        observer->instance_ends(dead.id, true);
    instances.erase(at);
    return free_leases(dead.id.value);
}

std::uint64_t model_database::leave(instance_id self) {
    if (observer && instances.contains(self.value))
        observer->instance_ends(self, false);
    instances.erase(self.value);
    return free_leases(self.value);
}

std::optional<store::due_result> model_database::claim_due(store::due_request const& request) {
    store::due_result out;
    std::multimap<steady_time, model_delivery*> waiting;
    for (auto const& [id, d] : open_)
        if (!d->finished && d->owner == 0 && !d->parked)
            waiting.emplace(d->next_attempt, d);
    bool const alive = instances.contains(request.owner.value);
    std::unordered_set<webhook_id> const full(request.full.begin(), request.full.end());
    std::set<webhook_id> parked;
    std::uint32_t looked_at = 0;
    for (auto const& [at, d] : waiting) {
        if (at > now_() || looked_at >= request.limit) {
            out.next_due = std::max(milliseconds(0), std::chrono::duration_cast<milliseconds>(at - now_()));
            break;
        }
        if (!alive)
            return std::nullopt;
        ++looked_at;
        auto const& webhook = webhooks.at(d->webhook);
        if (full.contains(d->webhook) || (!webhook.enabled && !webhook.deleted)) {
            park(*d);
            parked.insert(d->webhook);
        } else {
            out.deliveries.push_back(claim(*d, request.owner));
        }
    }
    out.parked.assign(parked.begin(), parked.end());
    return out;
}

store::parked_result model_database::claim_parked(instance_id owner, std::vector<store::lane_room> const& rooms) {
    store::parked_result out;
    for (auto const& r : rooms) {
        std::vector<model_delivery*> waiting;
        for (auto const& [id, d] : open_)
            if (d->webhook == r.webhook && d->parked && !d->finished)
                waiting.push_back(d);
        auto const room = instances.contains(owner.value) && fetches_parked(webhooks.at(r.webhook)) ? r.room : 0;
        auto const taken = waiting.begin() + static_cast<std::ptrdiff_t>(std::min<std::size_t>(room, waiting.size()));
        auto const in_order = [](model_delivery const* a, model_delivery const* b) {
            return std::tuple(!a->manual, a->next_attempt, a->id) < std::tuple(!b->manual, b->next_attempt, b->id);
        };
        std::partial_sort(waiting.begin(), taken, waiting.end(), in_order);
        std::for_each(waiting.begin(), taken, [&](auto* d) { out.deliveries.push_back(claim(*d, owner)); });
        if (taken == waiting.end())
            out.exhausted.push_back(r.webhook);
    }
    return out;
}

std::vector<webhook_id> model_database::parked_webhooks(webhook_id after, std::uint32_t limit) const {
    std::set<webhook_id> found;
    for (auto const& [id, d] : open_) {
        if (d->parked && fetches_parked(webhooks.at(d->webhook)) && d->webhook > after)
            found.insert(d->webhook);
    }
    std::vector<webhook_id> out(found.begin(), found.end());
    out.resize(std::min<std::size_t>(out.size(), limit));
    return out;
}

void model_database::hand_back(instance_id owner, std::vector<delivery_id> const& ids, bool to_park) {
    for (auto const& id : ids) {
        auto& d = deliveries.at(id);
        if (d.owner != owner.value)
            continue;
        d.owner = 0;
        d.parked = false;
        if (to_park)
            park(d);
    }
}

store::record_result model_database::record(instance_id owner, std::vector<store::attempt_record> const& batch,
                                            steady_time sent) {
    store::record_result out;
    for (auto const& r : batch) {
        auto& d = deliveries.at(r.delivery);
        if (d.finished || d.owner != owner.value || d.attempts_made != r.attempt - 1) {
            bool const before = std::any_of(d.attempts.begin(), d.attempts.end(), [&](model_attempt const& a) {
                return a.attempt == r.attempt && a.instance == owner.value;
            });
            if (!before) // else it is this very record, repeated
                out.lost.push_back(r.delivery);
            continue;
        }
        d.attempts.push_back({r.attempt, r.verdict.what, r.result.error, r.result.status, owner.value, now_(), r.manual,
                              r.event_type, r.signed_at, r.webhook_revision});
        d.attempts_made = r.attempt;
        d.owner = 0;
        d.finished = r.verdict.what != decision::retry;
        d.schedule_base += d.manual ? 1 : 0;
        d.manual = false;
        auto const wait_left = std::max<steady_time::duration>(r.ended + r.verdict.wait - sent, milliseconds(0));
        d.next_attempt = d.resume_at.value_or(now_() + wait_left);
        d.resume_at.reset();
        if (d.finished)
            open_.erase(d.id);
        if (observer)
            observer->recorded(d, d.attempts.back());
        auto& webhook = webhooks.at(r.webhook);
        if (r.verdict.disable_webhook && webhook.enabled) {
            webhook.enabled = false;
            out.disabled.emplace_back(r.webhook, "gone");
        }
    }
    return out;
}

std::vector<store::webhook> model_database::load(std::vector<webhook_id> const& ids) const {
    std::vector<store::webhook> out;
    for (auto const& id : ids)
        if (auto const at = webhooks.find(id); at != webhooks.end())
            out.push_back(at->second);
    return out;
}

namespace {
std::size_t count(std::map<delivery_id, model_delivery> const& all, auto which) {
    return static_cast<std::size_t>(
        std::count_if(all.begin(), all.end(), [&which](auto const& kv) { return which(kv.second); }));
}
} // namespace

std::size_t model_database::unfinished() const {
    return count(deliveries, [](model_delivery const& d) { return !d.finished; });
}
std::size_t model_database::parked() const {
    return count(deliveries, [](model_delivery const& d) { return d.parked; });
}
std::size_t model_database::leased() const {
    return count(deliveries, [](model_delivery const& d) { return d.owner != 0; });
}
std::size_t model_database::ended_as(decision how) const {
    return count(deliveries, [how](model_delivery const& d) { return d.finished && d.ended_as() == how; });
}

} // namespace klen::webhooks::testing
