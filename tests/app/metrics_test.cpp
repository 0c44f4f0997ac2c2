#include "app/metrics.hpp"

#include <gtest/gtest.h>

namespace klen::webhooks::app {
namespace {

TEST(metrics, every_line_carries_the_prefix_and_counters_are_summed_over_the_clients) {
    metric_values values;
    values.clients.resize(2);
    values.clients[0].requests = 40;
    values.clients[1].requests = 2;
    values.clients[1].reused_connection_died = 3;
    values.dispatch.delivered = 7;
    values.dispatch.unusable_lanes = 3;
    values.server.responses_by_status = {{202, 5}, {401, 1}};
    values.database_available = true;
    values.background.queue = store::queue_condition{milliseconds(2500), 12, 5, 900};
    auto const text = metrics_text(values);
    for (char const* line :
         {"klen_webhooks_egress_requests_total 42\n", "klen_webhooks_deliveries_delivered_total 7\n",
          "klen_webhooks_http_responses_total{status=\"202\"} 5\n",
          "klen_webhooks_http_responses_total{status=\"401\"} 1\n", "klen_webhooks_database_available 1\n",
          "klen_webhooks_egress_reused_connections_died_total 3\n", "klen_webhooks_webhooks_unusable 3\n",
          "klen_webhooks_queue_oldest_due_seconds 2.5\n", "klen_webhooks_queue_deliveries 12\n",
          "klen_webhooks_queue_dead_rows 5\n", "klen_webhooks_database_horizon_age_transactions 900\n",
          "# TYPE klen_webhooks_attempts_in_flight gauge\n"})
        EXPECT_NE(text.find(line), std::string::npos) << line << " in\n" << text;
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);)
        EXPECT_TRUE(line.starts_with("klen_webhooks_") || line.starts_with("# HELP klen_webhooks_") ||
                    line.starts_with("# TYPE klen_webhooks_"))
            << line;
}

} // namespace
} // namespace klen::webhooks::app
