#pragma once

#include "session.hpp"

#include "klen/webhooks/store/types.hpp"

namespace klen::webhooks::store {

/// A timestamptz as microseconds since 1970, for `time_at`.
#define KLEN_TIME(column) "(extract(epoch FROM " column ") * 1000000)::bigint"

/// The columns of a webhook `w`, in the order in which `webhook_at` reads them.
// clang-format off
#define KLEN_WEBHOOK_COLUMNS                                                                                           \
    "w.webhook_id, w.account_id, w.name, w.url, w.description, w.subscribed_events, w.headers, w.metadata,"            \
    " w.max_concurrency, w.max_rate_per_second, w.enabled, w.disabled_reason,"                                         \
    " " KLEN_TIME("w.disabled_at") ", " KLEN_TIME("w.failing_since") ", w.deleted_at IS NOT NULL, w.revision,"         \
    " " KLEN_TIME("w.created_at") ", " KLEN_TIME("w.updated_at") ", w.disabled_note"
// clang-format on

wall_time time_at(rows const& from, std::size_t row, int column);
std::optional<wall_time> optional_time_at(rows const& from, std::size_t row, int column);
std::optional<int> optional_int_at(rows const& from, std::size_t row, int column);
webhook webhook_at(rows const& from, std::size_t row);

/// Microseconds since 1970, for a parameter.
std::int64_t microseconds_of(wall_time at);

/// Custom headers as JSON: [["name","value"],…].
std::string headers_json(std::vector<std::pair<std::string, std::string>> const& headers);
/// And back.
std::vector<std::pair<std::string, std::string>> headers_of(std::string_view text);

} // namespace klen::webhooks::store
