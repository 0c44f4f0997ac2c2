#include "neighbours.hpp"

#include "kit/cpu.hpp"
#include "kit/daemon.hpp"
#include "kit/database.hpp"
#include "kit/events.hpp"
#include "kit/load.hpp"
#include "kit/nginx.hpp"
#include "kit/sink.hpp"

#include "support/fake_dns.hpp"

#include <algorithm>
#include <thread>

namespace klen::bench {

namespace {

using webhooks::testing::dns_answer;
using webhooks::testing::fake_dns;

/// Who is there beside the healthy ones.
struct company {
    std::string name;
    bool hang = false, drip = false, endless = false, flood = false, unresolvable = false;
};

std::vector<company> companies(bool each) {
    std::vector<company> out{{.name = "alone"}};
    if (each) {
        out.push_back({.name = "20 % hang", .hang = true});
        out.push_back({.name = "5 % drip", .drip = true});
        out.push_back({.name = "5 % endless bodies", .endless = true});
        out.push_back({.name = "one flooded", .flood = true});
        out.push_back({.name = "names never resolve", .unresolvable = true});
    }
    out.push_back(
        {.name = "all of them", .hang = true, .drip = true, .endless = true, .flood = true, .unresolvable = true});
    return out;
}

/// The webhooks in one row: the healthy ones first, then each kind of bad ones. Each is an account of its own.
struct neighbourhood {
    std::vector<std::string> urls;
    std::size_t steady = 0;             ///< so many of them get events steadily: all but the flooded one
    std::optional<std::size_t> flooded; ///< which
};

class neighbours_row {
  public:
    neighbours_row(neighbours_options const& how, company const& with, scratch_dir const& in)
        : how_(how), with_(with),
          healthy_sink_({.deliveries_max = static_cast<std::size_t>(2 * how.rate * how.seconds) * 2}), bad_sink_({}),
          flooded_sink_({.answer_after = std::chrono::milliseconds(10)}), who_(settle()),
          daemon_(how.binary, in.make("daemon"), {{"KLEN_WEBHOOKS_EGRESS_DNS_SERVERS", dns_.server()}}) {
        make_webhooks(daemon_.port(), daemon_.key(), who_.urls.size(), [this](std::size_t n) {
            return new_webhook{n, who_.urls[n]};
        });
    }

    boost::json::object measure() {
        publish_steadily(how_.lead_in_s);
        std::thread flood;
        if (who_.flooded)
            flood = std::thread([this] { publish_flood(); });
        auto const daemon = cpu_of_family(daemon_.pid());
        auto const sinks = sink_cpu();
        auto row = publish_steadily(how_.seconds);
        auto const used = cpu_of_family(daemon_.pid());
        if (flood.joinable())
            flood.join();
        row["cores"] = {{"daemon", (used.own - daemon.own) / how_.seconds},
                        {"postgres", (used.postgres - daemon.postgres) / how_.seconds},
                        {"sinks", (sink_cpu() - sinks) / how_.seconds}};
        row["flood_delivered"] = flooded_sink_.received();
        row["bad_requests"] = bad_sink_.hostile();
        row["rss_peak_mb"] = static_cast<double>(memory_of(daemon_.pid()).peak_bytes) / 1e6;
        add_hung_attempts(row);
        daemon_.stop();
        return row;
    }

  private:
    neighbourhood settle() {
        neighbourhood out;
        auto const healthy = static_cast<double>(how_.healthy);
        auto const share = [&](bool wanted, double percent) {
            return wanted ? static_cast<std::size_t>(healthy / 0.7 * percent / 100) : 0;
        };
        add(out, how_.healthy, "healthy", healthy_sink_.port(), "/0", true);
        add(out, share(with_.hang, 20), "hang", bad_sink_.port(), "/hang", true);
        add(out, share(with_.drip, 5), "drip", bad_sink_.port(), "/drip", true);
        add(out, share(with_.endless, 5), "endless", bad_sink_.port(), "/endless", true);
        add(out, with_.unresolvable ? how_.unresolvable : 0, "lost", bad_sink_.port(), "/0", false);
        out.steady = out.urls.size();
        if (with_.flood) {
            out.flooded = out.urls.size();
            add(out, 1, "flooded", flooded_sink_.port(), "/0", true);
        }
        return out;
    }

    void add(neighbourhood& to, std::size_t count, std::string const& kind, std::uint16_t port, std::string const& path,
             bool resolves) {
        for (std::size_t i = 0; i < count; ++i) {
            auto const name = kind + std::to_string(i) + ".bench.test";
            dns_answer answer;
            answer.what = resolves ? dns_answer::kind::addresses : dns_answer::kind::silence;
            answer.addresses = {receiver_address(to.urls.size())};
            answer.ttl = 30;
            dns_.tell(name, {answer});
            to.urls.push_back("http://" + name + ":" + std::to_string(port) + path);
        }
    }

    double sink_cpu() const {
        return healthy_sink_.cpu_seconds() + bad_sink_.cpu_seconds() + flooded_sink_.cpu_seconds();
    }

