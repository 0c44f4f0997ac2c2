// Daemons that die, are stopped, or freeze.
#include "faults/cases.hpp"

#include <algorithm>
#include <unordered_map>

namespace klen::webhooks::faults {

using namespace std::chrono_literals;

namespace {

/// What a case with several daemons sets: enough in flight, and a queue behind it.
stage::options busy_instances(run_options const& how, int instances) {
    auto out = stage_of(how);
    out.instances = instances;
    out.reacts = friendly(how.seed, 50ms, 300ms);
    out.settings["KLEN_WEBHOOKS_DISPATCH_WEBHOOK_CONCURRENCY_MAX"] = "8";
    if (!how.rate)
        out.events_per_second = 75;
    return out;
}

std::string text(std::size_t number) { return std::to_string(number); }

void judge_repeats(report& out) {
    if (out.found.repeats > out.found.in_flight)
        out.violation("more repeats than requests in flight");
}

} // namespace

void kill_under_load(run_options const& how, report& out) {
    stage on(stage_of(how));
    auto& daemon = *on.daemons.front();
    on.publish();
    rounds turn(how, 8);
    while (turn.next()) {
        pause_for(on.between(50ms, 1500ms));
        auto const sender = daemon.sender();
        auto const at = daemon.kill();
        daemon.start();
        // The new one finds the leases of the old one over when it has watched them for the lease's time.
        on.disturbed({"kill -9", sender, at, now_us() + 5'000'000, true});
    }
    pause_for(500ms);
    // An instance lives too briefly here to take over what those before it left: the last one sends all of it, and what
    // was never answered holds the others up.
    on.disturbed({"what was left behind", "", now_us(), now_us() + 5'000'000 + turn.done() * wall_us{250'000}});
    conclude(on, out, 40s + turn.done() * 250ms);
    out.figure(text(static_cast<std::size_t>(turn.done())) + " kills: " + text(out.found.repeats) + " repeats of " +
               text(out.found.in_flight) + " requests in flight");
    judge_repeats(out);
}

void kill_one_of_three(run_options const& how, report& out) {
    auto with = busy_instances(how, 3);
    with.settings["KLEN_WEBHOOKS_DISPATCH_HEARTBEAT_INTERVAL_MS"] = "2000"; // as they are by default
    with.settings["KLEN_WEBHOOKS_DISPATCH_LEASE_TIMEOUT_MS"] = "15000";
    with.settings["KLEN_WEBHOOKS_DISPATCH_WEBHOOK_CONCURRENCY_MAX"] = "32";
    with.reacts = friendly(how.seed, 300ms, 900ms); // so that there is always something in flight
    stage on(std::move(with));
    on.publish();
    rounds turn(how, 1);
    std::vector<std::pair<std::string, wall_us>> kills;
    while (turn.next()) {
        pause_for(on.between(1500ms, 3500ms));
        auto& victim = *on.daemons[static_cast<std::size_t>(on.chance() * 3)];
        auto const sender = victim.sender();
        auto const at = victim.kill();
        kills.emplace_back(sender, at);
        pause_for(18s); // the others are to take over, not its next start
        on.disturbed({"kill -9", sender, at, now_us(), true});
        victim.start();
    }
    conclude(on, out, 40s);
    std::unordered_map<std::string, wall_us> accepted;
    for (auto const& one : on.publishers)
        for (auto const& event : one->events())
            accepted.emplace(event.key, event.told);
    std::vector<wall_us> waits;
    auto const requests = on.receiver->requests();
    for (auto const& [sender, at] : kills)
        for (auto const& one : requests)
            if (one.attempt == 1 && one.sender != sender && one.arrived > at + 3'000'000 &&
                one.arrived < at + 30'000'000 && accepted.contains(one.event_key) && accepted[one.event_key] < at)
                waits.push_back(one.arrived - at);
    std::ranges::sort(waits);
    out.figure(std::to_string(turn.done()) + " kills, " + text(out.found.repeats) + " repeats of " +
               text(out.found.in_flight) + " requests in flight, " + text(waits.size()) +
               " deliveries went on elsewhere");
    judge_repeats(out);
    if (waits.empty())
        return out.violation("the one that was killed had nothing to leave behind");
    auto const p99 = std::chrono::microseconds(waits[waits.size() * 99 / 100]);
    out.figure("p99 of that: " + in_ms(p99) + " after the kill, last " +
               in_ms(std::chrono::microseconds(waits.back())));
    if (p99 > 17s)
        out.violation("they went on after " + in_ms(p99) + ", not 17 s");
}

void rolling_stop(run_options const& how, report& out) {
    stage on(busy_instances(how, 3));
    on.publish();
    rounds turn(how, 1);
    std::vector<std::pair<std::string, wall_us>> stops;
    std::chrono::milliseconds slowest{0};
    while (turn.next())
        for (auto& one : on.daemons) {
            pause_for(on.between(500ms, 1200ms));
            stops.emplace_back(one->url(), now_us());
            auto const end = one->terminate(20s);
            slowest = std::max(slowest, end.took);
            if (end.code != 0)
                out.violation("SIGTERM ended with " + std::to_string(end.code));
            one->start();
        }
    pause_for(500ms);
    conclude(on, out, 30s);
    auto const failed = failed_publishes(on, out, [&](publisher::miss const& miss) {
        return std::ranges::any_of(stops,
                                   [&](auto const& s) { return s.first == miss.target && miss.told >= s.second; });
    });
    out.figure(text(stops.size()) + " stops, the slowest " + in_ms(slowest) + "; " + text(out.found.repeats) +
               " repeats; " + text(failed) + " publishes failed at the others");
    if (slowest > 12s)
        out.violation("an exit took " + in_ms(slowest));
    if (taken_for_dead(on))
        out.violation("one that was stopped left leases behind that had to expire");
}

void freeze(run_options const& how, report& out) {
    auto with = busy_instances(how, 2);
    with.publishers = 4;
    with.publish_timeout = 1500ms; // a call to the frozen one is repeated at the other
    stage on(std::move(with));
    auto& frozen = *on.daemons.front();
    on.publish();
    rounds turn(how, 2);
    while (turn.next()) {
        pause_for(on.between(1500ms, 2500ms));
        frozen.open = false;
        auto const at = frozen.freeze();
        bool const reaped =
            e2e::eventually([&] { return on.database->number("SELECT count(*) FROM instances") == 1; }, 30s);
        // The other one has taken over, and is at work on what it took over.
        pause_for(std::max(on.between(0ms, 1200ms), how.hold - std::chrono::milliseconds((now_us() - at) / 1000)));
        frozen.thaw();
        frozen.open = true;
        on.disturbed({"SIGSTOP", frozen.sender(), at, now_us() + 2'000'000, true});
        if (!reaped)
            out.violation("the leases of a frozen instance were not taken from it");
    }
    pause_for(2s);
    conclude(on, out, 40s);
    out.figure(std::to_string(turn.done()) + " freezes past the lease: " + text(out.found.repeats) + " repeats of " +
               text(out.found.in_flight) + " requests in flight");
    judge_repeats(out);
}

} // namespace klen::webhooks::faults
