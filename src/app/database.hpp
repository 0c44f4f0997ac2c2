#pragma once

#include "klen/webhooks/base/config.hpp"
#include "klen/webhooks/base/result.hpp"
#include "klen/webhooks/store/connection.hpp"
#include "klen/webhooks/store/private_postgres.hpp"

#include <functional>
#include <memory>
#include <string>

namespace klen::webhooks::app {

/// The database of a configuration: the configured one, or a private PostgreSQL.
struct database {
    std::unique_ptr<store::private_postgres> own; ///< null: configured by URL, or another process's private one
    std::string private_dir;                      ///< empty: configured by URL
    store::connection_options options;

    bool is_private() const { return !private_dir.empty(); }
};

/// Where the private PostgreSQL of this configuration lives. Empty when there is no place for it: load_or_complain
/// refuses that.
std::string private_dir_of(database_config const& settings);

/// For `serve`: starts the private PostgreSQL, or waits for the configured one. `give_up`: asked now and then while it
/// waits; true ends the wait with `shutting_down`. Call on the main thread: the private PostgreSQL ends with the thread
/// that started it. A running private one leaves its URL in the file `database-url` (0600) for the commands.
result<database> open_database(database_config const& settings, std::function<bool()> const& give_up);

/// Whether a private PostgreSQL that is not there yet is made.
enum class missing_cluster { make, refuse };

/// For commands: as above, but when a daemon runs the private PostgreSQL already, that one is used. A command that can
/// only work on what is there refuses to make a new one: a wrong database.private_dir would go unnoticed.
result<database> borrow_database(database_config const& settings, missing_cluster missing);

/// The sentence for "the schema is not what this binary needs", or nothing.
result<void> require_complete_schema(database const& where);

} // namespace klen::webhooks::app
