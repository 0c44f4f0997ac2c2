#include "dispatch/shard.hpp"

#include "dispatch/attempt_log.hpp"
#include "dispatch/circuit_log.hpp"
#include "dispatch/request_headers.hpp"

#include <algorithm>
#include <utility>

namespace klen::webhooks::dispatch {

using policy::circuit_state;
using policy::error_class;

namespace {

constexpr std::chrono::seconds lane_idle_max{60};
/// Lanes whose times lie closer together are woken together. Far below a pacer's slack, so no rate suffers from it.
constexpr milliseconds timer_step{1};
/// So many lanes are looked at before the io thread does what else there is: those who publish share it, and thousands
/// of deliveries may fall due at once. Enough that a turn's own cost does not show.
constexpr std::uint32_t steps_per_turn = 32;

profile_maker profile_maker_of(hub const& h) {
    return {h.env.seals, h.env.urls, h.options.delivery.header_prefix, h.options.delivery.user_agent,
            std::max(h.options.dispatch.webhook_concurrency_max, 1U)};
}

policy::attempt_place place_of(store::claimed_delivery const& what) {
    return {what.scheduled_attempt(), what.manual, what.schedule_goes_on};
}

/// What is known of an attempt before it is judged.
store::attempt_record record_of(store::claimed_delivery const& what, bool was_failing) {
    store::attempt_record out;
    out.delivery = what.id;
    out.event = what.event_of;
    out.webhook = what.webhook;
    out.account_id = what.account_id;
    out.attempt = what.attempts_made + 1;
    out.was_failing = was_failing;
    if (what.event)
        out.event_type = what.event->event_type;
    out.manual = what.manual;
    return out;
}

std::string why_without_request(lane const& l, error_class why) {
    switch (why) {
    case error_class::url_not_allowed:
        return l.profile()->refused;
    case error_class::event_expired:
        return "the event is older than what is kept";
    default:
        return "the webhook was deleted";
    }
}

} // namespace

shard::shard(hub_ptr shared, shard_environment where, std::uint32_t host_limit)
    : hub_(std::move(shared)), where_(std::move(where)), profiles_(profile_maker_of(*hub_)),
      workers_(where_.ex, "deliveries"), drains_(where_.ex, "drain"), timers_(where_.ex, "lane timer"),
      hosts_(host_limit), timer_(where_.ex, hub_->env.sleep_until) {}

void shard::post(std::function<void(shard&)> what) {
    asio::post(where_.ex, [self = shared_from_this(), what = std::move(what)] { what(*self); });
}

// --- the way of a delivery: admit, sign, send, classify, record -----------------------------------------------------

task<void> shard::work(std::shared_ptr<job> first) {
    std::optional<job> admitted(std::move(*first));
    while (admitted) {
        admitted->started = hub_->now();
        admitted->signed_at = unix_seconds(hub_->env.time->wall());
        auto const headers = sign(*admitted);
        auto const& event = *admitted->delivery.what.event;
        egress::post_request request;
        request.to = &*admitted->with->to;
        request.account_id = admitted->delivery.what.account_id;
        request.headers = headers;
        request.body = event.body;
        request.deadline = admitted->started + hub_->options.delivery.attempt_timeout;
        // The machine may be suspended while it connects: the deadline's clock stands still then, the lease's does not.
        auto const& under = admitted->delivery.held.under();
        std::function<bool()> const may_send = [this, &under] { return under.fresh(hub_->env.time->boot()); };
        request.may_send = &may_send;
        auto result = co_await where_.client->post(request);
        record(std::move(*admitted), std::move(result));
        admitted = next_job();
        if (admitted)
            run(); // it may have made room for others, too
    }
}

std::string shard::sign(job const& j) {
    auto const& what = j.delivery.what;
    signed_message message;
    message.delivery = what.id;
    message.event_type = what.event->event_type;
    message.traceparent = what.event->traceparent;
    message.body = what.event->body;
    message.attempt = what.attempts_made + 1;
    message.signed_at = j.signed_at;
    return signed_headers(j.with->headers, j.with->signer, message);
}

/// Frees what the request held, lets the policy judge, and hands the outcome to the coordinator.
void shard::record(job finished, policy::attempt_result result) {
    auto& l = *finished.in;
    auto& what = finished.delivery.what;
    auto const now = hub_->now();
    judge_endpoint(finished, result, now);
    leave_host(finished.with->to->host);
    hub_->stats.in_flight.fetch_sub(1);
    finished.delivery.held.release_bytes();

    auto const verdict = policy::decide(hub_->retries, place_of(what), result, hub_->env.random());
    if (result.error == error_class::local_failure) {
        if (auto const say = local_failure_log_.allow(); say.write)
            log::error("requests fail on this machine; they use up no attempt",
                       {{"error.message", result.message}, {"repeats", say.held_back}});
        hand_back(std::move(finished.delivery), false, verdict.wait);
    } else {
        auto r = record_of(what, l.failing());
        r.started = finished.started;
        r.ended = now;
        r.signed_at = may_have_been_sent(result.error) ? finished.signed_at : 0;
        r.webhook_revision = finished.with->revision;
        r.result = std::move(result);
        r.verdict = verdict;
        l.set_failing(!r.result.succeeded());
        log_attempt(r, hub_->options.log_attempts);
        hub_->outcomes.push({std::move(r), std::move(finished.delivery.held), std::move(finished.slot)});
    }
    touched(finished.in);
}

/// The request has ended: what it says of the endpoint as a whole.
void shard::judge_endpoint(job const& of, policy::attempt_result const& result, steady_time now) {
    auto& l = *of.in;
    auto const before = l.circuit().state();
    auto const chance = result.succeeded() ? 0.0 : hub_->env.random();
    auto const why = l.ended({of.era, of.delivery.what.manual}, result, now, chance);
    auto const after = l.circuit().state();
    if (before == circuit_state::closed && after == circuit_state::closed)
        return;
    if (after == circuit_state::open) // later, too, when another one under way has asked for more time
        hold_until(of.in, l.circuit().open_until());
    if (before == circuit_state::closed) {
        hub_->stats.circuits_opened.fetch_add(1);
        log_circuit_opened(l.id(), of.delivery.what, result, why, l.circuit().open_until() - now);
    } else if (after == circuit_state::closed) {
        log_circuit_closed(l.id(), of.delivery.what.account_id, "probe_succeeded");
    }
    show_circuit(l);
    shed(l);
}

// --- who may start ---------------------------------------------------------------------------------------------------

/// Starts as many requests as may be; a finished one takes its successor by itself.
void shard::run() {
    while (auto j = next_job()) {
        auto first = std::make_shared<job>(std::move(*j));
        workers_.spawn([self = shared_from_this(), first] { return self->work(first); });
    }
}

std::optional<shard::job> shard::next_job() {
    std::optional<job> out;
    while (!line_.empty() && !draining_ && has_turn()) {
        auto const l = line_.front();
        auto did = try_start(l, out);
        if (did == step::held) {
            // What it waits for may have come between the look and the mark: look once more.
            hub_->sends_held.store(true);
            did = try_start(l, out);
            if (did == step::held)
                return out;
        }
        line_.pop_front();
        l->runnable = false;
        touched(l); // to the end of the line: lanes take turns
        if (did == step::started)
            return out;
    }
    return out;
}

/// False: it goes on by itself after what else the io thread has to do.
bool shard::has_turn() {
    if (steps_ < steps_per_turn) {
        ++steps_;
        return true;
    }
    if (!std::exchange(yielding_, true))
        post([](shard& self) {
            self.yielding_ = false;
            self.steps_ = 0;
            self.run();
        });
    return false;
}

shard::step shard::try_start(lane_ptr const& l, std::optional<job>& out) {
    if (l->queued() > 0 && l->front().held.under().ended())
        l->drop_ended();
    if (!l->startable()) {
        pass_turn(*l);
        return step::skipped;
    }
    if (!l->front().held.under().fresh(hub_->env.time->boot()))
        return step::held;
    auto slot = hub_->slots->try_take();
    if (!slot)
        return step::held;
    if (auto const why = l->verdict_without_request(); why != error_class::none) {
        pass_turn(*l);
        settle_without_request(*l, why, std::move(slot));
        return step::skipped;
    }
    auto const now = l->paced() ? hub_->now() : steady_time{};
    if (l->paced() && l->next_start() > now) {
        pass_turn(*l);
        hold_until(l, l->next_start());
        return step::skipped;
    }
    auto const& host = l->profile()->to->host;
    if (!hosts_.try_enter(host, *l)) {
        pass_turn(*l);
        l->waiting_for_host = true;
        hosts_.wait(host, l);
        return step::skipped;
    }
    // Used, or another host's: in both cases it goes on. One request that ended may have made room for more than one.
    pass_turn(*l);
    auto const era = l->began(now);
    hub_->stats.in_flight.fetch_add(1);
    out.emplace(job{l, l->pop(), l->profile(), std::move(slot), era});
    return step::started;
}

void shard::settle_without_request(lane& l, error_class why, outcome_slots::slot slot) {
    auto d = l.pop();
    d.held.release_bytes();
    auto const now = hub_->now();
    l.used(now);
    auto r = record_of(d.what, l.failing());
    r.started = now;
    r.ended = now;
    r.webhook_revision = l.profile() ? l.profile()->revision : 0;
    r.result.error = why;
    r.result.message = why_without_request(l, why);
    r.verdict = policy::decide(hub_->retries, place_of(d.what), r.result, hub_->env.random());
    if (why == error_class::url_not_allowed)
        l.set_failing(true);
    log_attempt(r, hub_->options.log_attempts);
    hub_->outcomes.push({std::move(r), std::move(d.held), std::move(slot)});
}

/// A lane that a host left a place for has used it, or does not: the next in that host's line may have a place, too.
void shard::pass_turn(lane& l) {
    if (l.host_turn.empty())
        return;
    auto const host = std::exchange(l.host_turn, {});
    give_turn(host, hosts_.pass(host));
}

void shard::leave_host(std::string const& host) { give_turn(host, hosts_.leave(host)); }

/// To `next`, who left the host's line for it, if anybody did. One that waits for a time, too, would keep the turn
/// until then, or for ever if it is disabled meanwhile: the next in line gets it. It lines up again when its time has
/// come.
void shard::give_turn(std::string const& host, lane_ptr next) {
    for (; next; next = hosts_.pass(host)) {
        next->waiting_for_host = false;
        if (next->waiting_for_time)
            continue;
        next->host_turn = host;
        line_up(next);
        return;
    }
}

void shard::line_up(lane_ptr const& l) {
    if (l->runnable || l->waiting_for_host || l->waiting_for_time)
        return;
    l->runnable = true;
    line_.push_back(l);
}

// --- who waits for a time
// ---------------------------------------------------------------------------------------------

void shard::hold_until(lane_ptr const& l, steady_time at) {
    l->waiting_for_time = true;
    if (at >= l->wake_at || draining_)
        return; // it is woken earlier and held again
    l->wake_at = at;
    wakes_.add(at, l);
    if (!std::exchange(keeping_time_, true)) // posted: it runs lanes, and this may be called while one is being run
        post([](shard& self) { self.timers_.spawn([me = self.shared_from_this()] { return me->keep_time(); }); });
    else if (at + timer_step <= sleeps_until_)
        timer_.ring();
}

/// While any lane waits.
task<void> shard::keep_time() {
    while (!draining_) {
        auto const now = hub_->now();
        wake_all_due(now);
        auto const next = wakes_.next();
        if (!next || draining_)
            break;
        sleeps_until_ = std::max(*next, now + timer_step);
        co_await timer_.wait_until(sleeps_until_);
    }
    keeping_time_ = false;
}

void shard::wake_all_due(steady_time now) {
    while (auto due = wakes_.take_due(now)) {
        auto const& [at, l] = *due;
        if (l->wake_at != at)
            continue; // it was put in again, for an earlier time
        l->wake_at = steady_time::max();
        wake(l, now);
    }
    run();
}

void shard::wake(lane_ptr const& l, steady_time now) {
    if (l->half_open(now))
        show_circuit(*l);
    if (l->circuit().state() == circuit_state::open) {
        hold_until(l, l->circuit().open_until());
        return;
    }
    l->waiting_for_time = false;
    touched(l);
}

void shard::attempt_asked(webhook_id id) {
    auto const l = lane_of(id);
    l->ask();
    touched(l);
}

/// An open circuit does not wait for its time while what was asked for by hand does.
void shard::judge_asked(lane_ptr const& l) {
    if (!l->judge_asked(hub_->now()))
        return;
    l->waiting_for_time = false;
    if (l->circuit().state() == circuit_state::open)
        hold_until(l, l->circuit().open_until());
    show_circuit(*l);
}

/// Hands back what a lane had better not hold any more.
void shard::shed(lane& l) {
    for (auto& d : l.shed())
        hand_back(std::move(d), true);
}

// --- lanes -----------------------------------------------------------------------------------------------------------

shard::lane_ptr shard::lane_of(webhook_id id) {
    auto& l = lanes_[id];
    if (!l) {
        l = std::make_shared<lane>(id,
                                   lane::limits{std::max(hub_->options.dispatch.lane_queue_max, 1U), &hub_->circuits});
        l->used(hub_->now());
        lane_count_.store(lanes_.size());
    }
    return l;
}

void shard::touched(lane_ptr const& l) {
    if (draining_)
        return;
    if (l->circuit().state() != circuit_state::closed)
        judge_asked(l);
    if (l->wants_load()) {
        l->begin_load();
        hub_->loads.push(l->id());
    }
    if (l->wants_parked())
        hub_->wants.push({l->id(), l->begin_parked_claim()});
    if (l->startable())
        line_up(l);
    if (l->closed() != l->shown_closed) {
        l->shown_closed = l->closed();
        if (l->shown_closed)
            closed_.add(l->id(), l->account());
        else
            closed_.remove(l->id());
    }
}

/// Once it is known whose a lane is, what it shows counts for that account alone.
void shard::belongs_to(lane& l, std::string const& account) {
    if (l.belongs_to(account) && l.shown_closed)
        closed_.add(l.id(), account);
}

void shard::deliver(std::vector<leased_delivery> deliveries) {
    if (draining_)
        return;
    for (auto& d : deliveries) {
        auto const l = lane_of(d.what.webhook);
        offer(*l, std::move(d));
        touched(l);
    }
    run();
}

void shard::offer(lane& l, leased_delivery delivery) {
    auto const now = hub_->now();
    l.used(now);
    belongs_to(l, delivery.what.account_id);
    bool const not_its_turn = l.only_asked(now) && !delivery.what.manual;
    if (!not_its_turn && l.offer(delivery))
        return;
    if (l.state() == lane_state::loading || l.state() == lane_state::ready || l.state() == lane_state::deleted)
        l.note_parked();
    hand_back(std::move(delivery), true);
}

void shard::hand_back(leased_delivery delivery, bool parked, milliseconds wait) {
    delivery.held.release_bytes();
    hub_->returns.push({delivery.what.id, delivery.what.webhook, std::move(delivery.held), parked, hub_->now() + wait});
}

void shard::parked_claimed(std::vector<parked_answer> const& answers) {
    for (auto const& a : answers)
        if (auto const at = lanes_.find(a.webhook); at != lanes_.end()) {
            at->second->end_parked_claim(a.nothing_left);
            at->second->used(hub_->now());
            touched(at->second);
        }
    run();
}

void shard::note_parked(std::vector<webhook_id> const& webhooks) {
    for (auto const& id : webhooks) {
        auto const l = lane_of(id);
        l->note_parked();
        touched(l);
    }
}

void shard::webhook_changed(webhook_id id) {
    auto const known = lanes_.find(id) != lanes_.end();
    auto const l = lane_of(id);
    l->mark_changed();
    if (!known)
        l->note_parked(); // it may have been enabled again, with deliveries that wait
    touched(l);
}

void shard::loaded(std::vector<webhook_id> const& asked, std::vector<store::webhook> const& webhooks) {
    std::unordered_map<webhook_id, store::webhook const*> found;
    for (auto const& w : webhooks)
        found.emplace(w.id, &w);
    for (auto const& id : asked) {
        auto const at = lanes_.find(id);
        if (at == lanes_.end())
            continue;
        auto const l = at->second;
        auto const which = found.find(id);
        auto const before = l->circuit().state();
        apply(*l, which == found.end() ? nullptr : which->second);
        l->waiting_for_time = l->circuit().state() == circuit_state::open; // a rate may be another now
        if (before != circuit_state::closed && l->circuit().state() == circuit_state::closed) {
            show_circuit(*l);
            log_circuit_closed(id, which == found.end() ? "" : which->second->account_id, "webhook_changed");
        }
        shed(*l);
        touched(l);
    }
    run();
}

void shard::apply(lane& l, store::webhook const* found) {
    if (found)
        belongs_to(l, found->account_id);
    if (!found || found->deleted) {
        l.loaded(lane_state::deleted, nullptr, false);
        return;
    }
    auto const failing = found->failing_since.has_value();
    if (!found->enabled) {
        l.loaded(lane_state::disabled, nullptr, failing);
    } else if (auto made = profiles_.make(*found)) {
        l.loaded(lane_state::ready, std::move(*made), failing, hub_->now());
        return;
    } else {
        l.loaded(lane_state::unusable, nullptr, failing);
        if (auto const say = unusable_log_.allow(); say.write)
            log::error("a webhook's secrets cannot be read; its deliveries wait",
                       {{"webhook_id", l.id()}, {"error.message", made.error().message}, {"repeats", say.held_back}});
    }
    if (l.state() == lane_state::disabled || l.state() == lane_state::unusable)
        for (auto& d : l.empty_queue())
            hand_back(std::move(d), true);
}

void shard::drop_ended() {
    for (auto const& [id, l] : lanes_) {
        l->drop_ended();
        touched(l);
    }
}

void shard::tick() {
    auto const before = hub_->now() - lane_idle_max;
    bool const scarce = hub_->memory->scarce();
    std::uint64_t parked = 0;
    std::uint64_t unusable = 0;
    for (auto at = lanes_.begin(); at != lanes_.end();) {
        auto const l = at->second;
        l->judge_progress(scarce);
        shed(*l);
        if (l->wants_parked(1) && !draining_)
            hub_->wants.push({l->id(), l->begin_parked_claim()});
        touched(l);
        parked += l->has_parked() ? 1 : 0;
        unusable += l->state() == lane_state::unusable ? 1 : 0;
        if (!l->idle_since(before)) {
            ++at;
            continue;
        }
        if (l->shown_closed)
            closed_.remove(l->id());
        forget_circuit(*l);
        at = lanes_.erase(at);
    }
    lane_count_.store(lanes_.size());
    parked_count_.store(parked);
    unusable_count_.store(unusable);
    run();
}

// --- the end ---------------------------------------------------------------------------------------------------------

void shard::drain(std::function<void()> done) {
    draining_ = true;
    line_.clear();
    wakes_.clear();
    timer_.ring();
    for (auto const& [id, l] : lanes_)
        l->empty_queue();
    drains_.spawn([self = shared_from_this(), done] { return self->when_idle(done); });
}

task<void> shard::when_idle(std::function<void()> done) {
    co_await workers_.wait_empty();
    co_await timers_.wait_empty();
    done();
}

void shard::cancel_requests() { workers_.cancel(); }

// --- what others see -------------------------------------------------------------------------------------------------

void shard::show_circuit(lane const& l) {
    std::lock_guard lock(shown_mutex_);
    if (l.circuit().state() == circuit_state::closed)
        shown_circuits_.erase(l.id());
    else
        shown_circuits_[l.id()] = {l.circuit().state(), l.circuit().open_until()};
}

/// Nothing was sent for so long that nothing is known of the endpoint any more.
void shard::forget_circuit(lane const& l) {
    if (l.circuit().state() == circuit_state::closed)
        return;
    log_circuit_closed(l.id(), "", "idle");
    std::lock_guard lock(shown_mutex_);
    shown_circuits_.erase(l.id());
}

circuit_status shard::circuit_of(webhook_id id) const {
    std::lock_guard lock(shown_mutex_);
    auto const at = shown_circuits_.find(id);
    return at == shown_circuits_.end() ? circuit_status{} : at->second;
}

std::uint64_t shard::open_circuits() const {
    std::lock_guard lock(shown_mutex_);
    return shown_circuits_.size();
}

} // namespace klen::webhooks::dispatch
