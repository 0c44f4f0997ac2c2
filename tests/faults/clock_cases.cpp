// Wall clocks that jump: PostgreSQL's, and a daemon's.
#include "faults/cases.hpp"
#include "faults/preloaded.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdlib>
#include <iterator>
#include <map>
#include <set>
#include <utility>

namespace klen::webhooks::faults {

using namespace std::chrono_literals;

namespace {

constexpr auto jump = 1h;
constexpr auto step = 3s;
constexpr auto retry_after = 4s; ///< longer than a step

/// One in four.
bool fails_at_first(std::uint64_t seed, received_request const& what) {
    return what.attempt == 1 && (std::hash<std::string>{}(what.delivery) ^ seed) % 4 == 0;
}

/// When the first daemon's clock was moved, and by how much it is off from then on.
using moves_of_clock = std::map<wall_us, std::chrono::seconds>;

/// Each request shows the time of its sender's clock; none is judged that may have been on its way at a move.
void judge_timestamps(std::vector<received_request> const& all, moves_of_clock const& moves, report& out) {
    constexpr wall_us lag = 1'000'000;
    std::set<wall_us> seen;
    std::size_t wrong = 0;
    for (auto const& one : all) {
        std::chrono::seconds by{0};
        if (auto const next = moves.upper_bound(one.arrived); one.sender.starts_with("a/") && next != moves.begin()) {
            auto const last = std::prev(next);
            if (one.arrived < last->first + lag)
                continue;
            by = last->second;
            if (by != 0s)
                seen.insert(last->first);
        }
        auto const off = one.timestamp - one.arrived / 1'000'000;
        if (std::abs(off - by.count()) > 5 && ++wrong <= 5)
            out.violation("X-Klen-Timestamp of " + one.sender + " is " + std::to_string(off) + " s off, not " +
                          std::to_string(by.count()));
    }
    auto const off = std::ranges::count_if(moves, [](auto const& move) { return move.second != 0s; });
    if (std::cmp_not_equal(seen.size(), off))
        out.violation("a daemon sent nothing while its clock was off");
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
        auto const shown = one.committed;
        right(one.committed);
        if (shown != one.committed)
            one.next_due = 0; // by PostgreSQL's clock, wherever that stood
    }
}

/// Counts from the receiver's answer when a retry is due.
void count_from_answers(evidence& all, std::chrono::microseconds wait) {
    std::map<std::pair<std::string, int>, wall_us> answered;
    for (auto const& one : all.received)
        answered[{one.delivery, one.attempt}] = one.answered;
    for (auto& one : all.stored.attempts)
        if (one.next_due != 0)
            one.next_due = answered[{one.delivery, one.attempt}] + wait.count();
}

/// Forgets what was read off a clock that was not right.
void forget_commits(evidence& all) {
    for (auto& one : all.stored.attempts)
        one.committed = 0;
    for (auto& one : all.stored.events)
        one.committed = 0;
}

} // namespace

void clocks(run_options const& how, report& out) {
    moved_clock const of_database(how.folder + "/clock_of_database");
    moved_clock const of_daemon(how.folder + "/clock_of_daemon");
    auto with = stage_of(how);
    with.instances = 2;
    std::atomic<bool> fails{false};
    with.reacts = [&fails, answers = friendly(how.seed, 20ms, 200ms), seed = how.seed](received_request const& what) {
        auto answer = answers(what);
        if (fails && fails_at_first(seed, what))
            answer.status = 500;
        return answer;
    };
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
    moves_of_clock moved;
    auto const move_clock = [&](moved_clock const& clock, std::chrono::seconds by) {
        if (&clock == &of_daemon)
            moved[now_us()] = by;
        clock.move(by);
    };
    rounds turn(how, 1);
    std::size_t least = SIZE_MAX;
    while (turn.next())
        for (auto const& [clock, by, what] : moves) {
            auto const before = on.accepted();
            move_clock(clock, by);
            if (auto const off = on.database->number("SELECT extract(epoch FROM clock_timestamp())::bigint") -
                                 now_us() / 1'000'000 - (&clock == &of_database ? by.count() : 0);
                std::abs(off) > 5)
                out.violation("PostgreSQL's clock is " + std::to_string(off) + " s from where it should be");
            // Longer than a lease; and what fails while a daemon's clock is off is due again before that is set right.
            fails = &clock == &of_daemon;
            pause_for(2500ms);
            fails = false;
            pause_for(1500ms);
            auto const meanwhile = on.accepted() - before;
            least = std::min(least, meanwhile);
            if (meanwhile == 0)
                out.violation(std::string(what) + ": nothing was accepted for 4 s");
            move_clock(clock, 0s);
            pause_for(1s);
        }
    auto const end = now_us();
    conclude(on, out, 40s, [&](evidence& all) {
        judge_timestamps(all.received, moved, out);
        set_right(all, begin - 60'000'000, end + 60'000'000);
        count_from_answers(all, 1s);
    });
    out.figure(std::to_string(turn.done() * 4) + " jumps of an hour: " + std::to_string(out.found.repeats) +
               " repeats, at least " + std::to_string(least) + " events accepted in each 4 s; of " +
               std::to_string(out.found.retries) + " retries while a daemon's clock was off the latest came " +
               in_ms(out.found.latest_retry) + " after its time");
    if (out.found.retries == 0)
        out.violation("nothing was tried again while a daemon's clock was off");
    judge_no_repeats(out);
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
        if (fails_at_first(seed, what))
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
        count_from_answers(all, retry_after);
        forget_commits(all);
        all.early_max = step;
        all.late_max += step;
    });
    out.figure(std::to_string(turn.done() * 4) + " jumps of " + in_ms(step) + ": of " +
               std::to_string(out.found.retries) + " retries the earliest came " + in_ms(out.found.earliest_retry) +
               " before its time, the latest " + in_ms(out.found.latest_retry) + " after it");
    if (std::min(out.found.earliest_retry, out.found.latest_retry) < step / 2)
        out.violation("PostgreSQL's clock did not move");
    judge_no_repeats(out);
    if (taken_for_dead(on))
        out.violation("a jump of the clock was taken for a death");
}

} // namespace klen::webhooks::faults
