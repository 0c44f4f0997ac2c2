#pragma once

#include "session.hpp"

#include "klen/webhooks/store/history_store.hpp"

namespace klen::webhooks::store {

result<webhook_health> read_health(session& on, std::string const& account_id, webhook_id webhook);
/// One statement; when its answer is lost and it is repeated, nothing is counted twice.
result<void> write_health(session& on, health_batch const& batch);

} // namespace klen::webhooks::store
