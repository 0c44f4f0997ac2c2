#pragma once

#include "klen/webhooks/store/connection.hpp"
#include "store/session.hpp"

#include <cstdint>
#include <string>

namespace klen::bench {

/// What PostgreSQL has done so far. Differences of two of them are exact: none waits for a statistics report.
struct database_counters {
    std::int64_t commits = 0;    ///< transactions that wrote something, by the transaction ids given out
    std::int64_t wal_bytes = 0;  ///< by the position in the log
    std::int64_t statements = 0; ///< by pg_stat_statements, BEGIN and COMMIT included; 0 where it is not there
};

/// A connection of the benchmark's own to the database under measurement.
class database_link {
  public:
    /// Makes pg_stat_statements available where the server has loaded it.
    explicit database_link(std::string url);

    webhooks::store::rows run(std::string const& sql); ///< throws when it fails
    std::int64_t number(std::string const& sql);
    database_counters counters();

  private:
    webhooks::store::session session_;
    bool counts_statements_ = false;
};

/// A folder for a private PostgreSQL that will count statements. What that costs is nothing beside batches.
void prepare_private_dir(std::string const& dir);

/// A new database writes its log into files that it must make first, 16 MB of zeros every second or so under load, and
/// whoever commits waits 30 ms for each. One that has been in use writes into its old ones. This makes them: 1.5 GB.
void fill_log(database_link& of);

} // namespace klen::bench
