#pragma once

#include "klen/webhooks/base/config.hpp"
#include "klen/webhooks/base/result.hpp"

#include <memory>
#include <string>
#include <string_view>

namespace klen::webhooks::store {

struct private_postgres_options {
    std::string dir;     ///< made if missing; holds data/, socket/, log, lock and the master key
    std::string bin_dir; ///< empty: PATH, then /usr/lib/postgresql/*/bin, the newest ≥ 15
    std::string user;    ///< who runs it when this process is root (default postgres, then nobody)
    milliseconds start_timeout{60000};
    milliseconds stop_timeout{10000}; ///< `fast` until then, `immediate` afterwards
    bool fsync = true;                ///< tests may switch it off
};

/// A PostgreSQL of this process's own: unix socket only, data folder owned by this process through a lock file, started
/// by `start`, stopped by the destructor or `stop`. A postmaster that a killed daemon left behind is recovered: taken
/// over or stopped first. Never runs as root. Thread-compatible.
class private_postgres {
  public:
    /// Blocks until it accepts connections. `conflict` when another process owns the folder (the message names its pid
    /// and the folder).
    static result<std::unique_ptr<private_postgres>> start(private_postgres_options const& options);
    virtual ~private_postgres() = default;

    virtual std::string url() const = 0; ///< for connection_options: libpq's keywords
    virtual std::string uri() const = 0; ///< the same as postgresql://…, for people and their tools
    virtual std::string const& dir() const = 0;
    virtual bool running() const = 0;
    virtual void stop() = 0; ///< idempotent

    /// Reads `name` in the folder, or makes it with `contents` (mode 0600) when it is missing.
    virtual result<std::string> keep_file(std::string const& name, std::string const& contents) = 0;
    virtual bool first_start() const = 0; ///< the data folder was made by this start
};

/// The folder when none is configured: /var/lib/klen-webhooks for root, else klen-webhooks in $XDG_STATE_HOME or in
/// $HOME/.local/state. Empty when neither variable names a folder: what is to last must not be in /tmp.
std::string default_private_dir();
/// The same, given what it depends on.
std::string default_private_dir(bool root, std::string_view state_home, std::string_view home);

} // namespace klen::webhooks::store
