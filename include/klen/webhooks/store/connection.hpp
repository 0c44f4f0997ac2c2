#pragma once

#include "klen/webhooks/base/config.hpp"
#include "klen/webhooks/base/result.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace klen::webhooks::store {

/// How to reach the database: everything a session needs is in the connection string, because a reconnect would lose
/// what was SET later.
struct connection_options {
    std::string url; ///< postgresql://… or a libpq keyword string. Holds a password: never log it.
    milliseconds connect_timeout{5000};
    milliseconds statement_timeout{30000}; ///< for reads and claims; intake and outcome connections have none
    milliseconds tcp_user_timeout{8000};
};
connection_options connection_options_of(database_config const& config, std::string url);

/// Host, port, database and user, for logs and errors; never the password.
std::string describe(connection_options const& options);

/// Where the database is dialled over TCP: host, as given (a name or an address), and port. None for unix sockets.
struct host_and_port {
    std::string host;
    std::uint16_t port = 0;
};
std::vector<host_and_port> tcp_hosts(connection_options const& options);

/// Connects, asks `SELECT 1`, checks the version (15 or later) and the durability settings (`fsync`,
/// `full_page_writes`, `synchronous_commit`: a warning in the log when one is unsafe).
result<void> check_connection(connection_options const& options);

/// `check_connection` again and again until it succeeds or `wait` is over; then the last failure. Blocks.
result<void> wait_for_database(connection_options const& options, milliseconds wait);

} // namespace klen::webhooks::store
