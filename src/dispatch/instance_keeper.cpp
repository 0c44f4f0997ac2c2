#include "dispatch/instance_keeper.hpp"

#include <algorithm>
#include <utility>

namespace klen::webhooks::dispatch {

namespace {

constexpr milliseconds retry_interval{500};

/// Attempts stop beginning a fifth of the lease before others may take it.
std::chrono::nanoseconds usable_part(milliseconds lease_timeout) { return lease_timeout - lease_timeout / 5; }

} // namespace

instance_keeper::instance_keeper(hub_ptr shared, shard_set_ptr shards, std::shared_ptr<claimer> claims)
    : hub_(std::move(shared)), shards_(std::move(shards)), claims_(std::move(claims)), alarm_(hub_->keeper_bell),
      clean_up_(hub_->make_alarm()), judge_(new_judge()) {
    for (std::size_t i = 0; i < shards_->all().size(); ++i)
        pings_.push_back(std::make_shared<ping>());
}

policy::instance_judge instance_keeper::new_judge() const {
    auto const& c = hub_->options.dispatch;
    return {c.lease_timeout, c.heartbeat_interval * 2};
}

void instance_keeper::finish() {
    finishing_ = true;
    alarm_.ring();
    clean_up_.ring();
}

task<void> instance_keeper::loop() {
    auto const interval = hub_->options.dispatch.heartbeat_interval;
    auto next = hub_->now() + interval;
    while (!finishing_) {
        co_await alarm_.wait_until(next);
        if (finishing_)
            break;
        ping_shards();
        auto well = shards_answer();
        if (well)
            well = co_await heartbeats();
        if (well) {
            co_await replace_term();
            clean_up_.ring();
        } else {
            judge_ = new_judge(); // what others did meanwhile was not seen: their silence is to be seen anew
        }
        if (finishing_)
            break;
        next = hub_->now() + (well ? interval : std::min(interval, retry_interval));
    }
}

task<void> instance_keeper::clean_up_loop() {
    for (;;) {
        co_await clean_up_.wait();
        if (finishing_)
            co_return;
        co_await end_finished_terms();
        co_await look_for_dead();
    }
}

// --- are all threads alive?
// -------------------------------------------------------------------------------------------

void instance_keeper::ping_shards() {
    for (std::size_t i = 0; i < pings_.size(); ++i) {
        auto const p = pings_[i];
        if (p->outstanding)
            continue;
        p->outstanding = true;
        p->sent = hub_->now();
        shards_->all()[i]->post([p, home = hub_->env.coordinator](shard& s) {
            s.tick();
            asio::post(home, [p] { p->outstanding = false; });
        });
    }
}

bool instance_keeper::shards_answer() {
    auto const oldest = hub_->now() - hub_->options.dispatch.heartbeat_interval * 2;
    bool const answer = std::none_of(pings_.begin(), pings_.end(),
                                     [oldest](auto const& p) { return p->outstanding && p->sent < oldest; });
    if (!answer)
        if (auto const say = hung_log_.allow(); say.write)
            log::error("an io thread does not answer; no heartbeat, so that others may take over",
                       {{"repeats", say.held_back}});
    hub_->shards_answer = answer;
    return answer;
}

// --- terms -----------------------------------------------------------------------------------------------------------

task<result<void>> instance_keeper::begin_term() {
    auto const started = hub_->env.time->boot();
    auto id = co_await hub_->env.store->register_instance(hub_->options.instance_name);
    if (!id)
        co_return std::move(id).error();
    if (finishing_)
        co_return failure{fault::shutting_down, "this instance is leaving"};
    auto const next = std::make_shared<term>(*id, started, usable_part(hub_->options.dispatch.lease_timeout));
    if (auto const before = hub_->leases.current())
        retired_at_.emplace_back(before, hub_->now());
    hub_->leases.begin(next);
    log::info("instance registered", {{"instance_id", *id}, {"name", hub_->options.instance_name}});
    renewed(next, started);
    result<void> done; // named: g++ 12 under -fsanitize takes a temporary here for uninitialised
    co_return done;
}

task<bool> instance_keeper::heartbeats() {
    bool well = true;
    auto const terms = hub_->leases.all();
    for (auto const& t : terms) {
        auto const started = hub_->env.time->boot();
        auto const beat = co_await hub_->env.store->heartbeat(t->id());
        if (finishing_)
            co_return false;
        if (beat) {
            renewed(t, started);
            continue;
        }
        if (beat.error().kind == fault::lease_lost) {
            term_lost(t);
            continue;
        }
        well = false;
        auto const age = std::chrono::duration_cast<milliseconds>(t->age(hub_->env.time->boot()));
        if (auto const say = heartbeat_log_.allow(); say.write)
            log::warn("heartbeat failed", {{"instance_id", t->id()},
                                           {"lease_age_ms", age},
                                           {"fault", to_string(beat.error().kind)},
                                           {"error.message", beat.error().message},
                                           {"repeats", say.held_back}});
    }
    co_return well;
}

void instance_keeper::renewed(term_ptr const& which, boot_time started) {
    which->renewed(started);
    if (hub_->sends_held.exchange(false))
        shards_->post_all([](shard& s) { s.run(); });
    claims_->room_returned();
}

/// Nothing is taken or sent under it any more.
void instance_keeper::term_lost(term_ptr const& gone) {
    log::warn("the leases of this instance were lost; what it had goes to others",
              {{"instance_id", gone->id()}, {"deliveries", gone->held()}});
    gone->end();
    hub_->leases.forget(gone);
    shards_->post_all([](shard& s) { s.drop_ended(); });
    std::erase_if(retired_at_, [&gone](auto const& r) { return r.first == gone; });
}

/// After a lost term, or one under which something may be leased that nobody here knows of.
task<void> instance_keeper::replace_term() {
    auto const now_in = hub_->leases.current();
    if (hub_->stopping || finishing_ || (now_in && !now_in->doubtful()))
        co_return;
    auto const begun = co_await begin_term();
    if (begun)
        co_return;
    if (auto const say = heartbeat_log_.allow(); say.write)
        log::warn("cannot register", {{"error.message", begun.error().message}, {"repeats", say.held_back}});
}

/// A retired term ends when nothing in memory is leased under it, and nothing granted under it can arrive any more.
task<void> instance_keeper::end_finished_terms() {
    auto const oldest = hub_->now() - hub_->options.dispatch.heartbeat_interval * 2;
    auto const retired = retired_at_;
    for (auto const& [t, since] : retired) {
        // A grant whose commit takes longer than that may still arrive while the database ends the term: what it
        // brought is freed with the rest, so it must not be sent under this one.
        if (!t->ended() && (since > oldest || !hub_->leases.end_unheld(t)))
            continue;
        auto const freed = co_await hub_->env.store->leave(t->id());
        if (finishing_)
            co_return;
        if (!freed)
            continue;
        log::info("term ended", {{"instance_id", t->id()}, {"deliveries", *freed}});
        if (*freed > 0)
            claims_->look_around();
        std::erase_if(retired_at_, [&t](auto const& r) { return r.first == t; });
    }
}

bool instance_keeper::is_retired(instance_id id) const {
    return std::ranges::any_of(retired_at_, [id](auto const& r) { return r.first->id() == id; });
}

task<void> instance_keeper::look_for_dead() {
    auto const self = hub_->leases.current();
    if (!self || hub_->stopping || finishing_)
        co_return;
    auto const rows = co_await hub_->env.store->instances();
    if (finishing_)
        co_return;
    if (!rows) {
        judge_ = new_judge();
        co_return;
    }
    auto const dead = judge_.dead(*rows, self->id(), hub_->now());
    for (auto const& d : dead) {
        if (hub_->leases.knows(d.id) || is_retired(d.id))
            continue;
        auto const freed = co_await hub_->env.store->reap(d);
        if (finishing_)
            co_return;
        if (!freed || !*freed)
            continue;
        log::warn("a dead instance's deliveries were freed", {{"instance_id", d.id}, {"deliveries", **freed}});
        claims_->look_around();
    }
}

task<void> instance_keeper::leave() {
    auto terms = hub_->leases.all();
    for (auto const& [t, since] : retired_at_)
        if (t->ended())
            terms.push_back(t);
    for (auto const& t : terms) {
        backoff waits;
        while (!hub_->abandoned) {
            auto const freed = co_await hub_->env.store->leave(t->id());
            if (hub_->abandoned)
                co_return;
            if (freed) {
                log::info("instance left", {{"instance_id", t->id()}, {"deliveries", *freed}});
                break;
            }
            auto const again_at = hub_->now() + waits.next();
            co_await alarm_.wait_until(again_at);
        }
        t->end();
        hub_->leases.forget(t);
    }
}

} // namespace klen::webhooks::dispatch
