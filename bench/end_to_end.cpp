#include "end_to_end.hpp"

#include "stage.hpp"

#include <algorithm>
#include <cstdio>
#include <stdexcept>
#include <thread>

namespace klen::bench {

namespace json = boost::json;

namespace {

/// One change at a time from the first; the last ones for how changes add up.
std::vector<traffic> usual_rows() {
    traffic const first;
    std::vector<traffic> out{first};
    auto const add = [&](auto change) { change(out.emplace_back(first)); };
    add([](traffic& t) { t.batch = 100; });
    add([](traffic& t) { t.webhooks = 1; });
    add([](traffic& t) { t.webhooks = 10'000; });
    add([](traffic& t) { t.body_bytes = std::size_t{10} * 1024; });
    add([](traffic& t) { t.tls = true; });
    add([](traffic& t) { t.fan_out = 10; });
    add([](traffic& t) { t.batch = 100, t.tls = true; });
    add([](traffic& t) { t.batch = 100, t.fan_out = 10; });
    add([](traffic& t) { t.webhooks = 10'000, t.fan_out = 10; });
    return out;
}

std::vector<traffic> every_row() {
    using sizes = std::vector<std::size_t>;
    std::vector<traffic> out;
    for (auto const webhooks : sizes{100, 1, 10'000})
        for (auto const fan_out : sizes{1, 10})
            for (auto const kilobytes : sizes{1, 10})
                for (bool const tls : {false, true})
                    for (auto const batch : sizes{1, 100})
                        if (webhooks >= fan_out)
                            out.push_back({webhooks, fan_out, kilobytes * 1024, tls, batch});
    return out;
}

std::vector<traffic> rows_of(end_to_end_options const& how) {
    auto out = how.matrix ? every_row() : usual_rows();
    if (how.quick)
        out.resize(1);
    std::string names;
    for (auto const& t : out)
        names += "\n  " + t.name();
    std::erase_if(out, [&](traffic const& t) { return t.name().find(how.only) == std::string::npos; });
    if (out.empty())
        throw std::runtime_error("--only: no row's name holds \"" + how.only + "\"; there are" + names);
    return out;
}

/// As many connections as for single events would have more events under way than the daemon takes at once.
unsigned connections_for(traffic const& what, std::size_t single) {
    return static_cast<unsigned>(what.batch == 1 ? single : std::max<std::size_t>(4, single / 16));
}

class row_measurement {
  public:
    row_measurement(end_to_end_options const& how, traffic const& what, scratch_dir const& in)
        : how_(how), stage_(how.binary, what, in) {}

    json::object measure(double ceiling_per_s) {
        run("warm-up", {connections_for(what(), 64), 0, std::min(how_.seconds, 3.0)});
        auto const closed = saturate();
        auto const sustained = search(closed);
        auto const highest = std::max(closed.delivered_per_s, sustained.delivered_per_s);
        json::object row{{"traffic", what().name()},
                         {"ceiling_per_s", ceiling_per_s},
                         {"highest_per_s", highest},
                         {"ratio", highest / ceiling_per_s},
                         {"sustained_per_s", sustained.delivered_per_s},
                         {"sustained_ratio", sustained.delivered_per_s / ceiling_per_s},
                         {"connections", connections_},
                         {"closed", closed.to_json()},
                         {"sustained", sustained.to_json()}};
        add_latencies(row, sustained.delivered_per_s / static_cast<double>(what().fan_out));
        return row;
    }

  private:
    traffic const& what() const { return stage_.of(); }

    stage_run run(std::string const& name, publishing const& how) {
        auto got = stage_.publish(how);
        std::fprintf(stderr, "  %-28s %8.0f deliveries/s, publish p99 %.1f ms, drained in %.2f s%s\n", name.c_str(),
                     got.delivered_per_s, got.publish.p99_ms, got.drain_s,
                     got.refused + got.lost == 0 ? "" : ", some calls refused or lost");
        return got;
    }

    /// Closed loop with so many connections: the best.
    stage_run saturate() {
        stage_run best;
        for (auto const single : how_.connections) {
            auto const connections = connections_for(what(), single);
            auto const got = run("closed loop, " + std::to_string(connections), {connections, 0, how_.seconds});
            if (got.delivered_per_s <= best.delivered_per_s)
                continue;
            best = got;
            connections_ = connections;
        }
        return best;
    }

    /// Sustained: every call accepted, and the queue empty soon after the last one was due.
    bool is_sustained(stage_run const& got) const {
        return got.refused == 0 && got.lost == 0 && got.overrun_s + got.drain_s <= 0.05 * how_.seconds;
    }

    /// The highest rate of an open loop that is sustained, by halving the range.
    stage_run search(stage_run const& closed) {
        auto const reference = closed.delivered_per_s / static_cast<double>(what().fan_out);
        double low = 0;
        double high = 1.15;
        double next = 0.9;
        stage_run best;
        for (int step = 0; step < how_.search_steps || (best.deliveries == 0 && step < 10); ++step) {
            auto const rate = next * reference;
            auto const got = run("open loop, " + std::to_string(static_cast<int>(rate)) + " events/s",
                                 {connections_, rate, how_.seconds});
            if (is_sustained(got))
                best = got;
            (is_sustained(got) ? low : high) = next;
            next = (low + high) / 2;
        }
        return best;
    }

    /// At half the highest rate, and of a lone event on an idle daemon.
    void add_latencies(json::object& row, double events_per_second) {
        constexpr double lone_rate = 50;
        stage_.receive_ourselves(static_cast<std::size_t>(events_per_second * how_.seconds) + 1000);
        // Connections to the receiver that was are found dead, one by one.
        std::this_thread::sleep_for(std::chrono::milliseconds(500));
        run("before half the rate", {connections_, events_per_second / 2, 1});
        row["half"] = run("half the rate", {connections_, events_per_second / 2, how_.seconds}).to_json();
        if (what().batch != 1)
            return;
        // Started anew, so that nothing vacuums or writes back what the load before left: idle, that is.
        stage_.stop_daemon();
        stage_.start_daemon();
        run("before lone events", {1, lone_rate, 1});
        row["lone"] = run("lone events", {1, lone_rate, std::min(how_.seconds, 5.0)}).to_json();
    }

    end_to_end_options const& how_;
    stage stage_;
    unsigned connections_ = 0;
};

} // namespace

report measure_end_to_end(end_to_end_options const& how, ceiling& most, scratch_dir const& in) {
    report out("end_to_end", {{"traffic", "traffic"},
                              {"deliv./s", "highest_per_s"},
                              {"ceiling", "ceiling_per_s"},
                              {"÷ ceiling", "ratio", 2},
                              {"sustained/s", "sustained_per_s"},
                              {"202 p50", "half.publish_ms.p50", 2},
                              {"p99", "half.publish_ms.p99", 2},
                              {"p99.9", "half.publish_ms.p999", 1},
                              {"1st p50", "half.first_byte_ms.p50", 2},
                              {"p99", "half.first_byte_ms.p99", 2},
                              {"p99.9", "half.first_byte_ms.p999", 1},
                              {"lone 202 p50", "lone.publish_ms.p50", 2},
                              {"lone 1st p50", "lone.first_byte_ms.p50", 2},
                              {"daemon", "closed.cpu_us.daemon", 1},
                              {"PostgreSQL", "closed.cpu_us.postgres", 1},
                              {"÷ alone", "postgres_ratio", 2},
                              {"nginx", "closed.cpu_us.receiver", 1},
                              {"load", "closed.cpu_us.load", 1},
                              {"commits", "closed.commits", 3},
                              {"statem.", "closed.statements", 3},
                              {"WAL", "closed.wal_bytes"},
                              {"RSS MB", "closed.rss_peak_mb"}});
    auto const rows = rows_of(how);
    for (auto const& what : rows)
        most.per_second(what); // all parts first
    for (auto const& what : rows) {
        std::fprintf(stderr, "%s\n", what.name().c_str());
        auto row = row_measurement(how, what, in).measure(most.per_second(what));
        row["postgres_ratio"] = row["closed"].at("cpu_us").at("postgres").as_double() / most.postgres_us(what);
        out.add(std::move(row));
    }
    return out;
}

} // namespace klen::bench
