#pragma once

#include <compare>
#include <cstddef>
#include <string>

namespace klen::bench {

/// What is published and where it goes.
struct traffic {
    std::size_t webhooks = 100;
    std::size_t fan_out = 1; ///< deliveries of one event
    std::size_t body_bytes = 1024;
    bool tls = false;      ///< receivers
    std::size_t batch = 1; ///< events in one request
    friend auto operator<=>(traffic const&, traffic const&) = default;

    /// "100 webhooks, 1 KB, TLS"
    std::string name() const;
};
/// "10 KB"
std::string size_name(std::size_t bytes);

} // namespace klen::bench
