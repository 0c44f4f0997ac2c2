#include "klen/webhooks/dispatch/dispatcher.hpp"

#include "dispatch/claimer.hpp"
#include "dispatch/hub.hpp"
#include "dispatch/instance_keeper.hpp"
#include "dispatch/outcome_writer.hpp"
#include "dispatch/profile_loader.hpp"
#include "dispatch/returner.hpp"
#include "dispatch/shard_set.hpp"

#include <algorithm>
#include <utility>

namespace klen::webhooks::dispatch {

namespace {

/// How much of a shutdown is kept for writing outcomes and giving back leases.
constexpr milliseconds writing_part{1000};
constexpr milliseconds leaving_part{300};
constexpr milliseconds cancel_wait{100};
/// Nothing can be recorded any more, so waiting for requests under way spares no repeat.
constexpr milliseconds stop_without_database{500};

using counter = std::shared_ptr<std::size_t>;

task<void> run_counted(std::function<task<void>()> body, counter running, alarm ended) {
    co_await body();
    --*running;
    ended.ring();
}

class lanes_dispatcher final : public dispatcher {
  public:
    lanes_dispatcher(dispatch_options options, dispatch_environment environment)
        : hub_(std::make_shared<hub>(std::move(options), std::move(environment))),
          shards_(std::make_shared<shard_set>(hub_)), claims_(std::make_shared<claimer>(hub_, shards_)),
          writer_(std::make_shared<outcome_writer>(hub_, shards_, claims_)),
          returns_(std::make_shared<returner>(hub_, claims_)), loads_(std::make_shared<profile_loader>(hub_, shards_)),
          keeper_(std::make_shared<instance_keeper>(hub_, shards_, claims_)), loops_(hub_->env.coordinator, "dispatch"),
          something_ended_(hub_->make_alarm()) {}

    task<result<void>> start() override;
    task<void> stop() override;
    void database_ended() override { hub_->database_ended = true; }

    void webhook_changed(webhook_id id) override { shards_->webhook_changed(id); }
    void attempt_asked(webhook_id id) override;
    circuit_status circuit_of(webhook_id id) const override { return shards_->of(id)->circuit_of(id); }
    std::vector<store::health_record> take_health() override { return writer_->take_health(); }
    grant current_grant(std::span<std::string_view const> accounts) override;
    void take(instance_id owner, std::vector<store::claimed_delivery> deliveries) override;
    void note_parked(std::vector<webhook_id> webhooks) override;
    void publishers_waited(std::chrono::nanoseconds longest) override { hub_->pace.published(longest, hub_->now()); }

    dispatch_stats stats() const override;
    bool healthy() const override;

  private:
    enum class phase { idle, running, stopping, stopped };

    counter spawn(std::function<task<void>()> body);
    task<bool> wait_for(counter running, steady_time bound);
    task<void> finish_requests(steady_time bound, steady_time last);
    task<void> write_outcomes(steady_time bound);
    task<void> leave(steady_time bound);
    task<void> release_loops();
    term_ptr grantable_term() const;

    hub_ptr const hub_;
    shard_set_ptr const shards_;
    std::shared_ptr<claimer> const claims_;
    std::shared_ptr<outcome_writer> const writer_;
    std::shared_ptr<returner> const returns_;
    std::shared_ptr<profile_loader> const loads_;
    std::shared_ptr<instance_keeper> const keeper_;

