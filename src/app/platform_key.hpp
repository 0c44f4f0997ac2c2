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

struct first_key {
    std::string text;
    bool replaces = false; ///< `file` held another one before
};
/// The start of a private database that knows no key at all: makes a platform key and leaves it in `file` (0600).
/// Nothing: there are keys. The key that an interrupted start left in `file` is used, so one that somebody may have
/// read already is not lost. Any other is not: it was revoked, and forgotten since, and must not come back to life.
task<result<std::optional<first_key>>> make_first_key(store::api_store& in, std::string file);

} // namespace klen::webhooks::app
