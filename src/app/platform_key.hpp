#pragma once

#include "klen/webhooks/api/permissions.hpp"
#include "klen/webhooks/base/async.hpp"
#include "klen/webhooks/base/result.hpp"
#include "klen/webhooks/store/api_store.hpp"

#include <optional>
#include <string>
#include <vector>

namespace klen::webhooks::app {

using api::all_permissions;

struct new_key {
    std::string text; ///< shown once, stored nowhere
    store::api_key_row row;
};
/// A fresh key. `account_id` none: a platform key. `permissions` empty: all.
new_key make_key(std::optional<std::string> account_id, std::string name, std::vector<std::string> permissions);

/// The first start of a private database: as long as there is no key at all, makes a platform key and leaves it in
/// `file` (0600). Returns the key when one was made. A file that an interrupted start left behind is used, so a key
/// that somebody may have read already is never lost.
task<result<std::optional<std::string>>> make_first_key(store::api_store& in, std::string file);

} // namespace klen::webhooks::app
