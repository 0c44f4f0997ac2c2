#include "lists.hpp"

#include "history_rows.hpp"

#include <algorithm>

namespace klen::webhooks::store {

namespace {

// Every list is a few walks along an index, newest first, each ended by the limit: one for each state (or decision) and
// type. What they find is merged and cut. So the cost is that of a page, whatever else is on record, and one statement
// sees one moment: a delivery is in the queue or has one final row (attempts.superseded), so it is found once.
//
// $1 account, $2 webhook, $3 decisions, $4 type, $5 and $6 first and past the last id, $7 limit, $8 states in the queue
// (leased or not), $9 error class (empty: any).
// clang-format off
#define KLEN_HAD_ERROR(delivery)                                                                                       \
    "($9::text = '' OR EXISTS (SELECT FROM attempts e WHERE e.delivery_id = " delivery                                 \
    " AND e.error_class = $9::text OFFSET 0))"

#define KLEN_WALK_BY_STATUS                                                                                            \
    "walked AS ("                                                                                                      \
    " SELECT w.delivery_id FROM final_types t CROSS JOIN LATERAL (SELECT delivery_id FROM attempts f"                  \
    "  WHERE webhook_id = $2::uuid AND decision = t.decision AND event_type = t.event_type AND " KLEN_FINAL            \
    "   AND delivery_id >= $5::uuid AND delivery_id < $6::uuid AND " KLEN_HAD_ERROR("f.delivery_id")                   \
    "  ORDER BY delivery_id DESC LIMIT $7::integer) w"                                                                 \
    " UNION ALL"                                                                                                       \
    " SELECT w.delivery_id FROM queue_types t CROSS JOIN LATERAL (SELECT delivery_id FROM deliveries q"                \
    "  WHERE webhook_id = $2::uuid AND (lease_owner IS NOT NULL) = t.leased AND event_type = t.event_type"             \
    "   AND delivery_id >= $5::uuid AND delivery_id < $6::uuid AND " KLEN_HAD_ERROR("q.delivery_id")                   \
    "  ORDER BY delivery_id DESC LIMIT $7::integer) w)"

// A delivery may have failed in this way more than once: its rows are neighbours in the index.
#define KLEN_ERRORS_OF_TYPE                                                                                            \
    "(SELECT DISTINCT delivery_id FROM attempts"                                                                       \
    " WHERE webhook_id = $2::uuid AND error_class = $9::text AND error_class <> 'none' AND event_type = t.event_type"  \
    "  AND delivery_id >= $5::uuid AND delivery_id < $6::uuid ORDER BY delivery_id DESC) e"

#define KLEN_WALK_BY_ERROR                                                                                             \
    "error_types (event_type) AS ("                                                                                    \
    " SELECT event_type FROM unnest($4::text[]) AS g (event_type)"                                                     \
    " UNION ALL (SELECT event_type FROM attempts WHERE cardinality($4::text[]) = 0 AND webhook_id = $2::uuid"          \
    "  AND error_class = $9::text AND error_class <> 'none' ORDER BY event_type LIMIT 1)"                              \
    " UNION ALL"                                                                                                       \
    " SELECT t.event_type FROM error_types e CROSS JOIN LATERAL ("                                                     \
    "  SELECT event_type FROM attempts WHERE cardinality($4::text[]) = 0 AND webhook_id = $2::uuid"                    \
    "   AND error_class = $9::text AND error_class <> 'none' AND event_type > e.event_type"                            \
    "  ORDER BY event_type LIMIT 1) t),"                                                                               \
    "walked AS ("                                                                                                      \
    " SELECT w.delivery_id FROM error_types t CROSS JOIN LATERAL (SELECT delivery_id FROM " KLEN_ERRORS_OF_TYPE        \
    "  WHERE EXISTS (SELECT FROM deliveries q WHERE q.delivery_id = e.delivery_id"                                     \
    "    AND (q.lease_owner IS NOT NULL) = ANY ($8::boolean[]) OFFSET 0)"                                              \
    "   OR EXISTS (SELECT FROM (SELECT * FROM attempts WHERE delivery_id = e.delivery_id OFFSET 0) f"                  \
    "    WHERE decision = ANY ($3::text[]) AND " KLEN_FINAL ")"                                                        \
    "  ORDER BY delivery_id DESC LIMIT $7::integer) w)"

// Both filters, where both alone would leave thousands: their two indexes side by side, as one merge.
#define KLEN_WALK_BY_BOTH                                                                                              \
    "walked AS ("                                                                                                      \
    " SELECT w.delivery_id FROM final_types t CROSS JOIN LATERAL (SELECT f.delivery_id FROM"                           \
    "  (SELECT delivery_id FROM attempts"                                                                              \
    "    WHERE webhook_id = $2::uuid AND decision = t.decision AND event_type = t.event_type AND " KLEN_FINAL          \
    "     AND delivery_id >= $5::uuid AND delivery_id < $6::uuid ORDER BY delivery_id DESC) f"                         \
    "  JOIN " KLEN_ERRORS_OF_TYPE " ON e.delivery_id = f.delivery_id ORDER BY f.delivery_id DESC LIMIT $7::integer) w" \
    " UNION ALL"                                                                                                       \
    " SELECT w.delivery_id FROM queue_types t CROSS JOIN LATERAL (SELECT q.delivery_id FROM"                           \
    "  (SELECT delivery_id FROM deliveries"                                                                            \
    "    WHERE webhook_id = $2::uuid AND (lease_owner IS NOT NULL) = t.leased AND event_type = t.event_type"           \
    "     AND delivery_id >= $5::uuid AND delivery_id < $6::uuid ORDER BY delivery_id DESC) q"                         \
    "  JOIN " KLEN_ERRORS_OF_TYPE " ON e.delivery_id = q.delivery_id ORDER BY q.delivery_id DESC LIMIT $7::integer) w)"

#define KLEN_SHOW_PAGE                                                                                                 \
    ",page AS MATERIALIZED (SELECT delivery_id FROM walked ORDER BY delivery_id DESC LIMIT $7::integer) "              \
    KLEN_SHOW_DELIVERIES
#define KLEN_TYPES KLEN_FINAL_TYPES "," KLEN_QUEUE_TYPES("$8") ","

constexpr statement list_by_status{
    "list_deliveries_by_status", "WITH RECURSIVE " KLEN_TYPES KLEN_WALK_BY_STATUS KLEN_SHOW_PAGE};
constexpr statement list_by_error{
    "list_deliveries_by_error", "WITH RECURSIVE " KLEN_WALK_BY_ERROR KLEN_SHOW_PAGE};
constexpr statement list_by_both{
    "list_deliveries_by_both", "WITH RECURSIVE " KLEN_TYPES KLEN_WALK_BY_BOTH KLEN_SHOW_PAGE};
constexpr char const* merge_plan = "SET LOCAL enable_nestloop = off; SET LOCAL enable_mergejoin = on";

// All deliveries of an event have its millisecond in their ids ($2, $3), so their keys are walked; no index of its own
// is needed. $1 account, $4 event, $5 limit, $6 decisions, $7 states in the queue, $8 error class, $9 event type (empty: any).
#define KLEN_HAD_ERROR_8(delivery)                                                                                     \
    "($8::text = '' OR EXISTS (SELECT FROM attempts e WHERE e.delivery_id = " delivery                                 \
    " AND e.error_class = $8::text OFFSET 0))"
constexpr statement find_event_deliveries{
    "list_deliveries_of_event",
    "WITH walked AS ("
    " (SELECT delivery_id FROM attempts f WHERE delivery_id >= $2::uuid AND delivery_id < $3::uuid"
    "   AND event_id = $4::uuid AND account_id = $1::text AND " KLEN_FINAL " AND decision = ANY ($6::text[])"
    "   AND ($9::text = '' OR event_type = $9::text)"
    "   AND " KLEN_HAD_ERROR_8("f.delivery_id") " ORDER BY delivery_id DESC LIMIT $5::integer)"
    " UNION ALL"
    " (SELECT delivery_id FROM deliveries q WHERE delivery_id >= $2::uuid AND delivery_id < $3::uuid"
    "   AND event_id = $4::uuid AND account_id = $1::text AND (lease_owner IS NOT NULL) = ANY ($7::boolean[])"
    "   AND ($9::text = '' OR event_type = $9::text)"
    "   AND " KLEN_HAD_ERROR_8("q.delivery_id") " ORDER BY delivery_id DESC LIMIT $5::integer)),"
    "page AS MATERIALIZED (SELECT delivery_id FROM walked ORDER BY delivery_id DESC LIMIT $5::integer) "
    KLEN_SHOW_DELIVERIES};

// How many there are of that status, whatever their errors ($9 is empty), and how many attempts with that error: at
// most $7.
constexpr statement count_by_status{
    "count_deliveries_by_status",
    "WITH RECURSIVE " KLEN_TYPES KLEN_WALK_BY_STATUS
    " SELECT count(*) FROM (SELECT FROM walked LIMIT $7::integer) s WHERE $1::text <> ''"};
constexpr statement count_by_error{
    "count_attempts_by_error",
    "SELECT count(*) FROM (SELECT FROM attempts WHERE webhook_id = $1::uuid AND error_class = $2::text"
    " AND error_class <> 'none' LIMIT $3::integer) a"};

constexpr statement find_events_of_account{
    "list_events",
    "WITH RECURSIVE " KLEN_ACCOUNT_TYPES("$2") ","
    "walked AS ("
    " SELECT e.* FROM account_types t CROSS JOIN LATERAL (SELECT event_id, event_type FROM events"
    "  WHERE account_id = $1::text AND event_type = t.event_type AND event_id >= $3::uuid AND event_id < $4::uuid"
    "  ORDER BY event_id DESC LIMIT $5::integer) e),"
    "page AS MATERIALIZED (SELECT * FROM walked ORDER BY event_id DESC LIMIT $5::integer) "
    "SELECT p.event_id, p.event_type, " KLEN_TIME("e.accepted_at") ", e.traceparent FROM page p"
    " CROSS JOIN LATERAL (SELECT accepted_at, traceparent FROM events WHERE event_id = p.event_id OFFSET 0) e"
    " ORDER BY p.event_id DESC"};
// clang-format on

/// The ids that a time filter and a cursor leave.
struct id_bounds {
    uuid first;
    uuid past_last;
};

template <class Id>
id_bounds bounds_of(std::optional<wall_time> since, std::optional<wall_time> until, std::optional<Id> after) {
    id_bounds out{since ? first_id_at(*since) : first_id, until ? first_id_at(*until) : last_id()};
    if (after)
        out.past_last = std::min(out.past_last, after->value);
    return out;
}

binary_array one_or_none(std::string const& text) {
    return text_array(text.empty() ? std::vector<std::string>{} : std::vector{text});
}

/// The parts of a status filter; an empty one wants all.
struct wanted_states {
    std::vector<std::string> decisions;
    binary_array leased{pg_type::boolean};
    bool all = false;

