#include "faults/cases.hpp"

#include "klen/webhooks/base/clock.hpp"

#include <boost/json/parse.hpp>

#include <algorithm>
#include <limits>
#include <set>

namespace klen::webhooks::faults {

namespace json = boost::json;

namespace {

/// When the leases of which instance were seen to be over, from the logs.
std::map<std::int64_t, wall_us> ended_leases(stage const& on) {
    std::set<std::string> const ends{"a dead instance's deliveries were freed", "instance left", "term ended"};
    std::map<std::int64_t, wall_us> out;
    for (auto const& one : on.daemons)
        for (auto const& line : e2e::lines_of(one->log())) {
            json::error_code half_written; // by one that was killed
            auto const parsed = json::parse(line, half_written);
            if (!parsed.is_object())
                continue;
            auto const& said = parsed.as_object();
            if (!ends.contains(std::string(said.at("message").as_string())))
                continue;
            auto const at = parse_rfc3339(std::string(said.at("@timestamp").as_string()));
            auto const since = std::chrono::duration_cast<std::chrono::microseconds>(at->time_since_epoch()).count();
            out.emplace(said.at("instance_id").to_number<std::int64_t>(), since + 1000); // it shows whole milliseconds
        }
    return out;
}

} // namespace

std::string in_ms(std::chrono::microseconds time) { return std::to_string(time.count() / 1000) + " ms"; }

std::string in_percent(double share) { return std::to_string(static_cast<int>(share * 100)) + " %"; }

void judge_no_repeats(report& out) {
    if (out.found.repeats > 0)
        out.violation(std::to_string(out.found.repeats) + " repeats");
}

std::chrono::milliseconds length_of(run_options const& how, std::chrono::milliseconds otherwise) {
    return how.minutes ? std::chrono::milliseconds(static_cast<std::int64_t>(*how.minutes * 60'000)) : otherwise;
}

bool taken_for_dead(stage const& on) {
    return std::ranges::any_of(on.daemons, [](auto const& one) {
        auto const log = one->log();
        return log.find("leases of this instance were lost") != std::string::npos ||
               log.find("a dead instance's deliveries") != std::string::npos;
    });
}

publisher::second tally(stage const& on, wall_us from, wall_us to) {
    publisher::second out;
    for (auto const& one : on.publishers)
        for (auto const& [second, seen] : one->seconds())
            if (second * 1'000'000 >= from && second * 1'000'000 < to) {
                out.accepted += seen.accepted;
                out.refused += seen.refused;
                out.unclear += seen.unclear;
                out.unavailable += seen.unavailable;
                out.without_retry_after += seen.without_retry_after;
                out.slowest = std::max(out.slowest, seen.slowest);
                out.slowest_refusal = std::max(out.slowest_refusal, seen.slowest_refusal);
            }
    return out;
}

pace pace_over(stage const& on, std::chrono::milliseconds time) {
    auto const accepted = on.accepted();
    auto const requests = on.receiver->count();
    auto const begin = now_us();
    pause_for(time);
    auto const in_a_second = [took = now_us() - begin](std::size_t count) {
        return static_cast<double>(count) * 1e6 / static_cast<double>(took);
    };
    return {in_a_second(on.accepted() - accepted), in_a_second(on.receiver->count() - requests)};
}

std::size_t failed_publishes(stage const& on, report& out, std::function<bool(publisher::miss const&)> const& excused) {
    std::size_t failed = 0;
    for (auto const& one : on.publishers)
        for (auto const& miss : one->misses())
            if ((!excused || !excused(miss)) && ++failed <= 5)
                out.violation("a publish failed: " + miss.why);
    return failed;
}

stage::options stage_of(run_options const& how) {
    stage::options out;
    out.folder = how.folder;
    out.seed = how.seed;
    out.database.fsync = how.fsync;
    if (how.rate)
        out.events_per_second = *how.rate;
    return out;
}

rounds::rounds(run_options const& how, int by_default)
    : most_(how.rounds.value_or(how.minutes ? std::numeric_limits<int>::max() : by_default)),
      until_(how.minutes ? std::chrono::steady_clock::now() + length_of(how, {})
                         : std::chrono::steady_clock::time_point::max()) {}

bool rounds::next() {
    if (done_ >= most_ || std::chrono::steady_clock::now() >= until_)
        return false;
    ++done_;
    return true;
}

void conclude(stage& on, report& out, std::chrono::milliseconds bound, std::function<void(evidence&)> const& adjust) {
    if (!on.quiet(bound))
        out.violation("not everything was delivered or failed within " + in_ms(bound) + " of the end");
    evidence all;
    for (auto const& one : on.publishers) {
        auto const events = one->events();
        all.published.insert(all.published.end(), events.begin(), events.end());
        for (auto const& complaint : one->complaints())
            out.violation(complaint);
    }
    if (auto const silent = tally(on, 0, now_us()).without_retry_after; silent > 0)
        out.violation(std::to_string(silent) + " calls were answered 503 without Retry-After");
    all.received = on.receiver->requests();
    all.stored = on.database->record();
    all.disturbances = on.disturbances;
    all.webhooks = on.webhook_ids;
    all.ended_leases = ended_leases(on);
    all.attempts_max = attempts_max;
    if (adjust)
        adjust(all);
    out.found = check(all);
}

} // namespace klen::webhooks::faults
