#pragma once

#include "session.hpp"

#include "klen/webhooks/store/api_store.hpp"

/// What api_store does with API keys.
namespace klen::webhooks::store {

result<api_key_row> insert_key(session& on, api_key_row const& key, std::uint32_t per_account_max);
result<std::vector<api_key_row>> read_all_keys(session& on);
result<std::vector<api_key_row>> read_valid_keys(session& on); ///< those that are not revoked
result<page_of<api_key_row>> find_keys(session& on, key_scope const& scope, page_request page);
result<api_key_row> read_key(session& on, key_scope const& scope, api_key_id id);
result<api_key_row> revoke_key(session& on, key_scope const& scope, api_key_id id);
result<void> note_key_uses(session& on, std::vector<std::pair<api_key_id, wall_time>> const& used);

/// Those that changed since, or shortly before.
result<std::vector<api_key_row>> keys_changed_since(session& on, std::string const& cursor);

} // namespace klen::webhooks::store
