#include "simulation/sim_store.hpp"

#include "simulation/identity.hpp"

#include <algorithm>
#include <utility>

namespace klen::webhooks::simulation {

using testing::call;
using testing::fate;

namespace {

std::size_t connection_of(call which) {
    switch (which) {
    case call::register_instance:
    case call::heartbeat:
    case call::instances:
        return 0;
    case call::record:
        return 2;
    default:
        return 1;
    }
}

/// The server may still be at it when the client is told that the connection is lost. Of claims that cannot happen
/// after the next claim: the store ends the backend of a claim in doubt first.
bool may_happen_later(call which) {
    return which == call::heartbeat || which == call::hand_back || which == call::leave || which == call::reap ||
           which == call::record || which == call::register_instance;
}

} // namespace

task<fate> sim_store::travel(call which, effect what, fate wanted) {
    if (machine_.dead())
        co_return fate::lost_before;
    if (closed_)
        check_.fail("a call to the database after the end of a shutdown");
    auto const t = std::make_shared<trip>();
    t->which = which;
    t->what = std::move(what);
    t->wanted = wanted;
    auto const on = connection_of(which);
    connections_[on].waiting.push_back(t);
    if (connections_[on].waiting.size() == 1)
        begin(on);
    auto const how = co_await t->over.wait();
    co_return how;
}

/// Some outcomes the database refuses, as long as it does; the first one of a batch decides about all of it.
fate sim_store::judge(std::vector<store::attempt_record> const& batch) {
    if (!weather_.refuses_records || machine_.dead())
        return fate::done;
    auto const refused = [](store::attempt_record const& r) { return number_of(r.delivery.value) % 7 == 0; };
    if (std::none_of(batch.begin(), batch.end(), refused))
        return fate::done;
    if (batch.size() == 1)
        check_.record_refused(batch.front().delivery);
    return fate::refused;
}

std::chrono::nanoseconds sim_store::pause() {
    auto& chance = world_.chance;
    if (chance.chance(weather_.slow_calls)) {
        auto const slow = chance.between(milliseconds(50), milliseconds(4000));
        weather_.hinder(world_.now() + slow);
        return slow;
    }
    return chance.between(std::chrono::microseconds(50), std::chrono::microseconds(2000));
}

void sim_store::when_running(std::size_t on, std::function<void()> what) {
    auto& c = connections_[on];
    if (!machine_.frozen()) {
        what();
        return;
    }
    c.standing_still = true;
    c.then = std::move(what);
}

void sim_store::go_on() {
    for (auto& c : connections_)
        if (std::exchange(c.standing_still, false))
            std::exchange(c.then, nullptr)();
}

void sim_store::begin(std::size_t on) {
    auto const t = connections_[on].waiting.front();
    t->sent = machine_.steady();
    world_.after(pause(), [this, on, t] {
        if (machine_.dead()) {
            // It may have left before the end came.
            if (!unreachable() && t->wanted == fate::done && world_.chance.chance(0.5))
                t->what(t->sent);
            return;
        }
        if (machine_.frozen() && world_.chance.chance(0.5))
            when_running(on, [this, on, t] { arrive(on, t); });
        else
            arrive(on, t);
    });
}

void sim_store::arrive(std::size_t on, trip_ptr const& t) {
    auto& chance = world_.chance;
    if (unreachable()) {
        lose(on, t, false);
        return;
    }
    auto how = t->wanted;
    if (how == fate::done && chance.chance(weather_.busy_calls))
        how = fate::busy;
    if (how != fate::done)
        weather_.hinder(world_.now());
    bool const cut = how == fate::done && chance.chance(weather_.lost_calls);
    bool const stalled = how == fate::done && !cut && chance.chance(weather_.stalled_calls);
    if (cut || stalled) {
        auto const when = chance.below(3);
        bool const later = when == 2 && may_happen_later(t->which);
        if (later)
            world_.after(chance.between(milliseconds(1), milliseconds(6000)), [this, t] {
                if (weather_.database.cut)
                    return; // it went down with the server
                world_.log.note(world_.now(), mark::call, machine_.slot(), static_cast<std::uint64_t>(t->which), 0);
                t->what(t->sent);
            });
        bool const now = when == 1 || (when == 2 && !later);
        if (now)
            t->what(t->sent);
        auto const heard_after =
            stalled ? chance.between(milliseconds(1000), milliseconds(10'000)) : milliseconds(chance.between(0, 3));
        weather_.hinder(world_.now() + heard_after);
        world_.log.note(world_.now(), mark::call, machine_.slot(), static_cast<std::uint64_t>(t->which), now ? 2 : 1);
        answer(on, t, now ? fate::lost_after : fate::lost_before, heard_after);
        return;
    }
    if (how == fate::done)
        t->what(t->sent);
    world_.log.note(world_.now(), mark::call, machine_.slot(), static_cast<std::uint64_t>(t->which),
                    static_cast<std::uint64_t>(how));
    answer(on, t, how, pause());
}

void sim_store::lose(std::size_t on, trip_ptr const& t, bool done) {
    auto const after = silent() ? world_.chance.between(milliseconds(2000), milliseconds(8000)) : milliseconds(1);
    weather_.hinder(world_.now() + after);
    answer(on, t, done ? fate::lost_after : fate::lost_before, after);
}

void sim_store::answer(std::size_t on, trip_ptr const& t, fate how, std::chrono::nanoseconds after) {
    world_.after(after, [this, on, t, how] {
        if (machine_.dead())
            return;
        bool const on_the_way = how != fate::lost_before && how != fate::lost_after;
        if (on_the_way && unreachable())
            lose(on, t, true);
        else
            when_running(on, [this, on, t, how] { finish(on, t, how); });
    });
}

void sim_store::finish(std::size_t on, trip_ptr const& t, fate how) {
    world_.log.note(world_.now(), mark::told, machine_.slot(), static_cast<std::uint64_t>(t->which),
                    static_cast<std::uint64_t>(how));
    auto& waiting = connections_[on].waiting;
    waiting.pop_front();
    t->over.set()(how);
    if (!waiting.empty())
        begin(on);
}

void sim_store::die() {
    for (auto& c : connections_) {
        c.then = nullptr;
        for (auto const& t : std::exchange(c.waiting, {}))
            t->over.set()(fate::lost_before);
    }
}

} // namespace klen::webhooks::simulation
