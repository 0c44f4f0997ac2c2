#include "held_transaction.hpp"

#include "stage.hpp"

namespace klen::bench {

namespace {

boost::json::object measured(stage& on, std::string const& when, held_transaction_options const& how, double first) {
    auto const closed = on.publish({256, 0, how.seconds});
    auto const steady = on.publish({256, how.rate, how.seconds});
    auto const dead =
        database_link(on.daemon().database_url()).number("SELECT pg_total_relation_size('deliveries') / 1024 / 1024");
    return {{"when", when},
            {"closed", closed.to_json()},
            {"steady", steady.to_json()},
            {"ratio", first > 0 ? closed.delivered_per_s / first : 1.0},
            {"deliveries_mb", dead}};
}

} // namespace

report measure_held_transaction(held_transaction_options const& how, scratch_dir const& in) {
    report out("held_transaction", {{"when", "when"},
                                    {"deliv./s", "closed.delivered_per_s"},
                                    {"÷ first", "ratio", 2},
                                    {"PostgreSQL µs", "closed.cpu_us.postgres", 1},
                                    {"202 p99", "steady.publish_ms.p99", 2},
                                    {"table MB", "deliveries_mb"}});
    stage on(how.binary, {}, in);
    on.publish({64, 0, 3}); // warm-up
    out.add(measured(on, "before", how, 0));
    auto const first = out.rows().front().at("closed").at("delivered_per_s").as_double();

    database_link holder(on.daemon().database_url());
    holder.run("BEGIN ISOLATION LEVEL REPEATABLE READ");
    holder.run("SELECT count(*) FROM webhooks");
    on.publish({256, how.rate, how.minutes * 60});
    out.add(measured(on, "after " + std::to_string(static_cast<int>(how.minutes)) + " minutes", how, first));
    holder.run("COMMIT");
    // What is left of the difference now is the machine's, or that of the tables that grew anyhow.
    database_link(on.daemon().database_url()).run("VACUUM deliveries");
    on.publish({256, how.rate, how.seconds});
    out.add(measured(on, "after it ended", how, first));
    return out;
}

} // namespace klen::bench