    explicit wanted_states(std::vector<delivery_status> filter) {
        constexpr std::array every{delivery_status::pending, delivery_status::delivering, delivery_status::delivered,
                                   delivery_status::failed, delivery_status::cancelled};
        if (filter.empty())
            filter.assign(every.begin(), every.end());
        std::ranges::sort(filter);
        auto const repeated = std::ranges::unique(filter);
        filter.erase(repeated.begin(), repeated.end());
        all = filter.size() == every.size();
        for (auto const one : filter) {
            if (auto const decision = decision_of(one))
                decisions.emplace_back(policy::to_string(*decision));
            else
                leased.add(one == delivery_status::delivering);
        }
    }
};

/// Up to this many deliveries that pass one filter, each is asked for the other.
constexpr std::int32_t few = 2000;

/// `found` has one row more than the limit when there is more.
slice_of<delivery_row> slice_at(rows const& found, std::uint32_t limit, std::string const& account_id) {
    slice_of<delivery_row> out;
    for (std::size_t i = 0; i < std::min<std::size_t>(found.size(), limit); ++i)
        out.items.push_back(delivery_at(found, i, account_id));
    out.more = found.size() > limit;
    return out;
}

class delivery_lister {
  public:
    delivery_lister(std::string const& account_id, webhook_id webhook, delivery_filter const& filter)
        : account_id_(account_id), webhook_(webhook), filter_(filter), wanted_(filter.status),
          bounds_(bounds_of(filter.since, filter.until, filter.after)) {}

