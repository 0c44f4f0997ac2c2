#pragma once

#include "klen/webhooks/base/result.hpp"
#include "klen/webhooks/store/connection.hpp"

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace klen::webhooks::store {

/// One file of `migrations/`, embedded in the binary.
struct migration {
    int number = 0;        ///< from the file's name, 0001_core.sql → 1
    std::string_view name; ///< the file's name
    std::string_view sql;
    std::string checksum; ///< SHA-256 of the file, hex
};
std::span<migration const> embedded_migrations();

struct schema_state {
    int applied = 0; ///< highest number applied; 0: none
    int known = 0;   ///< highest number this binary has
    bool complete() const { return applied == known; }
};

/// What the database has. Fails (`conflict`) with a clear message when it is newer than this binary or an applied
/// migration was edited. Blocks.
result<schema_state> schema_status(connection_options const& options);
/// Applies what is missing, in order, each in a transaction, under an advisory lock (two daemons may start at once).
/// Returns the names of what was applied. Blocks.
result<std::vector<std::string>> migrate(connection_options const& options);
/// The same against a given set; for tests.
result<std::vector<std::string>> migrate(connection_options const& options, std::span<migration const> migrations);
result<schema_state> schema_status(connection_options const& options, std::span<migration const> migrations);

} // namespace klen::webhooks::store
