#include "dispatch/model_store.hpp"

#include <algorithm>
#include <set>
#include <unordered_set>
#include <utility>

namespace klen::webhooks::testing {

using policy::decision;

// --- the database ----------------------------------------------------------------------------------------------------

delivery_id model_database::publish(store::lane_gate* gate, webhook_id to, std::string body) {
    auto const& webhook = webhooks.at(to);
    auto event = std::make_shared<accepted_event>();
    event->id = make_id<event_id>();
    event->account_id = webhook.account_id;
    event->event_type = "call.ended";
    event->body = std::move(body);

    model_delivery d;
    d.id = make_id<delivery_id>();
    d.event = event;
    d.webhook = to;
    d.account_id = webhook.account_id;
    d.next_attempt = world_.now();
    auto& kept = deliveries.emplace(d.id, d).first->second;

    auto const granted = gate ? gate->current_grant() : store::lane_gate::grant{};
    bool const full = std::find(granted.full.begin(), granted.full.end(), to) != granted.full.end();
    bool const alive = instances.contains(granted.owner.value);
    if (alive && full) {
        kept.parked = true;
        gate->note_parked({to});
    } else if (alive && granted.deliveries_max > 0) {
        std::vector<store::claimed_delivery> taken;
        taken.push_back(lease(kept, granted.owner));
        gate->take(granted.owner, std::move(taken));
    }
    return kept.id;
}

std::vector<delivery_id> model_database::publish_many(store::lane_gate* gate, webhook_id to, std::size_t count) {
    std::vector<delivery_id> out;
    for (std::size_t i = 0; i < count; ++i)
        out.push_back(publish(gate, to));
    return out;
}

/// A finished one, from the end of its schedule.
void model_database::requeue(model_delivery& d) {
    d.finished = false;
    d.schedule_base = d.attempts_made;
    d.parked = true;
}

bool model_database::resend(store::lane_gate* gate, delivery_id id) {
    auto& d = deliveries.at(id);
    if (d.owner != 0 || !webhooks.at(d.webhook).enabled)
        return false;
    if (!d.finished && (d.parked || d.manual || d.next_attempt <= world_.now()))
        return true; // goes out without more ado
    if (d.finished)
        requeue(d);
    else
        d.resume_at = d.next_attempt;
    d.manual = true;
    d.parked = true;
    d.next_attempt = world_.now();
    gate->note_parked({d.webhook});
    return true;
}

bool model_database::recover(store::lane_gate* gate, delivery_id id) {
    auto& d = deliveries.at(id);
    if (!d.finished || d.ended_as() != decision::failed || !webhooks.at(d.webhook).enabled)
        return false;
    requeue(d);
    d.next_attempt = world_.now();
    gate->note_parked({d.webhook});
    return true;
}

store::claimed_delivery model_database::lease(model_delivery& d, instance_id owner) {
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
    instances[++last_instance_] = {std::move(name), world_.now(), 0};
    return instance_id{last_instance_};
}

bool model_database::heartbeat(instance_id self) {
    auto const at = instances.find(self.value);
    if (at == instances.end())
        return false;
    at->second.heartbeat = world_.now();
    ++at->second.count;
    return true;
}

std::vector<policy::instance_sighting> model_database::sightings() const {
    std::vector<policy::instance_sighting> out;
    for (auto const& [id, i] : instances)
        out.push_back({{id}, i.count, std::chrono::duration_cast<milliseconds>(world_.now() - i.heartbeat)});
    return out;
}

std::uint64_t model_database::free_leases(std::int64_t owner) {
    std::uint64_t freed = 0;
    for (auto& [id, d] : deliveries)
        if (d.owner == owner) {
            d.owner = 0;
            ++freed;
        }
    return freed;
}

std::optional<std::uint64_t> model_database::reap(policy::instance_sighting dead) {
    auto const at = instances.find(dead.id.value);
    if (at == instances.end() || at->second.count != dead.heartbeat_count)
        return std::nullopt;
    instances.erase(at);
    return free_leases(dead.id.value);
}

std::uint64_t model_database::leave(instance_id self) {
    instances.erase(self.value);
    return free_leases(self.value);
}

store::due_result model_database::claim_due(store::due_request const& request) {
    store::due_result out;
    if (!instances.contains(request.owner.value))
        return out;
    std::multimap<steady_time, model_delivery*> waiting;
    for (auto& [id, d] : deliveries)
        if (!d.finished && d.owner == 0 && !d.parked)
            waiting.emplace(d.next_attempt, &d);
    std::unordered_set<webhook_id> const full(request.full.begin(), request.full.end());
    std::set<webhook_id> parked;
    std::uint32_t looked_at = 0;
    for (auto const& [at, d] : waiting) {
        if (at > world_.now() || looked_at >= request.limit) {
            out.next_due = std::max(milliseconds(0), std::chrono::duration_cast<milliseconds>(at - world_.now()));
            break;
        }
        ++looked_at;
        auto const& webhook = webhooks.at(d->webhook);
        if (full.contains(d->webhook) || (!webhook.enabled && !webhook.deleted)) {
            d->parked = true;
            parked.insert(d->webhook);
        } else {
            out.deliveries.push_back(lease(*d, request.owner));
        }
    }
    out.parked.assign(parked.begin(), parked.end());
    return out;
}

store::parked_result model_database::claim_parked(instance_id owner, std::vector<store::lane_room> const& rooms) {
    store::parked_result out;
    for (auto const& r : rooms) {
        auto left = instances.contains(owner.value) && webhooks.at(r.webhook).enabled ? r.room : 0;
        bool more = false;
        for (auto& [id, d] : deliveries) {
            if (d.webhook != r.webhook || !d.parked || d.finished)
                continue;
            if (left == 0) {
                more = true;
                break;
            }
            --left;
            out.deliveries.push_back(lease(d, owner));
        }
        if (!more)
            out.exhausted.push_back(r.webhook);
    }
    return out;
}

std::vector<webhook_id> model_database::parked_webhooks(webhook_id after, std::uint32_t limit) const {
    std::set<webhook_id> found;
    for (auto const& [id, d] : deliveries)
        if (d.parked && webhooks.at(d.webhook).enabled && d.webhook > after)
            found.insert(d.webhook);
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
        d.parked = to_park;
    }
}