    result<slice_of<delivery_row>> read(session& on) const {
        slice_of<delivery_row> out;
        auto const done = in_one_snapshot(on, [&](session::work& in) -> result<void> {
            if (auto known = check_webhook(in, account_id_, webhook_); !known)
                return known.error();
            auto const walk = best_walk(in);
            if (!walk)
                return walk.error();
            auto const limit = static_cast<std::int32_t>(filter_.limit);
            auto const found = in.run(**walk, with(limit + 1, error()));
            if (!found)
                return found.error();
            out = slice_at(*found, filter_.limit, account_id_);
            return {};
        });
        if (!done)
            return done.error();
        return out;
    }

  private:
    /// With two filters: along the one that leaves few, where there is one.
    result<statement const*> best_walk(session::work& in) const {
        if (error().empty())
            return &list_by_status;
        if (wanted_.all)
            return &list_by_error;
        auto const of_status = in.run(count_by_status, with(few + 1, {}));
        if (!of_status)
            return of_status.error();
        if (of_status->int8(0, 0) <= few)
            return &list_by_status;
        auto const of_error = in.run(count_by_error, parameters().id(webhook_).text(error()).int4(few + 1));
        if (!of_error)
            return of_error.error();
        if (of_error->int8(0, 0) <= few)
            return &list_by_error;
        if (auto set = in.run_text(merge_plan); !set)
            return set.error();
        return &list_by_both;
    }
    std::string_view error() const { return filter_.error ? policy::to_string(*filter_.error) : std::string_view(); }
    parameters with(std::int32_t limit, std::string_view error_class) const {
        parameters out;
        out.text(account_id_).id(webhook_).array(text_array(wanted_.decisions)).array(one_or_none(filter_.event_type));
        out.uuid_value(bounds_.first).uuid_value(bounds_.past_last).int4(limit).array(wanted_.leased);
        out.text(error_class);
        return out;
    }

