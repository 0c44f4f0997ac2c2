#include "herd.hpp"

#include "kit/nginx.hpp"
#include "kit/sink.hpp"
#include "stage.hpp"

#include <cstdio>
#include <stdexcept>
#include <thread>

namespace klen::bench {

namespace {

/// Herd webhooks are many to an account, as those of one customer are.
constexpr std::size_t webhooks_per_account = 100;

class herd {
  public:
    herd(herd_options const& how, scratch_dir const& in)
        : how_(how), stage_(how.binary, {}, in),
          receivers_({.answer_after = std::chrono::milliseconds(static_cast<int>(how.answers_after_ms))}) {
        stage_.receive_ourselves(static_cast<std::size_t>(how.rate * how.seconds) + 1000);
        // Behind the accounts of the webhooks that are published for.
        auto const port = ":" + std::to_string(receivers_.port()) + "/0";
        make_webhooks(stage_.daemon().port(), stage_.daemon().key(), how.hosts * how.webhooks_per_host,
                      [&](std::size_t n) {
                          auto const host = receiver_address(first_host + n % how_.hosts);
                          return new_webhook{stage_.of().webhooks + n / webhooks_per_account, "http://" + host + port};
                      });
    }

    boost::json::object before() {
        stage_.publish({64, how_.rate, 2});
        auto row = stage_.publish({64, how_.rate, how_.seconds}).to_json();
        row["when"] = "before";
        return row;
    }

    boost::json::object meanwhile() {
        let_loose();
        auto const began = now_ns();
        auto row = stage_.publish({64, how_.rate, how_.seconds, false}).to_json();
        row["when"] = "while the herd passes";
        row["herd_delivered_meanwhile"] = receivers_.received();
        wait_until_through(began);
        row["herd_per_s"] = static_cast<double>(how_.deliveries) / seconds_since(began);
        row["most_requests_of_a_host"] = receivers_.most_requests_of_a_host();
        row["most_connections_of_a_host"] = receivers_.most_connections_of_a_host();
        row["rss_peak_mb"] = static_cast<double>(memory_of(stage_.daemon().pid()).peak_bytes) / 1e6;
        return row;
    }

  private:
    static constexpr std::size_t first_host = 1000; ///< others than those of the webhooks that are published for

    /// Returns when it falls due. What writing it has left for the disk to do is done by then: a herd of retries was
    /// written long ago, too.
    void let_loose() {
        auto const due_in = std::chrono::seconds(15 + how_.deliveries / 8000);
        auto const due = std::chrono::steady_clock::now() + due_in;
        std::fprintf(stderr, "  filling: %zu deliveries, due in %zu s\n", how_.deliveries,
                     static_cast<std::size_t>(due_in.count()));
        database_link link(stage_.daemon().database_url());
        link.run("SET bench.deliveries = " + std::to_string(how_.deliveries));
        link.run("SET bench.first_account = '" + account_name(stage_.of().webhooks) + "'");
        link.run("SET bench.due_in_s = " + std::to_string(due_in.count()));
        link.run(read_file(how_.fill));
        link.run("CHECKPOINT");
        if (std::chrono::steady_clock::now() > due)
            throw std::runtime_error("writing the herd took longer than it was to wait");
        std::this_thread::sleep_until(due);
    }

    void wait_until_through(std::int64_t began) const {
        while (receivers_.received() < how_.deliveries) {
            if (seconds_since(began) > how_.patience_s)
                throw std::runtime_error("the herd is not through in time: " + std::to_string(receivers_.received()) +
                                         " arrived");
            std::this_thread::sleep_for(std::chrono::milliseconds(50));
        }
    }

    herd_options const& how_;
    stage stage_;
    sink receivers_;
};

} // namespace

report measure_herd(herd_options const& how, scratch_dir const& in) {
    report out("herd", {{"when", "when"},
                        {"202 p50", "publish_ms.p50", 2},
                        {"p99", "publish_ms.p99", 2},
                        {"p99.9", "publish_ms.p999", 1},
                        {"1st p50", "first_byte_ms.p50", 2},
                        {"p99", "first_byte_ms.p99", 2},
                        {"refused", "refused"},
                        {"herd/s", "herd_per_s"},
                        {"requests a host", "most_requests_of_a_host"},
                        {"connections", "most_connections_of_a_host"},
                        {"RSS MB", "rss_peak_mb"}});
    herd all(how, in);
    out.add(all.before());
    out.add(all.meanwhile());
    return out;
}

} // namespace klen::bench
