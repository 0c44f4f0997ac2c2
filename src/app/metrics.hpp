#pragma once

#include "app/background.hpp"
#include "klen/webhooks/api/server.hpp"
#include "klen/webhooks/dispatch/dispatcher.hpp"
#include "klen/webhooks/egress/http_client.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace klen::webhooks::app {

/// Everything /metrics tells, read at one moment.
struct metric_values {
    dispatch::dispatch_stats dispatch;
    api::server_stats server;
    std::vector<egress::client_stats> clients; ///< summed up
    background_stats background;
    std::size_t intake_waiting = 0;
    bool database_available = false;
    std::uint64_t log_lines_lost = 0;
    double start_unix_seconds = 0;
};

/// Prometheus' text format; all names begin with klen_webhooks_.
std::string metrics_text(metric_values const& values);

} // namespace klen::webhooks::app
