// Wall clocks that jump: PostgreSQL's, and a daemon's.
#include "faults/cases.hpp"
#include "faults/preloaded.hpp"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <map>

namespace klen::webhooks::faults {

using namespace std::chrono_literals;

namespace {

constexpr auto jump = 1h;
constexpr auto step = 3s;
constexpr auto retry_after = 4s; ///< longer than a step

/// The latest second in the events' ids, which hold the time of the daemon that accepted them and never go back.
std::int64_t latest_id(evidence const& all) {
    std::int64_t out = 0;
    for (auto const& one : all.stored.events)
        out = std::max<std::int64_t>(out,
                                     std::stoll(one.event.substr(0, 8) + one.event.substr(9, 4), nullptr, 16) / 1000);
    return out;
}

/// Times of the record that were read off a clock which was an hour off, as if it had not been.
void set_right(evidence& all, wall_us from, wall_us to) {
    constexpr wall_us hour = std::chrono::microseconds(jump).count();
    auto const right = [=](wall_us& time) {
        if (time > to + hour / 2)
            time -= hour;
        else if (time != 0 && time < from - hour / 2)
            time += hour;
    };
    for (auto& one : all.stored.events)
        right(one.committed);
    for (auto& one : all.stored.attempts) {
        right(one.committed);
        one.next_due = 0; // a retry is due by PostgreSQL's clock, wherever that stands
    }
}

/// Counts from the receiver's answer when a retry is due, and forgets what was read off a clock that was not right.
void count_from_answers(evidence& all) {
    std::map<std::pair<std::string, int>, wall_us> answered;
    for (auto const& one : all.received)
        answered[{one.delivery, one.attempt}] = one.answered;
    for (auto& one : all.stored.attempts) {
        if (one.next_due != 0)
            one.next_due = answered[{one.delivery, one.attempt}] + std::chrono::microseconds(retry_after).count();
        one.committed = 0;
    }
    for (auto& one : all.stored.events)
        one.committed = 0;
}

} // namespace

void clocks(run_options const& how, report& out) {
    moved_clock const of_database(how.folder + "/clock_of_database");
    moved_clock const of_daemon(how.folder + "/clock_of_daemon");
    auto with = stage_of(how);
    with.instances = 2;
    with.reacts = friendly(how.seed, 20ms, 200ms);
    with.database.bin_dir = of_database.postgres_programs();
    for (auto const& [name, value] : of_daemon.environment())
        with.settings_of_first[name] = value;
    stage on(std::move(with));
    on.publish();
    pause_for(1s);
    auto const begin = now_us();
    struct move {
        moved_clock const& clock;
        std::chrono::seconds by;
        char const* what;
    };
    std::array<move, 4> const moves{move{of_daemon, jump, "a daemon's clock an hour ahead"},
                                    move{of_daemon, -jump, "a daemon's clock an hour behind"},
                                    move{of_database, jump, "PostgreSQL's clock an hour ahead"},
                                    move{of_database, -jump, "PostgreSQL's clock an hour behind"}};
    rounds turn(how, 1);
    std::size_t least = SIZE_MAX;
    while (turn.next())
        for (auto const& [clock, by, what] : moves) {
            auto const before = on.accepted();
            clock.move(by);
            if (auto const off = on.database->number("SELECT extract(epoch FROM clock_timestamp())::bigint") -
                                 now_us() / 1'000'000 - (&clock == &of_database ? by.count() : 0);
                std::abs(off) > 5)
                out.violation("PostgreSQL's clock is " + std::to_string(off) + " s from where it should be");
            pause_for(4s); // longer than a lease
            auto const meanwhile = on.accepted() - before;
            least = std::min(least, meanwhile);
            if (meanwhile == 0)
                out.violation(std::string(what) + ": nothing was accepted for 4 s");
            clock.move(0s);
            pause_for(1s);
        }
    auto const end = now_us();
    std::int64_t latest = 0;
    conclude(on, out, 40s, [&](evidence& all) {
        latest = latest_id(all);
        set_right(all, begin - 60'000'000, end + 60'000'000);
    });
    if (latest < end / 1'000'000 + 3000)
        out.violation("the daemon's clock did not move");
    out.figure(std::to_string(turn.done() * 4) + " jumps of an hour: " + std::to_string(out.found.repeats) +
               " repeats, at least " + std::to_string(least) + " events accepted in each 4 s");
    if (out.found.repeats > 0)
        out.violation(std::to_string(out.found.repeats) + " repeats");
    for (auto const& one : on.daemons)
        if (one->log().find("the database's clock has jumped") == std::string::npos)
            out.violation(one->name() + " says nothing of the jumps of PostgreSQL's clock");
    if (taken_for_dead(on))
        out.violation("a jump of a clock was taken for a death");
}

void clock_steps(run_options const& how, report& out) {
    moved_clock const clock(how.folder + "/clock_of_database");
    auto with = stage_of(how);
    with.instances = 2;
    auto const wait = std::to_string(retry_after.count());
    with.settings["KLEN_WEBHOOKS_DELIVERY_RETRY_SCHEDULE_SECONDS"] = wait + "," + wait + "," + wait;
    with.reacts = [seed = how.seed](received_request const& what) {
        reaction answer;
        if (what.attempt == 1 && (std::hash<std::string>{}(what.delivery) ^ seed) % 4 == 0)
            answer.status = 500;
        return answer;
    };
    with.database.bin_dir = clock.postgres_programs();
    stage on(std::move(with));
    on.publish();
    pause_for(1s);
    rounds turn(how, 1);
    while (turn.next())
        for (auto const by : {-step, step}) {
            clock.move(by);
            pause_for(4s); // longer than a lease
            clock.move(0s);
            pause_for(step + retry_after + 1s); // no retry sees both of them
        }
    conclude(on, out, 40s, [](evidence& all) {
        count_from_answers(all);
        all.early_max = step;
        all.late_max += step;
    });
    out.figure(std::to_string(turn.done() * 4) + " jumps of " + in_ms(step) + ": of " +
               std::to_string(out.found.retries) + " retries the earliest came " + in_ms(out.found.earliest_retry) +
               " before its time, the latest " + in_ms(out.found.latest_retry) + " after it");
    if (std::min(out.found.earliest_retry, out.found.latest_retry) < step / 2)
        out.violation("PostgreSQL's clock did not move");
    if (out.found.repeats > 0)
        out.violation(std::to_string(out.found.repeats) + " repeats");
    if (taken_for_dead(on))
        out.violation("a jump of the clock was taken for a death");
}

} // namespace klen::webhooks::faults
