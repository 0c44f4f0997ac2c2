#pragma once

#include "sink.hpp"

#include <cstdint>
#include <string>

namespace klen::bench {

struct load_plan {
    std::uint16_t port = 0;
    std::string key;
    std::string account_id;
    unsigned connections = 1;
    std::size_t payload_bytes = 1024;
    std::size_t first_event = 0; ///< number of the first event
    std::size_t events_max = 0;
    std::chrono::milliseconds duration{};
    double rate = 0; ///< events a second over all connections; 0: as fast as answers come
};

struct load_result {
    std::size_t published = 0; ///< answered 202
    std::size_t refused = 0;   ///< answered otherwise
    double seconds = 0;
    std::vector<std::int64_t> publish_ns; ///< from the (intended) send to the 202
};

/// Publishes single events over kept connections on the calling thread. With a rate, an event's latency counts from
/// when it should have been sent, so that a stall is not hidden.
load_result publish(load_plan const& plan, event_times& times);

/// One request and its answer's body; for set-up. Throws when the status is not as expected.
std::string call(std::uint16_t port, std::string const& method, std::string const& path, std::string const& key,
                 std::string const& body, int expected_status);

} // namespace klen::bench
