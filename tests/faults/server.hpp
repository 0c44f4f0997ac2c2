#pragma once

#include "faults/records.hpp"

#include <memory>
#include <string>
#include <vector>

namespace klen::webhooks::store {
class private_postgres;
}

namespace klen::webhooks::faults {

/// A real PostgreSQL of the run's own, with the migrations applied. It notes when each transaction was committed.
class server {
  public:
    struct options {
        std::string dir;
        bool fsync = true;
        std::string bin_dir;  ///< PostgreSQL's programs; empty: the installed ones
        std::string settings; ///< more lines of postgresql.conf
    };
    explicit server(options with);
    ~server();
    server(server const&) = delete;
    server& operator=(server const&) = delete;

    /// As `pg_ctl stop -m fast` and `-m immediate` do: backends end their statements with an error and tell their
    /// clients, or die where they are.
    enum class stopping { fast, immediate };
    /// Returns when nobody is left.
    void stop(stopping how);
    /// Blocks until it accepts connections.
    void start();
    bool running() const;

    std::string socket_path() const; ///< for a proxy
    /// For whoever goes to it directly.
    std::string url() const;
    /// For a daemon, through a proxy on this port.
    static std::string url_through(std::uint16_t port);

    /// Rows as text, null as "". Throws when it fails.
    std::vector<std::vector<std::string>> query(std::string const& sql) const;
    std::int64_t number(std::string const& sql) const;
    database_record record() const;

  private:
    options options_;
    std::unique_ptr<store::private_postgres> running_;
};

} // namespace klen::webhooks::faults
