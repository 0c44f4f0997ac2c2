#pragma once

#include "klen/webhooks/base/result.hpp"

#include <chrono>
#include <string_view>
#include <vector>

namespace klen::webhooks::app::listen {

/// How the demo receiver answers. Pure.
struct response_plan {
    std::vector<int> statuses{200}; ///< one per attempt; the last one goes on
    std::chrono::milliseconds delay{0};
    bool hang = false;  ///< never answers
    bool reset = false; ///< breaks the connection off with a RST

    /// `attempt` counts from 1.
    int status_for(int attempt) const;
};

/// "200" or "500,500,200"; each 200 to 599.
result<std::vector<int>> parse_statuses(std::string_view text);

/// "500ms", "2s", "1m", "2" (seconds).
result<std::chrono::milliseconds> parse_duration(std::string_view text);

} // namespace klen::webhooks::app::listen
