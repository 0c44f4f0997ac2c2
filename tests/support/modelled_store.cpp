#include "support/modelled_store.hpp"

#include <memory>
#include <utility>

namespace klen::webhooks::testing {

template <class T>
task<result<T>> modelled_store::carry_out(call which, std::function<T(steady_time)> what, fate wanted) {
    // Shared: the database may be at it when this coroutine is gone.
    auto const value = std::make_shared<std::optional<T>>();
    effect run = [value, what = std::move(what)](steady_time sent) { *value = what(sent); };
    auto const how = co_await travel(which, std::move(run), wanted);
    switch (how) {
    case fate::done:
        co_return std::move(**value);
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

task<result<instance_id>> modelled_store::register_instance(std::string name) {
    std::function<instance_id(steady_time)> what = [this, name](steady_time) {
        return database_.register_instance(name);
    };
    return carry_out(call::register_instance, std::move(what));
}

task<result<void>> modelled_store::heartbeat(instance_id self) {
    std::function<bool(steady_time)> what = [this, self](steady_time) { return database_.heartbeat(self); };
    auto alive = co_await carry_out(call::heartbeat, std::move(what));
    if (!alive)
        co_return alive.error();
    if (!*alive)
        co_return failure{fault::lease_lost, "no such instance"};
    result<void> well; // named: g++ 12 under -fsanitize takes a temporary here for uninitialised
    co_return well;
}

task<result<std::vector<policy::instance_sighting>>> modelled_store::instances() {
    std::function<std::vector<policy::instance_sighting>(steady_time)> what = [this](steady_time) {
        return database_.sightings();
    };
    return carry_out(call::instances, std::move(what));
}

task<result<std::optional<std::uint64_t>>> modelled_store::reap(policy::instance_sighting dead) {
    std::function<std::optional<std::uint64_t>(steady_time)> what = [this, dead](steady_time) {
        return database_.reap(dead);
    };
    return carry_out(call::reap, std::move(what));
}

task<result<std::uint64_t>> modelled_store::leave(instance_id self) {
    std::function<std::uint64_t(steady_time)> what = [this, self](steady_time) { return database_.leave(self); };
    return carry_out(call::leave, std::move(what));
}

task<result<store::due_result>> modelled_store::claim_due(store::due_request request) {
    using claimed = std::optional<store::due_result>;
    std::function<claimed(steady_time)> what = [this, request](steady_time) { return database_.claim_due(request); };
    auto answer = co_await carry_out(call::claim_due, std::move(what));
    if (!answer)
        co_return answer.error();
    if (!*answer)
        co_return failure{fault::lease_lost, "no such instance"};
    co_return std::move(**answer);
}

task<result<store::parked_result>> modelled_store::claim_parked(instance_id owner,
                                                                std::vector<store::lane_room> rooms) {
    std::function<store::parked_result(steady_time)> what = [this, owner, rooms](steady_time) {
        return database_.claim_parked(owner, rooms);
    };
    return carry_out(call::claim_parked, std::move(what));
}

task<result<std::vector<webhook_id>>> modelled_store::parked_webhooks(webhook_id after, std::uint32_t limit) {
    std::function<std::vector<webhook_id>(steady_time)> what = [this, after, limit](steady_time) {
        return database_.parked_webhooks(after, limit);
    };
    return carry_out(call::parked_webhooks, std::move(what));
}

task<result<void>> modelled_store::hand_back(instance_id owner, std::vector<delivery_id> deliveries, bool parked) {
    std::function<bool(steady_time)> what = [this, owner, deliveries, parked](steady_time) {
        database_.hand_back(owner, deliveries, parked);
        return true;
    };
    auto done = co_await carry_out(call::hand_back, std::move(what));
    if (!done)
        co_return done.error();
    result<void> well; // named: g++ 12 under -fsanitize takes a temporary here for uninitialised
    co_return well;
}

task<result<store::record_result>> modelled_store::record(instance_id owner, std::vector<store::attempt_record> batch) {
    auto const wanted = judge(batch);
    std::function<store::record_result(steady_time)> what = [this, owner, batch](steady_time sent) {
        return database_.record(owner, batch, sent);
    };
    return carry_out(call::record, std::move(what), wanted);
}

task<result<std::vector<store::webhook>>> modelled_store::load_webhooks(std::vector<webhook_id> ids) {
    std::function<std::vector<store::webhook>(steady_time)> what = [this, ids](steady_time) {
        return database_.load(ids);
    };
    return carry_out(call::load, std::move(what));
}

} // namespace klen::webhooks::testing
