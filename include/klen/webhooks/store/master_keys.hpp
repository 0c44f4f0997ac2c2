#pragma once

#include "klen/webhooks/base/result.hpp"
#include "klen/webhooks/store/connection.hpp"
#include "klen/webhooks/store/types.hpp"

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace klen::webhooks::store {

/// Whether a master key is the one that this database knows under its id.
enum class key_fit {
    fits,
    another_on_record, ///< somebody has used another key under this id
    opens_nothing,     ///< there are secrets under this id, none on record is the key, and it opens none of them
};

/// Compares `check_value` with what is on record for `key_id`; when there is nothing yet, puts it there, unless there
/// are secrets under that id and `opens` is true for none of them (for some at least: a database may have been used
/// with two keys of one id before they were on record). Daemons that start at once with different keys: one of them is
/// told `another_on_record`. Blocks.
result<key_fit> fit_master_key(connection_options const& options, std::string const& key_id,
                               std::vector<std::uint8_t> const& check_value,
                               std::function<bool(sealed_secret const&, std::string const& account_id)> const& opens);

/// The ids of master keys that seal secrets in use and are not among `ours`: these secrets cannot be opened here.
/// Blocks; reads all of the secrets' table when there are such ids and none is in use.
result<std::vector<std::string>> missing_master_keys(connection_options const& options,
                                                     std::vector<std::string> const& ours);

} // namespace klen::webhooks::store