    std::string const& account_id_;
    webhook_id webhook_;
    delivery_filter const& filter_;
    wanted_states wanted_;
    id_bounds bounds_;
};

} // namespace

result<slice_of<delivery_row>> list_deliveries(session& on, std::string const& account_id, webhook_id webhook,
                                               delivery_filter const& filter) {
    return delivery_lister(account_id, webhook, filter).read(on);
}

result<slice_of<delivery_row>> list_event_deliveries(session::work& in, std::string const& account_id, event_id event,
                                                     delivery_filter const& filter) {
    wanted_states const wanted(filter.status);
    auto const ids = same_millisecond(event.value);
    parameters with;
    auto const bounds = bounds_of(filter.since, filter.until, filter.after);
    with.text(account_id).uuid_value(std::max(ids.first, bounds.first));
    with.uuid_value(std::min(ids.past_last, bounds.past_last)).id(event);
    with.int4(static_cast<std::int32_t>(filter.limit) + 1).array(text_array(wanted.decisions)).array(wanted.leased);
    with.text(filter.error ? policy::to_string(*filter.error) : std::string_view()).text(filter.event_type);
    auto const found = in.run(find_event_deliveries, with);
    if (!found)
        return found.error();
    return slice_at(*found, filter.limit, account_id);
}

result<slice_of<event_row>> list_events(session& on, std::string const& account_id, event_filter const& filter) {
    auto const bounds = bounds_of(filter.since, filter.until, filter.after);
    auto const limit = static_cast<std::int32_t>(filter.limit);
    parameters with;
    with.text(account_id).array(one_or_none(filter.event_type)).uuid_value(bounds.first).uuid_value(bounds.past_last);
    auto const found = on.run(find_events_of_account, with.int4(limit + 1));
    if (!found)
        return found.error();
    slice_of<event_row> out;
    for (std::size_t i = 0; i < std::min<std::size_t>(found->size(), filter.limit); ++i) {
        event_row one;
        one.id = found->id<event_id>(i, 0);
        one.account_id = account_id;
        one.event_type = found->text(i, 1);
        one.accepted_at = time_at(*found, i, 2);
        one.traceparent = found->text(i, 3);
        out.items.push_back(std::move(one));
    }
    out.more = found->size() > filter.limit;
    return out;
}

} // namespace klen::webhooks::store