store::record_result model_database::record(instance_id owner, std::vector<store::attempt_record> const& batch) {
    store::record_result out;
    for (auto const& r : batch) {
        auto& d = deliveries.at(r.delivery);
        bool const before =
            !d.attempts.empty() && d.attempts.back().attempt == r.attempt && d.attempts.back().instance == owner.value;
        if (before)
            continue; // this very record, repeated
        if (d.finished || d.owner != owner.value || d.attempts_made != r.attempt - 1) {
            out.lost.push_back(r.delivery);
            continue;
        }
        d.attempts.push_back({r.attempt, r.verdict.what, r.result.error, r.result.status, owner.value, world_.now(),
                              r.manual, r.event_type, r.signed_at, r.webhook_revision});
        d.attempts_made = r.attempt;
        d.owner = 0;
        d.finished = r.verdict.what != decision::retry;
        d.schedule_base += d.manual ? 1 : 0;
        d.manual = false;
        auto const again = d.resume_at.value_or(r.ended + r.verdict.wait);
        d.next_attempt = std::max(again, world_.now());
        d.resume_at.reset();
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

// --- the way to it ---------------------------------------------------------------------------------------------------

template <class T>
task<result<T>> model_store::carry_out(call which, std::function<T()> what, fate wanted) {
    ++calls[which];
    co_await world_.sleep_until(of_, world_.now() + latency / 2);
    auto how = wanted;
    if (decide && how == fate::done)
        how = decide(which);
    if (down)
        how = fate::lost_before;
    std::optional<T> value;
    if (how == fate::done || how == fate::lost_after)
        value = what();
    co_await world_.sleep_until(of_, world_.now() + latency / 2);
    switch (how) {
    case fate::done:
        if (down)
            break;
        co_return std::move(*value);
    case fate::busy:
        co_return failure{fault::database_busy, "busy"};
    case fate::refused:
        co_return failure{fault::database_refused, "refused"};
    case fate::lost_before:
    case fate::lost_after:
        break;
    }
    co_return failure{fault::connection_lost, "the connection was lost"};
}

task<result<instance_id>> model_store::register_instance(std::string name) {
    std::function<instance_id()> what = [this, name] { return database_.register_instance(name); };
    return carry_out(call::register_instance, std::move(what));
}

task<result<void>> model_store::heartbeat(instance_id self) {
    std::function<bool()> what = [this, self] { return database_.heartbeat(self); };
    auto alive = co_await carry_out(call::heartbeat, std::move(what));
    if (!alive)
        co_return alive.error();
    if (!*alive)
        co_return failure{fault::lease_lost, "no such instance"};
    result<void> well; // named: g++ 12 under -fsanitize takes a temporary here for uninitialised
    co_return well;
}

task<result<std::vector<policy::instance_sighting>>> model_store::instances() {
    std::function<std::vector<policy::instance_sighting>()> what = [this] { return database_.sightings(); };
    return carry_out(call::instances, std::move(what));
}

task<result<std::optional<std::uint64_t>>> model_store::reap(policy::instance_sighting dead) {
    std::function<std::optional<std::uint64_t>()> what = [this, dead] { return database_.reap(dead); };
    return carry_out(call::reap, std::move(what));
}

task<result<std::uint64_t>> model_store::leave(instance_id self) {
    std::function<std::uint64_t()> what = [this, self] { return database_.leave(self); };
    return carry_out(call::leave, std::move(what));
}

task<result<store::due_result>> model_store::claim_due(store::due_request request) {
    std::function<store::due_result()> what = [this, request] { return database_.claim_due(request); };
    return carry_out(call::claim_due, std::move(what));
}

task<result<store::parked_result>> model_store::claim_parked(instance_id owner, std::vector<store::lane_room> rooms) {
    std::function<store::parked_result()> what = [this, owner, rooms] { return database_.claim_parked(owner, rooms); };
    return carry_out(call::claim_parked, std::move(what));
}

task<result<std::vector<webhook_id>>> model_store::parked_webhooks(webhook_id after, std::uint32_t limit) {
    std::function<std::vector<webhook_id>()> what = [this, after, limit] {
        return database_.parked_webhooks(after, limit);
    };
    return carry_out(call::parked_webhooks, std::move(what));
}

task<result<void>> model_store::hand_back(instance_id owner, std::vector<delivery_id> deliveries, bool parked) {
    std::function<bool()> what = [this, owner, deliveries, parked] {
        database_.hand_back(owner, deliveries, parked);
        return true;
    };
    auto done = co_await carry_out(call::hand_back, std::move(what));
    if (!done)
        co_return done.error();
    result<void> well; // named: g++ 12 under -fsanitize takes a temporary here for uninitialised
    co_return well;
}

task<result<store::record_result>> model_store::record(instance_id owner, std::vector<store::attempt_record> batch) {
    auto const wanted = decide_record ? decide_record(batch) : fate::done;
    std::function<store::record_result()> what = [this, owner, batch] { return database_.record(owner, batch); };
    return carry_out(call::record, std::move(what), wanted);
}

task<result<std::vector<store::webhook>>> model_store::load_webhooks(std::vector<webhook_id> ids) {
    std::function<std::vector<store::webhook>()> what = [this, ids] { return database_.load(ids); };
    return carry_out(call::load, std::move(what));
}

} // namespace klen::webhooks::testing
