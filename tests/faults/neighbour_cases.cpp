// Receivers of other accounts that hang, are flooded, or drip.
#include "faults/cases.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <unordered_map>

namespace klen::webhooks::faults {

using namespace std::chrono_literals;

namespace {

/// Which account, and with a webhook each which number at the receiver.
enum who : int { healthy, hangs, flooded, drips };
constexpr std::array<char const*, 4> names{"of the healthy one", "of the one that hangs", "of the flooded one",
                                           "of the one that drips"};
constexpr int lane = 32; ///< requests to one webhook at once

/// Until `over` each does what it is called, then all of them answer at once.
recording_receiver::script each_its_own(std::atomic<bool> const& over) {
    return [&over](received_request const& what) {
        reaction out;
        if (over)
            return out;
        if (what.webhook == hangs)
            out.what = reaction::how::hang;
        else if (what.webhook == flooded)
            out.delay = 400ms;
        else if (what.webhook == drips)
            out.byte_every = 200ms; // nothing that ends in time
        return out;
    };
}

/// What PostgreSQL showed of the daemon's sessions.
struct sessions {
    std::int64_t most = 0;     ///< at once
    std::int64_t sleeping = 0; ///< the most that had left a transaction open, and done nothing, for more than a second
};

/// Looks at them again and again, for `time`.
sessions watch_sessions(stage const& on, std::chrono::milliseconds time) {
    sessions out;
    auto const until = std::chrono::steady_clock::now() + time;
    while (std::chrono::steady_clock::now() < until) {
        auto const row = on.database
                             ->query("SELECT count(*), count(*) FILTER (WHERE state LIKE 'idle in transaction%'"
                                     " AND clock_timestamp() - state_change > interval '1 s') FROM pg_stat_activity"
                                     " WHERE application_name LIKE 'klen-webhooks%' AND pid <> pg_backend_pid()")
                             .front();
        out.most = std::max<std::int64_t>(out.most, std::stoll(row[0]));
        out.sleeping = std::max<std::int64_t>(out.sleeping, std::stoll(row[1]));
        pause_for(250ms);
    }
    return out;
}

/// From each 202 between the two for the healthy one to its request, the shortest first.
std::vector<wall_us> latencies(stage const& on, wall_us begin, wall_us end) {
    std::unordered_map<std::string, wall_us> told;
    for (auto const& one : on.publishers)
        for (auto const& event : one->events())
            if (event.is == published_event::fate::accepted && event.told >= begin && event.told < end)
                told.emplace(event.key, event.told);
    std::vector<wall_us> out;
    for (auto const& one : on.receiver->requests())
        if (auto const at = told.find(one.event_key); one.webhook == healthy && at != told.end())
            out.push_back(std::max<wall_us>(0, one.arrived - at->second));
    std::ranges::sort(out);
    return out;
}

std::chrono::microseconds p99(std::vector<wall_us> const& sorted) {
    return std::chrono::microseconds(sorted[sorted.size() * 99 / 100]);
}

} // namespace

void neighbours(run_options const& how, report& out) {
    std::atomic<bool> over{false};
    auto with = stage_of(how);
    with.accounts = static_cast<int>(names.size());
    with.webhooks = 1;
    with.reacts = each_its_own(over);
    with.settings["KLEN_WEBHOOKS_DISPATCH_WEBHOOK_CONCURRENCY_MAX"] = std::to_string(lane);
    // All of them are on one host here, of whose limit each thread has a part.
    with.settings["KLEN_WEBHOOKS_DISPATCH_HOST_CONCURRENCY_MAX"] = std::to_string(8 * lane);
    stage on(std::move(with));
    auto const each = static_cast<double>(on.with.events_per_second) / on.with.accounts;
    auto const alone = now_us();
    on.publish(healthy, on.with.publishers, each);
    pause_for(how.minutes ? 20s : 4s);
    auto const begin = now_us();
    for (int const other : {hangs, flooded, drips})
        on.publish(other, on.with.publishers, each);
    on.publish(flooded, 4, 2.0 * on.with.events_per_second);
    auto const seen = watch_sessions(on, length_of(how, 8s));
    auto const end = now_us();
    std::map<std::string, std::int64_t> waiting;
    for (auto const& row : on.database->query("SELECT account_id, count(*) FROM deliveries GROUP BY account_id"))
        waiting[row[0]] = std::stoll(row[1]);
    over = true;
    // Their own retries wait for room.
    on.disturbed({"bad neighbours", "", begin, now_us() + 40'000'000});
    conclude(on, out, 60s);
    auto const before = latencies(on, alone, begin);
    auto const times = latencies(on, begin, end);
    if (before.empty() || times.empty())
        return out.violation("nothing was accepted for the healthy one");
    std::string line = std::to_string(times.size()) + " events of the healthy one sent " + in_ms(p99(times)) +
                       " after their 202 (p99; last " + in_ms(std::chrono::microseconds(times.back())) + "; alone " +
                       in_ms(p99(before)) + "); waiting:";
    for (int i = 0; auto const* name : names) {
        auto const left = waiting[stage::account(i)];
        line += std::string(i == healthy ? " " : ", ") + std::to_string(left) + " " + name;
        if (i++ != healthy && left < std::int64_t{2} * lane)
            out.violation("only " + std::to_string(left) + " deliveries " + name + " wait: it is no bad neighbour");
    }
    out.figure(line);
    // In a short run the other tests beside it are neighbours, too.
    auto const most = how.minutes ? p99(before) * 11 / 10 + 50ms : std::chrono::microseconds(1s);
    if (p99(times) > most)
        out.violation("the healthy one's requests came " + in_ms(p99(times)) + " after their 202, not " + in_ms(most));
    if (seen.most == 0 || seen.sleeping > 0)
        out.violation("of " + std::to_string(seen.most) + " sessions " + std::to_string(seen.sleeping) +
                      " were idle in a transaction for more than a second");
    judge_no_repeats(out);
}

} // namespace klen::webhooks::faults
