#include "webhook_health.hpp"

#include "klen/webhooks/policy/durations.hpp"

namespace klen::webhooks::api {

namespace {

void write_window(json_writer& out, store::health_window const& over) {
    auto const all = over.delivered + over.failed;
    std::optional<double> rate;
    if (all > 0)
        rate = static_cast<double>(over.delivered) / static_cast<double>(all);
    out.begin_object()
        .member("delivered", over.delivered)
        .member("failed", over.failed)
        .member("success_rate", rate)
        .member("p50_ms", policy::percentile_ms(over.durations, 0.5))
        .member("p95_ms", policy::percentile_ms(over.durations, 0.95))
        .end_object();
}

std::optional<wall_time> open_until(dispatch::circuit_status const& circuit, clock const& time) {
    if (circuit.state != policy::circuit_state::open)
        return std::nullopt;
    return time.wall() + std::chrono::duration_cast<wall_time::duration>(circuit.open_until - time.steady());
}

} // namespace

void write_health(json_writer& out, store::webhook_health const& health, dispatch::circuit_status const& circuit,
                  clock const& time) {
    out.begin_object()
        .member("pending", health.pending)
        .member("pending_is_minimum", health.pending >= store::pending_counted_max)
        .member("last_success_at", health.last_success_at)
        .member("last_failure_at", health.last_failure_at)
        .member_or_null("last_failure_class", health.last_failure_class)
        .member("consecutive_failures", health.consecutive_failures)
        .member("circuit", policy::to_string(circuit.state))
        .member("circuit_open_until", open_until(circuit, time));
    write_window(out.key("last_hour"), health.hour);
    write_window(out.key("last_day"), health.day);
    out.end_object();
}

} // namespace klen::webhooks::api
