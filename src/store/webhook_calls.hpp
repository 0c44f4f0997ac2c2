#pragma once

#include "session.hpp"

#include "klen/webhooks/store/api_store.hpp"

/// What api_store does with webhooks.
namespace klen::webhooks::store {

/// Of a webhook that does not exist, is deleted, or is another account's.
failure no_webhook();

result<webhook> insert_webhook(session& on, webhook const& w, sealed_secret const& secret,
                               std::uint32_t per_account_max);
result<page_of<webhook>> find_webhooks(session& on, webhook_filter const& filter, page_request page);
result<webhook> read_webhook(session& on, std::string const& account_id, webhook_id id);
result<webhook> update_webhook(session& on, std::string const& account_id, webhook_id id, webhook_change const& what);
/// `may_be_ours`: an earlier run of the same call may have deleted it without having heard so; then it counts as
/// deleted when it is.
result<void> remove_webhook(session& on, std::string const& account_id, webhook_id id, bool may_be_ours);

/// Id and revision of those that changed since, or shortly before.
result<std::vector<std::pair<webhook_id, std::int64_t>>> webhooks_changed_since(session& on, std::string const& cursor);

} // namespace klen::webhooks::store
