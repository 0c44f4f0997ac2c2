#include "stage.hpp"

#include <algorithm>
#include <stdexcept>
#include <thread>

namespace klen::bench {

boost::json::object stage_run::to_json() const {
    return {{"published_per_s", published_per_s},
            {"delivered_per_s", delivered_per_s},
            {"deliveries", deliveries},
            {"refused", refused},
            {"lost", lost},
            {"overrun_s", overrun_s},
            {"drain_s", drain_s},
            {"publish_ms", bench::to_json(publish)},
            {"load_lateness_ms", bench::to_json(lateness)},
            {"first_byte_ms", first_byte ? boost::json::value(bench::to_json(*first_byte)) : boost::json::value()},
            {"repeats", repeats},
            {"cpu_us",
             {{"daemon", daemon_us},
              {"postgres", postgres_us},
              {"receiver", receiver_us},
              {"load", load_us},
              {"sum", cpu_us()}}},
            {"commits", commits},
            {"statements", statements},
            {"wal_bytes", wal_bytes},
            {"connections_opened", connections_opened},
            {"tls_sessions_resumed", sessions_resumed},
            {"rss_mb", static_cast<double>(memory.resident_bytes) / 1e6},
            {"rss_peak_mb", static_cast<double>(memory.peak_bytes) / 1e6}};
}

stage::stage(std::string const& binary, traffic const& what, scratch_dir const& in)
    : what_(what), binary_(binary), dir_(in.make("daemon")) {
    auto const receiver = in.make("nginx");
    if (what.tls) {
        tls_ = make_certificates(receiver, what.webhooks);
        settings_["KLEN_WEBHOOKS_EGRESS_CA_FILE"] = tls_->authorities;
    }
    nginx_ = std::make_unique<nginx_receiver>(nginx_receiver::options{.dir = receiver, .tls = tls_ ? &*tls_ : nullptr});
    start_daemon();
    fill_log(*database_);
    // What the disk of a virtual machine has taken it may still be writing, at the expense of what comes next.
    std::this_thread::sleep_for(std::chrono::seconds(15));
    auto const scheme = std::string(what.tls ? "https" : "http") + "://";
    auto const port = ":" + std::to_string(nginx_->port()) + "/";
    make_webhooks(daemon_->port(), daemon_->key(), what.webhooks, [&](std::size_t n) {
        return new_webhook{n / what.fan_out, scheme + receiver_address(n) + port + std::to_string(n % what.fan_out)};
    });
}

void stage::start_daemon() {
    daemon_ = std::make_unique<daemon_under_test>(binary_, dir_, settings_);
    database_ = std::make_unique<database_link>(daemon_->database_url());
}

void stage::stop_daemon() {
    database_.reset();
    daemon_->stop();
    daemon_.reset();
}

void stage::receive_ourselves(std::size_t events_max) {
    nginx_->stop();
    sink_ = std::make_unique<sink>(sink::options{.port = nginx_->port(),
                                                 .deliveries_max = events_max * what_.fan_out,
                                                 .fan_out = what_.fan_out,
                                                 .tls = tls_ ? &*tls_ : nullptr});
}

std::uint64_t stage::delivered_so_far() {
    return static_cast<std::uint64_t>(daemon_->metric("deliveries_delivered_total"));
}

stage::usage stage::used_so_far() {
    usage out;
    out.daemon = cpu_of_family(daemon_->pid());
    out.receiver = sink_ ? sink_->cpu_seconds() : nginx_->cpu_seconds();
    out.database = database_->counters();
    out.delivered = delivered_so_far();
    if (sink_) {
        out.received = sink_->received();
        out.repeats = sink_->repeats();
    }
    out.connections_opened = daemon_->metric("egress_connections_opened_total");
    out.sessions_resumed = daemon_->metric("egress_tls_sessions_resumed_total");
    return out;
}

/// Seconds until the last outcome was committed; beside others, until the last request was received.
double stage::wait_until_through(usage const& before, std::uint64_t deliveries, bool alone) {
    constexpr double patience_s = 120;
    auto const began = now_ns();
    auto const through = [&] {
        return alone ? delivered_so_far() >= before.delivered + deliveries
                     : sink_->received() >= before.received + deliveries;
    };
    while (!through()) {
        if (seconds_since(began) > patience_s)
            throw std::runtime_error("two minutes after the last event not everything is delivered");
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    return seconds_since(began);
}

/// `answered`: when each call was accepted, 0 where it was not.
load_plan stage::plan_of(publishing const& how, event_requests const& requests, std::vector<std::int64_t>& answered) {
    load_plan plan;
    plan.port = daemon_->port();
    plan.connections = how.connections;
    plan.rate = how.events_per_second / static_cast<double>(what_.batch);
    plan.seconds = how.seconds;
    plan.write = [&requests](std::string& out, std::uint64_t n) { requests.write(out, n); };
    if (sink_)
        plan.answered = [&answered](std::uint64_t n, int status, std::int64_t at) {
            answered.resize(std::max<std::size_t>(answered.size(), n + 1));
            answered[n] = status == 202 ? at : 0;
        };
    return plan;
}

void stage::take_costs(stage_run& into, usage const& before, double load_cpu_seconds) {
    auto const after = used_so_far();
    auto const deliveries = static_cast<double>(std::max<std::uint64_t>(1, into.deliveries));
    auto const each = [&](auto from, auto to) { return static_cast<double>(to - from) / deliveries; };
    into.daemon_us = each(before.daemon.own, after.daemon.own) * 1e6;
    into.postgres_us = each(before.daemon.postgres, after.daemon.postgres) * 1e6;
    into.receiver_us = each(before.receiver, after.receiver) * 1e6;
    into.load_us = load_cpu_seconds / deliveries * 1e6;
    into.commits = each(before.database.commits, after.database.commits);
    into.statements = each(before.database.statements, after.database.statements);
    into.wal_bytes = each(before.database.wal_bytes, after.database.wal_bytes);
    into.connections_opened = after.connections_opened - before.connections_opened;
    into.sessions_resumed = after.sessions_resumed - before.sessions_resumed;
    into.memory = memory_of(daemon_->pid());
}

stage_run stage::publish(publishing const& how) {
    event_requests const requests(
        {.accounts = what_.webhooks / what_.fan_out, .body_bytes = what_.body_bytes, .batch = what_.batch},
        daemon_->key());
    std::vector<std::int64_t> answered;
    if (sink_)
        sink_->reset();
    auto const before = used_so_far();
    auto load = run_load(plan_of(how, requests, answered));

    stage_run out;
    auto const events = load.accepted * what_.batch;
    out.deliveries = events * what_.fan_out;
    out.drain_s = wait_until_through(before, out.deliveries, how.alone);
    take_costs(out, before, load.cpu_seconds);
    out.published_per_s = static_cast<double>(events) / load.seconds;
    out.delivered_per_s = static_cast<double>(out.deliveries) / (load.seconds + out.drain_s);
    out.refused = load.refused;
    out.lost = load.lost;
    out.first_refusal = load.first_refusal;
    out.overrun_s = how.events_per_second > 0 ? std::max(0.0, load.seconds - how.seconds) : 0;
    out.publish = summary_of(std::move(load.latency_ns));
    out.lateness = summary_of(std::move(load.lateness_ns));
    if (sink_) {
        out.repeats = sink_->repeats() - before.repeats;
        take_first_bytes(out, answered);
    }
    return out;
}

void stage::take_first_bytes(stage_run& into, std::vector<std::int64_t> const& answered) const {
    std::vector<std::int64_t> waits;
    for (std::size_t call = 0; call < answered.size(); ++call) {
        if (answered[call] == 0)
            continue;
        auto const first = call * what_.batch * what_.fan_out;
        for (std::size_t slot = first; slot < first + what_.batch * what_.fan_out; ++slot) {
            auto const arrived = sink_->arrived(slot);
            if (arrived == 0)
                throw std::runtime_error("delivery " + std::to_string(slot) + " is recorded and did not arrive");
            // The POST may well leave before the publisher has read its 202: that counts as none.
            waits.push_back(std::max<std::int64_t>(0, arrived - answered[call]));
        }
    }
    into.first_byte = summary_of(std::move(waits));
}

} // namespace klen::bench
