#pragma once

#include "session.hpp"

#include "klen/webhooks/store/history_store.hpp"

namespace klen::webhooks::store {

result<slice_of<delivery_row>> list_deliveries(session& on, std::string const& account_id, webhook_id webhook,
                                               delivery_filter const& filter);
/// Of one event, which exists. The filter's status and error; descending by id.
result<slice_of<delivery_row>> list_event_deliveries(session::work& in, std::string const& account_id, event_id event,
                                                     delivery_filter const& filter);
result<slice_of<event_row>> list_events(session& on, std::string const& account_id, event_filter const& filter);

// A loose index scan: one step for each event type that there is, however many rows have it. $4: the one type that is
// wanted; empty: all that there are, in the catalogue or not. To be used after WITH RECURSIVE.

/// final_types (decision, event_type): of webhook $2's finished deliveries, for each decision of $3.
#define KLEN_FINAL_TYPES                                                                                               \
    "final_types (decision, event_type) AS ("                                                                          \
    " SELECT d.decision, t.event_type FROM unnest($3::text[]) AS d (decision) CROSS JOIN LATERAL ("                    \
    "  SELECT event_type FROM unnest($4::text[]) AS g (event_type)"                                                    \
    "  UNION ALL (SELECT event_type FROM attempts WHERE cardinality($4::text[]) = 0 AND webhook_id = $2::uuid"         \
    "   AND decision = d.decision AND " KLEN_FINAL " ORDER BY event_type LIMIT 1)) t"                                  \
    " UNION ALL"                                                                                                       \
    " SELECT f.decision, t.event_type FROM final_types f CROSS JOIN LATERAL ("                                         \
    "  SELECT event_type FROM attempts WHERE cardinality($4::text[]) = 0 AND webhook_id = $2::uuid"                    \
    "   AND decision = f.decision AND event_type > f.event_type AND " KLEN_FINAL " ORDER BY event_type LIMIT 1) t)"

/// queue_types (leased, event_type): of what webhook $2 has in the queue, for each state of `states`.
#define KLEN_QUEUE_TYPES(states)                                                                                       \
    "queue_types (leased, event_type) AS ("                                                                            \
    " SELECT s.leased, t.event_type FROM unnest(" states "::boolean[]) AS s (leased) CROSS JOIN LATERAL ("             \
    "  SELECT event_type FROM unnest($4::text[]) AS g (event_type)"                                                    \
    "  UNION ALL (SELECT event_type FROM deliveries WHERE cardinality($4::text[]) = 0 AND webhook_id = $2::uuid"       \
    "   AND (lease_owner IS NOT NULL) = s.leased ORDER BY event_type LIMIT 1)) t"                                      \
    " UNION ALL"                                                                                                       \
    " SELECT q.leased, t.event_type FROM queue_types q CROSS JOIN LATERAL ("                                           \
    "  SELECT event_type FROM deliveries WHERE cardinality($4::text[]) = 0 AND webhook_id = $2::uuid"                  \
    "   AND (lease_owner IS NOT NULL) = q.leased AND event_type > q.event_type ORDER BY event_type LIMIT 1) t)"

/// account_types (event_type): of account $1's events. The one type is in `wanted`.
#define KLEN_ACCOUNT_TYPES(wanted)                                                                                     \
    "account_types (event_type) AS ("                                                                                  \
    " SELECT event_type FROM unnest(" wanted "::text[]) AS g (event_type)"                                             \
    " UNION ALL (SELECT event_type FROM events WHERE cardinality(" wanted "::text[]) = 0 AND account_id = $1::text"    \
    "  ORDER BY event_type LIMIT 1)"                                                                                   \
    " UNION ALL"                                                                                                       \
    " SELECT e.event_type FROM account_types t CROSS JOIN LATERAL ("                                                   \
    "  SELECT event_type FROM events WHERE cardinality(" wanted "::text[]) = 0 AND account_id = $1::text"              \
    "   AND event_type > t.event_type ORDER BY event_type LIMIT 1) e)"

} // namespace klen::webhooks::store
