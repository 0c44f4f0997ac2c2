#pragma once

#include "session.hpp"

#include "klen/webhooks/store/types.hpp"

#include <vector>

namespace klen::webhooks::store {

result<webhook_health> read_health(session& on, std::string const& account_id, webhook_id webhook);
/// One statement; when its answer is lost and it is repeated, attempts may be counted twice: these are statistics.
result<void> write_health(session& on, std::vector<health_record> records);

} // namespace klen::webhooks::store
