#include "growth.hpp"

#include "claim_costs.hpp"
#include "kit/store_setup.hpp"
#include "stage.hpp"

#include <cstdio>
#include <thread>

namespace klen::bench {

namespace {

/// How much there is of everything in one row.
struct backlog {
    std::size_t waiting = 0;
    std::size_t webhooks = 1; ///< that own what waits
    std::size_t attempts = 0;

    std::string name() const {
        std::string out = std::to_string(waiting) + " of " + std::to_string(webhooks) + " webhooks";
        return attempts == 0 ? out : out + ", " + std::to_string(attempts) + " attempts";
    }
};

std::vector<backlog> rows_of(growth_options const& how) {
    constexpr std::size_t usual_webhooks = 10'000;
    auto const middle = how.waiting[how.waiting.size() / 2];
    std::vector<backlog> out{{0, usual_webhooks}};
    for (auto const waiting : how.waiting)
        out.push_back({waiting, usual_webhooks});
    out.push_back({how.waiting.back(), 1});
    for (auto const webhooks : how.webhooks)
        if (webhooks != usual_webhooks)
            out.push_back({middle, webhooks});
    if (how.attempts > 0)
        out.push_back({middle, usual_webhooks, how.attempts});
    return out;
}

class growth_rows {
  public:
    growth_rows(growth_options const& how, scratch_dir const& in) : how_(how), stage_(how.binary, {}, in) {
        stage_.receive_ourselves(static_cast<std::size_t>(how.rate * how.seconds) + 1000);
    }

    /// The daemon runs before and after.
    boost::json::object measure(backlog const& with) {
        boost::json::object row{
            {"waiting", with.waiting}, {"webhooks", with.webhooks}, {"attempts", with.attempts}, {"name", with.name()}};
        on_the_database([&](std::string const& url) {
            fill(url, with);
            row["nothing_due_ms"] = to_json(claim_costs(url, how_.claims).nothing_due());
        });
        row["daemon"] = measure_daemon();
        if (with.waiting > 0)
            on_the_database([&](std::string const& url) {
                claim_costs costs(url, how_.claims);
                row["claim_in_order"] = costs.due(with.waiting, claim_costs::order::as_they_came).to_json();
                costs.put_off();
                row["claim"] = costs.due(with.waiting, claim_costs::order::scattered).to_json();
                if (with.webhooks == 1)
                    row["claim_parked"] = costs.parked().to_json();
                costs.forget_all(); // the next daemon would try to send it
            });
        return row;
    }

  private:
    /// Without the daemon, which would claim what is meant for us.
    void on_the_database(std::function<void(std::string const& url)> const& work) {
        stage_.stop_daemon();
        {
            auto const server = start_database(stage_.private_dir());
            work(server->url());
            server->stop();
        }
        stage_.start_daemon();
    }

    void fill(std::string const& url, backlog const& with) {
        std::fprintf(stderr, "  filling: %s\n", with.name().c_str());
        database_link link(url);
        link.run("SET bench.waiting = " + std::to_string(with.waiting));
        link.run("SET bench.webhooks = " + std::to_string(with.webhooks));
        link.run("SET bench.attempts = " + std::to_string(with.attempts));
        link.run(read_file(how_.fill));
        link.run("VACUUM ANALYZE");
        link.run("CHECKPOINT");
    }

    boost::json::object measure_daemon() {
        std::this_thread::sleep_for(std::chrono::seconds(2)); // it has looked around
        auto const idle = memory_of(stage_.daemon().pid());
        stage_.publish({64, how_.rate, 2});
        auto out = stage_.publish({64, how_.rate, how_.seconds}).to_json();
        out["rss_idle_mb"] = static_cast<double>(idle.resident_bytes) / 1e6;
        return out;
    }

    growth_options const& how_;
    stage stage_;
};

} // namespace

report measure_growth(growth_options const& how, scratch_dir const& in) {
    report out("growth", {{"waiting", "name"},
                          {"claim in order p50", "claim_in_order.ms.p50", 1},
                          {"p99 ms", "claim_in_order.ms.p99", 1},
                          {"us a row", "claim_in_order.postgres_us", 1},
                          {"scattered p50", "claim.ms.p50", 1},
                          {"p99 ms", "claim.ms.p99", 1},
                          {"us a row", "claim.postgres_us", 1},
                          {"parked p99", "claim_parked.ms.p99", 1},
                          {"no due p50", "nothing_due_ms.p50", 3},
                          {"p99 ms", "nothing_due_ms.p99", 3},
                          {"RSS idle", "daemon.rss_idle_mb"},
                          {"RSS busy", "daemon.rss_peak_mb"},
                          {"202 p50", "daemon.publish_ms.p50", 2},
                          {"p99", "daemon.publish_ms.p99", 2},
                          {"1st p50", "daemon.first_byte_ms.p50", 2},
                          {"p99", "daemon.first_byte_ms.p99", 2}});
    growth_rows rows(how, in);
    for (auto const& with : rows_of(how))
        out.add(rows.measure(with));
    return out;
}

} // namespace klen::bench
