#pragma once

#include "kit/files.hpp"

#include <cstddef>
#include <string>

/// What the pieces of a delivery cost on this very machine, each alone.
namespace klen::bench {

/// CPU microseconds of one item, by who spent them, and how many items a second there were.
struct part_cost {
    double per_second = 0;
    double daemon_us = 0; ///< the daemon's own code, wherever it runs here
    double postgres_us = 0;
    double receiver_us = 0; ///< nginx
    double load_us = 0;     ///< the load generator
};

/// Batched lifecycles in PostgreSQL, without HTTP: the event writer commits batches of 100 events with their
/// deliveries, the delivery store records batches of 100 outcomes, at the same time over two connections. Per delivery.
struct store_part {
    std::size_t body_bytes = 1024;
    std::size_t fan_out = 1;
    std::size_t webhooks = 100;
    double seconds = 5;
};
part_cost measure_store(store_part const& what, scratch_dir const& in);

/// The egress client with its guard against nginx over kept connections. Per request.
struct egress_part {
    std::size_t body_bytes = 1024;
    bool tls = false;
    std::size_t hosts = 100;
    std::size_t at_once = 128;
    double seconds = 4;
};
part_cost measure_egress(egress_part const& what, scratch_dir const& in);

/// The API's server with the real publish handler and intake in a process of its own, and in place of the store a
/// writer that answers at once. Per event.
struct intake_part {
    std::size_t body_bytes = 1024;
    std::size_t batch = 1;
    unsigned connections = 256;
    double seconds = 4;
};
part_cost measure_intake(intake_part const& what, scratch_dir const& in);
/// That process: serves until it is ended. Writes its key to the file, then listens.
int serve_intake(std::uint16_t port, std::string const& key_file);

/// Signatures and header lines of an attempt. Per attempt.
part_cost measure_signing(std::size_t body_bytes, double seconds);

/// The load generator against nginx, which answers 202 at once. Per request.
part_cost measure_load(unsigned connections, double seconds, scratch_dir const& in);

} // namespace klen::bench
