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

/// From each 202 until `end` for the healthy one to its request, the shortest first.
std::vector<wall_us> latencies(stage const& on, wall_us end) {
    std::unordered_map<std::string, wall_us> told;
    for (auto const& one : on.publishers)
        for (auto const& event : one->events())
            if (event.is == published_event::fate::accepted && event.told < end)
                told.emplace(event.key, event.told);
    std::vector<wall_us> out;
    for (auto const& one : on.receiver->requests())
        if (auto const at = told.find(one.event_key); one.webhook == healthy && at != told.end())
            out.push_back(std::max<wall_us>(0, one.arrived - at->second));
    std::ranges::sort(out);
    return out;
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
    auto const begin = now_us();
    on.publish();
    on.publish(flooded, 4, 2.0 * on.with.events_per_second);
    pause_for(std::chrono::milliseconds(static_cast<std::int64_t>(how.minutes.value_or(8.0 / 60) * 60'000)));
    auto const end = now_us();
    std::map<std::string, std::int64_t> waiting;
    for (auto const& row : on.database->query("SELECT account_id, count(*) FROM deliveries GROUP BY account_id"))
        waiting[row[0]] = std::stoll(row[1]);
    over = true;
    // Their own retries wait for room.
    on.disturbed({"bad neighbours", "", begin, now_us() + 40'000'000});
    conclude(on, out, 60s);
    auto const times = latencies(on, end);
    if (times.empty())
        return out.violation("nothing was accepted for the healthy one");
    auto const p99 = std::chrono::microseconds(times[times.size() * 99 / 100]);
    std::string line = std::to_string(times.size()) + " events of the healthy one sent " + in_ms(p99) +
                       " after their 202 (p99; last " + in_ms(std::chrono::microseconds(times.back())) + "); waiting:";
    for (int i = 0; auto const* name : names) {
        auto const left = waiting[stage::account(i)];
        line += std::string(i == healthy ? " " : ", ") + std::to_string(left) + " " + name;
        if (i++ != healthy && left < std::int64_t{2} * lane)
            out.violation("only " + std::to_string(left) + " deliveries " + name + " wait: it is no bad neighbour");
    }
    out.figure(line);
    if (p99 > 1s)
        out.violation("the healthy one's requests came " + in_ms(p99) + " after their 202");
    if (out.found.repeats > 0)
        out.violation(std::to_string(out.found.repeats) + " repeats");
}

} // namespace klen::webhooks::faults