    task_group loops_;
    alarm something_ended_;
    phase phase_ = phase::idle;
    std::vector<one_shot<bool>::setter> stop_waiters_;
    counter writing_ = std::make_shared<std::size_t>(0);
    counter keeping_ = std::make_shared<std::size_t>(0);
    std::vector<counter> claiming_;
};

counter lanes_dispatcher::spawn(std::function<task<void>()> body) {
    auto running = std::make_shared<std::size_t>(1);
    auto const ended = something_ended_;
    loops_.spawn([body = std::move(body), running, ended] { return run_counted(body, running, ended); });
    return running;
}

task<result<void>> lanes_dispatcher::start() {
    if (phase_ != phase::idle)
        co_return failure{fault::shutting_down, "the dispatcher was started or stopped before"};
    phase_ = phase::running;
    auto const begun = co_await keeper_->begin_term();
    if (!begun) {
        if (phase_ == phase::running)
            phase_ = phase::idle;
        co_return begun;
    }
    keeping_ = spawn([k = keeper_] { return k->loop(); });
    spawn([k = keeper_] { return k->clean_up_loop(); });
    writing_ = spawn([w = writer_] { return w->loop(); });
    claiming_.push_back(spawn([r = returns_] { return r->loop(); }));
    claiming_.push_back(spawn([l = loads_] { return l->loop(); }));
    claiming_.push_back(spawn([c = claims_] { return c->due_loop(); }));
    claiming_.push_back(spawn([c = claims_] { return c->parked_loop(); }));
    claiming_.push_back(spawn([c = claims_] { return c->scan_loop(); }));
    result<void> done; // named: g++ 12 under -fsanitize takes a temporary here for uninitialised
    co_return done;
}

// --- the event writer's side
// ------------------------------------------------------------------------------------------

term_ptr lanes_dispatcher::grantable_term() const {
    auto t = hub_->leases.current();
    if (hub_->stopping || !hub_->shards_answer || !t || !t->fresh(hub_->env.time->boot()))
        return nullptr;
    return t;
}

store::lane_gate::grant lanes_dispatcher::current_grant(std::span<std::string_view const> accounts) {
    grant out;
    auto const t = grantable_term();
    if (!t)
        return out;
    out.owner = t->id();
    out.deliveries_max = hub_->memory->grant_room();
    out.full = shards_->closed_webhooks(accounts);
    return out;
}

void lanes_dispatcher::take(instance_id owner, std::vector<store::claimed_delivery> deliveries) {
    if (hub_->stopping)
        return; // they go back with the lease
    auto const under = hub_->leases.find_and_hold(owner);
    if (!under)
        return; // they went back already
    std::vector<leased_delivery> leased;
    leased.reserve(deliveries.size());
    for (auto& d : deliveries)
        leased.push_back(hub_->lease_of(std::move(d), under));
    under->let_go();
    shards_->deliver(std::move(leased));
}

void lanes_dispatcher::note_parked(std::vector<webhook_id> webhooks) {
    if (!hub_->stopping)
        shards_->note_parked(std::move(webhooks));
}

void lanes_dispatcher::attempt_asked(webhook_id id) {
    if (!hub_->stopping)
        shards_->of(id)->post([id](shard& s) { s.attempt_asked(id); });
}

// --- the end ---------------------------------------------------------------------------------------------------------

task<void> lanes_dispatcher::stop() {
    if (phase_ == phase::stopping) {
        one_shot<bool> stopped;
        stop_waiters_.push_back(stopped.set());
        co_await stopped.wait();
        co_return;
    }
    if (std::exchange(phase_, phase::stopping) == phase::stopped || claiming_.empty()) {
        hub_->stopping = true;
        phase_ = phase::stopped;
        co_return;
    }
    auto const began = hub_->now();
    auto const allowed = hub_->options.dispatch.shutdown_timeout;
    auto const time = hub_->database_ended ? std::min(allowed, stop_without_database) : allowed;
    log::info("dispatcher stopping", {{"in_flight", hub_->stats.in_flight.load()}});

    hub_->stopping = true;
    claims_->wake();
    returns_->wake();
    loads_->wake();
    co_await finish_requests(began + std::max(time - writing_part, time / 2), began + time - leaving_part);
    co_await write_outcomes(began + std::max(time - leaving_part, time * 3 / 4));
    co_await leave(began + time);
    co_await release_loops();

    phase_ = phase::stopped;
    log::info("dispatcher stopped", {{"duration_ms", std::chrono::duration_cast<milliseconds>(hub_->now() - began)}});
    for (auto const& told : std::exchange(stop_waiters_, {}))
        told(true);
}

/// False: the time was over first.
task<bool> lanes_dispatcher::wait_for(counter running, steady_time bound) {
    while (*running > 0 && hub_->now() < bound)
        co_await something_ended_.wait_until(bound);
    co_return *running == 0;
}

task<void> lanes_dispatcher::finish_requests(steady_time bound, steady_time last) {
    auto const draining = std::make_shared<std::size_t>(shards_->all().size());
    auto const home = hub_->env.coordinator;
    auto const ended = something_ended_;
    std::function<void()> const done = [draining, home, ended] {
        asio::post(home, [draining, ended] {
            --*draining;
            ended.ring();
        });
    };
    shards_->post_all([done](shard& s) { s.drain(done); });
    auto const finished = co_await wait_for(draining, bound);
    if (finished)
        co_return;
    log::warn("requests under way are ended; their deliveries will be sent again",
              {{"in_flight", hub_->stats.in_flight.load()}});
    shards_->post_all([](shard& s) { s.cancel_requests(); });
    auto const cancelled = co_await wait_for(draining, std::min(hub_->now() + cancel_wait, last));
    if (!cancelled)
        log::error("an io thread does not end its requests");
}

task<void> lanes_dispatcher::write_outcomes(steady_time bound) {
    writer_->finish();
    auto const written = co_await wait_for(writing_, bound);
    if (!written)
        log::error("outcomes were not written before the end; their deliveries will be sent again",
                   {{"outcomes", writer_->waiting()}});
}

task<void> lanes_dispatcher::leave(steady_time bound) {
    keeper_->finish();
    auto const kept = co_await wait_for(keeping_, bound);
    if (!kept)
        co_return;
    auto const leaving = spawn([k = keeper_] { return k->leave(); });
    auto const left = co_await wait_for(leaving, bound);
    if (!left)
        log::error("leases were not given back; others take them over when they have expired");
}

/// Waits for the loops' end; those that the database still holds are left to themselves and touch nothing any more.
task<void> lanes_dispatcher::release_loops() {
    hub_->abandoned = true;
    writer_->abandon();
    hub_->keeper_bell.ring();
    auto const bound = hub_->now() + cancel_wait;
    while (!loops_.empty() && hub_->now() < bound)
        co_await something_ended_.wait_until(bound);
}

// --- what others see -------------------------------------------------------------------------------------------------

dispatch_stats lanes_dispatcher::stats() const {
    dispatch_stats out;
    auto const& s = hub_->stats;
    out.delivered = s.delivered;
    out.attempts_failed = s.attempts_failed;
    out.deliveries_failed = s.deliveries_failed;
    out.cancelled = s.cancelled;
    out.leases_lost = s.leases_lost;
    out.in_memory = hub_->memory->deliveries();
    out.bytes_in_memory = hub_->memory->bytes();
    out.circuits_opened = s.circuits_opened;
    out.in_flight = s.in_flight;
    auto const slots = hub_->slots->used();
    out.unrecorded = slots > out.in_flight ? slots - out.in_flight : 0;
    for (auto const& shard : shards_->all()) {
        out.lanes += shard->lanes();
        out.parked_lanes += shard->parked_lanes();
        out.unusable_lanes += shard->unusable_lanes();
        out.circuits_open += shard->open_circuits();
    }
    if (auto const t = hub_->leases.current())
        out.oldest_heartbeat_seconds = std::chrono::duration<double>(t->age(hub_->env.time->boot())).count();
    return out;
}

bool lanes_dispatcher::healthy() const { return grantable_term() != nullptr; }

} // namespace

std::unique_ptr<dispatcher> dispatcher::create(dispatch_options options, dispatch_environment environment) {
    return std::make_unique<lanes_dispatcher>(std::move(options), std::move(environment));
}

} // namespace klen::webhooks::dispatch
