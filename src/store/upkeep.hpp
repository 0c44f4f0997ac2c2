#pragma once

#include "session.hpp"

#include "klen/webhooks/base/config.hpp"
#include "klen/webhooks/store/api_store.hpp"

#include <string>
#include <vector>

namespace klen::webhooks::store {

/// Partitions are made and dropped under a lock on their whole table. Behind a long query it would wait, and everybody
/// behind it: it gives up instead, and tries again the next time.
inline constexpr milliseconds upkeep_lock_timeout{2000};

/// What api_store::maintain does.
result<std::vector<std::string>> do_upkeep(session& on, hours events_kept, hours idempotency_window);

/// What api_store::look_at_queue does.
result<queue_condition> look_at_queue(session& on);

} // namespace klen::webhooks::store
