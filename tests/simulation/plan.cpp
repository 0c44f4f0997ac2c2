#include "simulation/plan.hpp"

#include <algorithm>
#include <array>
#include <sstream>

namespace klen::webhooks::simulation {

namespace {

constexpr std::array<std::string_view, fault_kinds> names{
    "slow_database",    "lost_answers",    "busy_database",  "stalled_calls",
    "database_outage",  "partition",       "kill",           "stop",
    "freeze",           "suspend",         "pause",          "thread_hang",
    "wall_jump",        "database_jump",   "bad_answers",    "slow_answers",
    "asking_receivers", "bad_connections", "local_failures", "webhook_changes",
    "refused_records",  "burst",           "slow_threads"};

std::uint32_t some(generator& chance, int from, int to) { return static_cast<std::uint32_t>(chance.between(from, to)); }

dispatch_config draw_limits(generator& chance, milliseconds attempt_timeout) {
    dispatch_config d;
    bool const narrow = chance.chance(0.5);
    d.lane_queue_max = narrow ? some(chance, 1, 6) : some(chance, 10, 60);
    d.webhook_concurrency_max = some(chance, 1, narrow ? 3 : 10);
    d.host_concurrency_max = some(chance, 1, narrow ? 4 : 20);
    d.deliveries_in_memory_max = narrow ? some(chance, 4, 40) : some(chance, 60, 400);
    d.bytes_in_memory_max = chance.chance(0.2) ? std::uint64_t{1} << 14 : std::uint64_t{1} << 24;
    d.unrecorded_outcomes_max = narrow ? some(chance, 1, 10) : some(chance, 20, 200);
    d.claim_batch_max = some(chance, 1, narrow ? 10 : 100);
    d.outcome_batch_max = some(chance, 1, narrow ? 10 : 100);
    d.poll_interval = chance.between(milliseconds(200), milliseconds(1000));
    d.heartbeat_interval = chance.between(milliseconds(500), milliseconds(2000));
    d.lease_timeout = d.heartbeat_interval * chance.between(5, 8);
    auto const time_to_end = chance.chance(0.75) ? milliseconds(2000) : milliseconds(0);
    d.shutdown_timeout = std::max(attempt_timeout + time_to_end, milliseconds(2000));
    return d;
}

} // namespace

std::string_view to_string(fault_kind what) { return names.at(static_cast<std::size_t>(what)); }

plan plan::draw(std::uint64_t seed) {
    generator chance(seed ^ 0x6b6c656e77656268ULL); // not the world's own numbers
    plan out;
    out.seed = seed;
    double const share = std::array{0.0, 0.1, 0.25, 0.25, 0.4, 0.6}.at(chance.below(6));
    for (std::size_t i = 0; i < fault_kinds; ++i)
        out.faults.set(i, chance.chance(share));
    if (out.faults.none()) // something to repeat, with nothing that would excuse a delay
        out.faults.set(static_cast<std::size_t>(fault_kind::bad_answers));
    out.processes = static_cast<std::size_t>(chance.between(2, 5));
    out.io_threads = static_cast<std::size_t>(chance.between(1, 3));
    out.webhooks = static_cast<std::size_t>(chance.between(1, 5));
    out.hosts = static_cast<std::size_t>(chance.between(1, 3));
    out.events = static_cast<std::size_t>(chance.between(5, 40));
    out.storm = chance.between(milliseconds(5000), milliseconds(40'000));
    out.fault_spacing = chance.between(milliseconds(1000), milliseconds(15'000));

    auto& o = out.options;
    o.delivery.retry_schedule = {seconds(chance.between(1, 3)), seconds(chance.between(1, 10))};
    if (chance.chance(0.5))
        o.delivery.retry_schedule.emplace_back(chance.between(5, 20));
    o.delivery.attempt_timeout = chance.between(milliseconds(500), milliseconds(8000));
    o.delivery.retry_after_max = seconds(20);
    o.delivery.header_prefix = "X-Klen-";
    o.delivery.user_agent = "klen-webhooks/simulation";
    o.dispatch = draw_limits(chance, o.delivery.attempt_timeout);
    o.log_attempts = false;
    return out;
}

std::string plan::text() const {
    std::ostringstream out;
    auto const& d = options.dispatch;
    out << "seed " << seed << ": " << processes << " processes with " << io_threads << " io threads, " << webhooks
        << " webhooks on " << hosts << " hosts, " << events << " events, storm " << storm.count() << " ms\n"
        << "limits: lane " << d.lane_queue_max << ", webhook " << d.webhook_concurrency_max << ", host "
        << d.host_concurrency_max << ", memory " << d.deliveries_in_memory_max << " / " << d.bytes_in_memory_max
        << " bytes, unrecorded " << d.unrecorded_outcomes_max << ", claims " << d.claim_batch_max << ", outcomes "
        << d.outcome_batch_max << "\ntimes: poll " << d.poll_interval.count() << ", heartbeat "
        << d.heartbeat_interval.count() << ", lease " << d.lease_timeout.count() << ", attempt "
        << options.delivery.attempt_timeout.count() << ", shutdown " << d.shutdown_timeout.count() << " ms, schedule";
    for (auto const wait : options.delivery.retry_schedule)
        out << ' ' << wait.count();
    out << " s\nfaults:";
    for (std::size_t i = 0; i < fault_kinds; ++i)
        if (faults.test(i))
            out << ' ' << names.at(i);
    out << (faults.none() ? " none\n" : "\n");
    return out.str();
}

} // namespace klen::webhooks::simulation
