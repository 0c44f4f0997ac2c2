#pragma once

#include "session.hpp"
#include "webhook_rows.hpp"

#include "klen/webhooks/store/types.hpp"

/// What the reads of deliveries and attempts share.
namespace klen::webhooks::store {

// clang-format off

/// The columns of an attempt `a` but for what its receiver answered, in the order in which `attempt_at` reads them.
#define KLEN_ATTEMPT_COLUMNS                                                                                           \
    "a.attempt, " KLEN_TIME("a.started_at") ", a.duration_us, a.decision, a.error_class, coalesce(a.status, 0),"       \
    " a.message, a.remote_address, a.manual, " KLEN_TIME("a.next_attempt_at") ", coalesce(a.signed_at, 0),"            \
    " a.webhook_revision, a.instance_id"
inline constexpr int attempt_columns = 13;

/// Rows of attempts that say how a delivery ended; of no delivery more than one (attempts.superseded). As the index
/// attempts_of_webhook has it.
#define KLEN_FINAL "decision <> 'retry' AND NOT superseded"

attempt_row attempt_at(rows const& from, std::size_t row, int first_column);

/// The deliveries of `page` (delivery_id) with their last attempts, newest first: the rows that `delivery_at` reads.
/// $1: their account. All nulls but the id: there is no such delivery.
#define KLEN_SHOW_DELIVERIES                                                                                           \
    "SELECT p.delivery_id, coalesce(q.event_id, a.event_id), coalesce(q.webhook_id, a.webhook_id),"                    \
    " coalesce(nullif(q.event_type, ''), a.event_type), q.delivery_id IS NOT NULL, q.lease_owner IS NOT NULL,"         \
    " q.attempts_made, " KLEN_TIME("q.next_attempt_at") ", " KLEN_ATTEMPT_COLUMNS                                      \
    " FROM page p"                                                                                                     \
    " LEFT JOIN LATERAL (SELECT * FROM deliveries WHERE delivery_id = p.delivery_id AND account_id = $1::text"         \
    "  OFFSET 0) q ON true"                                                                                            \
    " LEFT JOIN LATERAL (SELECT * FROM attempts WHERE delivery_id = p.delivery_id AND account_id = $1::text"           \
    "  ORDER BY attempt DESC LIMIT 1) a ON true"                                                                       \
    " ORDER BY p.delivery_id DESC"
// clang-format on

delivery_row delivery_at(rows const& from, std::size_t row, std::string const& account_id);

/// A delivery with its last attempt.
result<delivery_row> read_delivery(session::work& in, std::string const& account_id, delivery_id id);

/// The columns of a secret, in the order in which `secret_at` reads them.
#define KLEN_SECRET_COLUMNS "secret_id, sealed, key_id, " KLEN_TIME("created_at") ", " KLEN_TIME("expires_at")
inline constexpr int secret_columns = 5;
sealed_secret secret_at(rows const& from, std::size_t row, int first_column);

/// Of a delivery that is no longer in the queue: what its last attempt decided.
delivery_status status_after(policy::decision last);

/// The decision that leaves this status; none for those that are in the queue.
std::optional<policy::decision> decision_of(delivery_status status);

/// The smallest id that carries the millisecond of `at`: a bound for time filters, as uuid_v7_floor is in SQL.
uuid first_id_at(wall_time at);
inline constexpr uuid first_id{};
uuid last_id();

/// Several reads as of one moment.
result<void> in_one_snapshot(session& on, std::function<result<void>(session::work&)> const& reads);

/// `not_found` when the account has no such webhook. A deleted one is found: its history is still shown.
result<void> check_webhook(session::work& in, std::string const& account_id, webhook_id id);

} // namespace klen::webhooks::store
