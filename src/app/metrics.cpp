#include "app/metrics.hpp"

#include "klen/webhooks/base/version.hpp"

#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

namespace klen::webhooks::app {

namespace {

/// Gathers families under the project's prefix.
class families {
  public:
    void counter(std::string const& name, std::string const& help, std::uint64_t value) {
        add(name, help, prometheus::MetricType::Counter).counter.value = static_cast<double>(value);
    }
    void gauge(std::string const& name, std::string const& help, double value) {
        add(name, help, prometheus::MetricType::Gauge).gauge.value = value;
    }
    void gauge(std::string const& name, std::string const& help, std::uint64_t value) {
        gauge(name, help, static_cast<double>(value));
    }
    /// One more metric of the family that was added last.
    prometheus::ClientMetric& another() { return all_.back().metric.emplace_back(); }

    prometheus::ClientMetric& add(std::string const& name, std::string const& help, prometheus::MetricType type) {
        prometheus::MetricFamily family;
        family.name = "klen_webhooks_" + name;
        family.help = help;
        family.type = type;
        all_.push_back(std::move(family));
        return another();
    }

    std::string text() const { return prometheus::TextSerializer().Serialize(all_); }

  private:
    std::vector<prometheus::MetricFamily> all_;
};

void add_dispatch(families& to, dispatch::dispatch_stats const& s) {
    to.counter("deliveries_delivered_total", "Deliveries that ended delivered.", s.delivered);
    to.counter("deliveries_failed_total", "Deliveries that ended failed: no attempt was left.", s.deliveries_failed);
    to.counter("deliveries_cancelled_total",
               "Deliveries cancelled while this daemon had them; those that waited in the database are not among them.",
               s.cancelled);
    to.counter("attempts_failed_total", "Attempts that failed, whatever followed.", s.attempts_failed);
    to.counter("leases_lost_total", "Outcomes that changed nothing because another instance owned the delivery.",
               s.leases_lost);
    to.gauge("deliveries_in_memory", "Leased deliveries: queued, in flight or not yet recorded.", s.in_memory);
    to.gauge("deliveries_in_memory_bytes", "Their bodies.", s.bytes_in_memory);
    to.gauge("attempts_in_flight", "Requests under way.", s.in_flight);
    to.gauge("outcomes_unrecorded", "Outcomes that are not committed yet.", s.unrecorded);
    to.gauge("lanes", "Webhooks with something to do.", s.lanes);
    to.gauge("lanes_parked", "Webhooks with deliveries that wait in the database for room.", s.parked_lanes);
    to.gauge("webhooks_unusable", "Webhooks whose secrets cannot be read; only while they have something to do.",
             s.unusable_lanes);
    to.gauge("circuits_open",
             "Webhooks to which this daemon sends nothing, or one request at a time, because they fail.",
             s.circuits_open);
    to.counter("circuits_opened_total", "How often a webhook's circuit opened that was closed.", s.circuits_opened);
    to.gauge("heartbeat_age_seconds", "Age of the last committed heartbeat of this instance.",
             s.oldest_heartbeat_seconds);
}

void add_server(families& to, api::server_stats const& s) {
    to.gauge("http_connections", "Open connections to the API.", s.connections);
    to.counter("http_connections_refused_total", "Connections refused at the limit.", s.refused_connections);
    to.counter("http_connections_displaced_total", "Waiting connections closed at the limit to make room.",
               s.displaced_connections);
    to.counter("http_requests_total", "Requests read in full.", s.requests);
    bool first = true;
    for (auto const& [status, count] : s.responses_by_status) {
        auto& metric = first ? to.add("http_responses_total", "Responses by status.", prometheus::MetricType::Counter)
                             : to.another();
        first = false;
        metric.label.push_back({"status", std::to_string(status)});
        metric.counter.value = static_cast<double>(count);
    }
}

void add_clients(families& to, std::vector<egress::client_stats> const& clients) {
    egress::client_stats sum;
    for (auto const& c : clients) {
        sum.requests += c.requests;
        sum.connections_opened += c.connections_opened;
        sum.connections_reused += c.connections_reused;
        sum.reused_connection_died += c.reused_connection_died;
        sum.tls_sessions_resumed += c.tls_sessions_resumed;
        sum.idle_connections += c.idle_connections;
    }
    to.counter("egress_requests_total", "Requests sent to receivers.", sum.requests);
    to.counter("egress_connections_opened_total", "Connections opened to receivers.", sum.connections_opened);
    to.counter("egress_connections_reused_total", "Requests sent over a kept connection.", sum.connections_reused);
    to.counter("egress_reused_connections_died_total",
               "Kept connections that died under a request, which was sent once more.", sum.reused_connection_died);
    to.counter("egress_tls_sessions_resumed_total", "TLS handshakes shortened by resumption.",
               sum.tls_sessions_resumed);
    to.gauge("egress_connections_idle", "Connections to receivers that are kept open.", sum.idle_connections);
}

void add_background(families& to, background_stats const& s) {
    to.gauge("job_under_way", "1 while this daemon works at a job (recover, cancel-pending).",
             s.job_under_way ? 1.0 : 0.0);
    to.counter("job_steps_total", "Steps of jobs that this daemon has done.", s.job_steps);
    to.gauge("operational_events_waiting", "Operational events that wait to be published; 100 stands for any more.",
             s.operational_waiting);
    to.counter("operational_events_published_total", "Operational events that this daemon has published.",
               s.operational_published);
    if (!s.queue)
        return;
    to.gauge("queue_oldest_due_seconds",
             "How long the delivery in the database that waits longest has been due; those that wait for room in "
             "their webhook's lane are not among them.",
             std::chrono::duration<double>(s.queue->oldest_due).count());
    to.gauge("queue_deliveries", "Deliveries in the database that are not finished, of all daemons: an estimate.",
             s.queue->deliveries);
    to.gauge("queue_dead_rows", "Rows of the queue's table that wait for vacuum: an estimate.",
             s.queue->dead_deliveries);
    to.gauge("database_horizon_age_transactions",
             "How many transactions ago the oldest one began for which PostgreSQL must keep dead rows.",
             s.queue->horizon_age);
}

} // namespace

std::string metrics_text(metric_values const& values) {
    families out;
    auto& build = out.add("build_info", "Always 1; the label tells the version.", prometheus::MetricType::Gauge);
    build.label.push_back({"version", std::string(version())});
    build.gauge.value = 1;
    out.gauge("start_time_seconds", "When this process started, unix time.", values.start_unix_seconds);
    out.gauge("intake_events_waiting", "Events that wait for their commit.",
              static_cast<std::uint64_t>(values.intake_waiting));
    out.gauge("database_available",
              "1 while the last batch of events met a database; 0 as well while one has waited for its commit for "
              "longer than intake.hang_timeout_ms.",
              values.database_available ? 1.0 : 0.0);
    out.counter("log_lines_lost_total", "Log lines that could not be written.", values.log_lines_lost);
    add_dispatch(out, values.dispatch);
    add_server(out, values.server);
    add_clients(out, values.clients);
    add_background(out, values.background);
    return out.text();
}

} // namespace klen::webhooks::app