    /// To all webhooks in turn; tells what the healthy ones saw.
    boost::json::object publish_steadily(double seconds) {
        event_requests const requests({.accounts = who_.steady}, daemon_.key());
        auto const rate = how_.rate * static_cast<double>(who_.steady) / static_cast<double>(how_.healthy);
        auto const healthy = [this](std::uint64_t n) { return n % who_.steady < how_.healthy; };
        std::vector<std::int64_t> answered(static_cast<std::size_t>(rate * seconds) + 1);
        load_plan plan;
        plan.port = daemon_.port();
        plan.connections = 256;
        plan.rate = rate;
        plan.seconds = seconds;
        plan.write = [&](std::string& out, std::uint64_t n) { requests.write(out, n); };
        plan.answered = [&](std::uint64_t n, int status, std::int64_t at) { answered[n] = status == 202 ? at : 0; };
        healthy_sink_.reset();
        auto const load = run_load(plan);

        std::vector<std::int64_t> publish, first_byte, whole;
        std::uint64_t missing = 0;
        for (std::uint64_t n = 0; n < answered.size(); ++n) {
            if (!healthy(n) || answered[n] == 0)
                continue;
            auto const intended = load.began_ns + static_cast<std::int64_t>(static_cast<double>(n) / rate * 1e9);
            publish.push_back(answered[n] - intended);
            auto const arrived = wait_for_arrival(n);
            if (arrived == 0) {
                ++missing;
                continue;
            }
            first_byte.push_back(std::max<std::int64_t>(0, arrived - answered[n]));
            whole.push_back(arrived - intended);
        }
        return {{"company", with_.name},
                {"webhooks", who_.urls.size()},
                {"published_per_s", static_cast<double>(load.accepted) / load.seconds},
                {"refused", load.refused},
                {"healthy_missing", missing},
                {"publish_ms", to_json(summary_of(std::move(publish)))},
                {"first_byte_ms", to_json(summary_of(std::move(first_byte)))},
                {"whole_ms", to_json(summary_of(std::move(whole)))}};
    }

    /// Those of the last moment may still be on their way.
    std::int64_t wait_for_arrival(std::uint64_t n) const {
        auto const asked = now_ns();
        while (healthy_sink_.arrived(n) == 0 && seconds_since(asked) < patience_s_)
            std::this_thread::sleep_for(std::chrono::milliseconds(1));
        if (healthy_sink_.arrived(n) == 0)
            patience_s_ = 0; // once is enough
        return healthy_sink_.arrived(n);
    }

    void publish_flood() {
        constexpr std::size_t batch = 100;
        event_requests const requests({.accounts = 1, .first_account = *who_.flooded, .batch = batch}, daemon_.key());
        load_plan plan;
        plan.port = daemon_.port();
        plan.connections = 4;
        plan.calls_max = how_.flood / batch;
        plan.write = [&](std::string& out, std::uint64_t n) { requests.write(out, n); };
        run_load(plan);
    }

    /// How long the attempts lasted that ended at their deadline.
    void add_hung_attempts(boost::json::object& to) {
        database_link link(daemon_.database_url());
        auto const got =
            link.run("SELECT count(*), coalesce(min(duration_us), 0)::bigint, coalesce(max(duration_us), 0)::bigint"
                     " FROM attempts WHERE error_class = 'timeout'");
        to["hung_attempts"] = {{"count", got.int8(0, 0)},
                               {"shortest_s", static_cast<double>(got.int8(0, 1)) / 1e6},
                               {"longest_s", static_cast<double>(got.int8(0, 2)) / 1e6}};
    }

    neighbours_options const& how_;
    company const& with_;
    fake_dns dns_;
    sink healthy_sink_;
    sink bad_sink_;
    sink flooded_sink_;
    neighbourhood who_;
    daemon_under_test daemon_;
    mutable double patience_s_ = 30;
};

} // namespace

report measure_neighbours(neighbours_options const& how, scratch_dir const& in) {
    report out("neighbours", {{"beside the healthy ones", "company"},
                              {"whole p50", "whole_ms.p50", 2},
                              {"p99", "whole_ms.p99", 2},
                              {"p99.9", "whole_ms.p999", 1},
                              {"goal p99", "goal_p99_ms", 1},
                              {"202 p99", "publish_ms.p99", 2},
                              {"1st p99", "first_byte_ms.p99", 2},
                              {"missing", "healthy_missing"},
                              {"refused", "refused"},
                              {"hung s from", "hung_attempts.shortest_s", 2},
                              {"to", "hung_attempts.longest_s", 2},
                              {"cores: daemon", "cores.daemon", 2},
                              {"postgres", "cores.postgres", 2},
                              {"sinks", "cores.sinks", 2},
                              {"flood got", "flood_delivered"},
                              {"RSS MB", "rss_peak_mb"}});
    double alone_p99 = 0;
    for (auto const& with : companies(how.each)) {
        auto row = neighbours_row(how, with, in).measure();
        auto const p99 = row["whole_ms"].as_object()["p99"].as_double();
        if (out.rows().empty())
            alone_p99 = p99;
        row["goal_p99_ms"] = 1.1 * alone_p99 + 10;
        out.add(std::move(row));
    }
    return out;
}

} // namespace klen::bench
