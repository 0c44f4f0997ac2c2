#include "event_batch.hpp"

#include "klen/webhooks/event/event_types.hpp"

#include <algorithm>

namespace klen::webhooks::store {

namespace {

// $1 instance, $2 webhooks without room, $3 how many deliveries there is room for, $4… the events, column by column.
//
// `me` keeps the instance's row from being deleted until this commit: a delivery is never leased to an instance that
// the others have already given up. Without it deliveries are born due and unleased: whoever claims next gets them.
// The rows that find no room are parked, so that nobody walks over them in search of what is due.
//
// An event's first delivery gets the id that came with it: making one in SQL is a sixth of the statement
// (docs/PERFORMANCE.md). `matched` walks over the events in turn, so what belongs to one event stands together.
#define KLEN_FAN_OUT                                                                                                   \
    "stored AS ("                                                                                                      \
    " INSERT INTO events (event_id, account_id, event_type, body, traceparent)"                                        \
    " SELECT event_id, account_id, event_type, body, nullif(traceparent, '') FROM input),"                             \
    "matched AS ("                                                                                                     \
    " SELECT i.event_id, i.first_delivery_id, w.webhook_id, i.account_id, i.event_type,"                               \
    "  w.webhook_id NOT IN (SELECT unnest($2::uuid[])) AS has_room"                                                    \
    " FROM input i CROSS JOIN LATERAL ("                                                                               \
    "  SELECT webhook_id FROM webhooks WHERE account_id = i.account_id AND enabled AND deleted_at IS NULL"             \
    "   AND subscribed_events && string_to_array(i.patterns, ' ') OFFSET 0) w),"                                       \
    "judged AS ("                                                                                                      \
    " SELECT *, has_room AND count(*) FILTER (WHERE has_room) OVER (ROWS UNBOUNDED PRECEDING) <= $3::bigint AS take,"  \
    "  event_id IS DISTINCT FROM lag(event_id) OVER (ROWS UNBOUNDED PRECEDING) AS is_first"                            \
    " FROM matched),"                                                                                                  \
    "fan_out AS ("                                                                                                     \
    " INSERT INTO deliveries (delivery_id, event_id, webhook_id, account_id, event_type, lease_owner, parked)"         \
    " SELECT CASE WHEN is_first THEN first_delivery_id ELSE delivery_id_of(event_id) END, event_id, webhook_id,"       \
    "  account_id, event_type,"                                                                                        \
    "  CASE WHEN take THEN (SELECT instance_id FROM me) END, NOT take AND EXISTS (SELECT FROM me) FROM judged"         \
    " RETURNING delivery_id, event_id, webhook_id, event_type, lease_owner, parked) "                                  \
    "SELECT 'leased', delivery_id, event_id, webhook_id, NULL FROM fan_out WHERE lease_owner IS NOT NULL "             \
    "UNION ALL "                                                                                                       \
    "SELECT CASE WHEN parked THEN 'parked' ELSE 'due' END, NULL, (array_agg(event_id))[1], webhook_id, count(*)"       \
    " FROM fan_out WHERE lease_owner IS NULL GROUP BY webhook_id, event_type, parked"

#define KLEN_ME                                                                                                        \
    "WITH me AS MATERIALIZED ("                                                                                        \
    " SELECT instance_id FROM instances WHERE instance_id = $1::bigint FOR KEY SHARE),"

constexpr statement write_events{
    "write_events",
    KLEN_ME "input AS MATERIALIZED ("
            " SELECT * FROM unnest($4::uuid[], $5::uuid[], $6::text[], $7::text[], $8::text[], $9::bytea[],"
            "  $10::text[])"
            " AS i (event_id, first_delivery_id, account_id, event_type, patterns, body, traceparent))," KLEN_FAN_OUT};

// The same with idempotency keys: an event whose key is taken (by an earlier batch, another instance, or an event
// before it in this batch) goes no further. Keys are taken in order, so that two batches cannot wait for each other.
constexpr statement write_events_with_keys{
    "write_events_with_keys", KLEN_ME
    "given AS MATERIALIZED ("
    " SELECT * FROM unnest($4::uuid[], $5::uuid[], $6::text[], $7::text[], $8::text[], $9::bytea[], $10::text[],"
    "  $11::text[], $12::bytea[])"
    " AS i (event_id, first_delivery_id, account_id, event_type, patterns, body, traceparent, idempotency_key,"
    "  content_hash)),"
    "fresh AS ("
    " INSERT INTO idempotency_keys (account_id, idempotency_key, event_id, content_hash)"
    " SELECT account_id, idempotency_key, event_id, content_hash FROM given WHERE idempotency_key IS NOT NULL"
    " ORDER BY account_id, idempotency_key, event_id"
    " ON CONFLICT DO NOTHING RETURNING event_id),"
    "input AS MATERIALIZED ("
    " SELECT * FROM given WHERE idempotency_key IS NULL OR event_id IN (SELECT event_id FROM fresh))," KLEN_FAN_OUT
    " UNION ALL SELECT 'fresh', NULL, event_id, NULL, NULL FROM fresh"};

constexpr statement find_keys{
    "find_idempotency_keys",
    "SELECT i.event_id, k.event_id, k.content_hash"
    " FROM unnest($1::uuid[], $2::text[], $3::text[]) AS i (event_id, account_id, idempotency_key)"
    " CROSS JOIN LATERAL (SELECT event_id, content_hash FROM idempotency_keys"
    "  WHERE account_id = i.account_id AND idempotency_key = i.idempotency_key OFFSET 0) k"};

constexpr statement find_events{"find_events", "SELECT event_id FROM events WHERE event_id = ANY ($1::uuid[])"};

// Everything that was made for an event has its millisecond: a narrow range of the primary key. What was born leased
// still is the row of the transaction that stored its event. One that was born parked may have been claimed since, by
// this very instance, which sends it already: that made another version of the row.
constexpr statement find_born{"find_born_deliveries",
                              "SELECT d.delivery_id, i.event_id, d.webhook_id, d.parked"
                              " FROM unnest($1::uuid[], $2::uuid[], $3::uuid[]) AS i (event_id, first, past_last)"
                              " CROSS JOIN LATERAL (SELECT delivery_id, webhook_id, parked FROM deliveries"
                              "  WHERE delivery_id >= i.first AND delivery_id < i.past_last AND event_id = i.event_id"
                              "   AND (parked OR lease_owner = $4::bigint"
                              "    AND xmin = (SELECT xmin FROM events WHERE event_id = i.event_id)) OFFSET 0) d"};

/// A new id with the millisecond of its event's, as the database's function of that name makes them.
delivery_id delivery_id_of(event_id event) {
    auto out = make_id<delivery_id>();
    std::copy_n(event.value.bytes.begin(), 6, out.value.bytes.begin());
    return out;
}

std::string patterns_of(std::string_view event_type) {
    std::string out;
    for (auto const& pattern : event::matching_patterns(event_type))
        out += (out.empty() ? "" : " ") + pattern;
    return out;
}

parameters batch_parameters(std::span<waiting_event const> batch, lane_gate::grant const& grant, bool with_keys) {
    binary_array ids(pg_type::uuid), first_deliveries(pg_type::uuid), accounts(pg_type::text), types(pg_type::text),
        patterns(pg_type::text), bodies(pg_type::bytes), traces(pg_type::text), keys(pg_type::text),
        hashes(pg_type::bytes);
    for (auto const& one : batch) {
        auto const& event = one.event();
        ids.add(event.id);
        first_deliveries.add(delivery_id_of(event.id));
        accounts.add(std::string_view(event.account_id));
        types.add(std::string_view(event.event_type));
        patterns.add(std::string_view(patterns_of(event.event_type)));
        bodies.add(std::string_view(event.body));
        traces.add(std::string_view(event.traceparent));
        if (one.what.idempotency_key)
            keys.add(std::string_view(*one.what.idempotency_key));
        else
            keys.add_null();
        hashes.add(std::span<std::uint8_t const>(one.what.content_hash));
    }
    parameters out;
    out.int8(grant.owner.value).array(uuid_array(grant.full)).int8(grant.deliveries_max);
    out.array(ids).array(first_deliveries).array(accounts).array(types).array(patterns).array(bodies).array(traces);
    if (with_keys)
        out.array(keys).array(hashes);
    return out;
}

binary_array ids_of(std::span<event_ptr const> events) {
    binary_array out(pg_type::uuid);
    for (auto const& event : events)
        out.add(event->id);
    return out;
}

} // namespace

result<batch_outcome> write_batch(session& link, std::span<waiting_event const> batch, lane_gate::grant const& grant) {
    bool const with_keys =
        std::ranges::any_of(batch, [](auto const& one) { return one.what.idempotency_key.has_value(); });
    auto const answer =
        link.run(with_keys ? write_events_with_keys : write_events, batch_parameters(batch, grant, with_keys));
    if (!answer)
        return answer.error();
    batch_outcome out;
    for (auto const& one : batch)
        if (one.what.idempotency_key)
            out.repeated.insert(one.event().id);
    for (std::size_t i = 0; i < answer->size(); ++i) {
        auto const kind = answer->text(i, 0);
        if (kind == "leased")
            out.leased.push_back(
                {answer->id<delivery_id>(i, 1), answer->id<event_id>(i, 2), answer->id<webhook_id>(i, 3)});
        else if (kind == "parked" || kind == "due") {
            if (kind == "parked")
                out.parked.push_back(answer->id<webhook_id>(i, 3));
            out.unleased[answer->id<event_id>(i, 2)] += static_cast<std::uint32_t>(answer->int8(i, 4));
        } else
            out.repeated.erase(answer->id<event_id>(i, 2));
    }
    return out;
}

result<std::map<event_id, first_use>> look_up_keys(session& link, std::span<waiting_event const> batch,
                                                   std::set<event_id> const& asking) {
    binary_array ids(pg_type::uuid), accounts(pg_type::text), keys(pg_type::text);
    for (auto const& one : batch)
        if (asking.contains(one.event().id) && one.what.idempotency_key) {
            ids.add(one.event().id);
            accounts.add(std::string_view(one.event().account_id));
            keys.add(std::string_view(*one.what.idempotency_key));
        }
    auto const answer = link.run(find_keys, parameters().array(ids).array(accounts).array(keys));
    if (!answer)
        return answer.error();
    std::map<event_id, first_use> out;
    for (std::size_t i = 0; i < answer->size(); ++i)
        out[answer->id<event_id>(i, 0)] = {answer->id<event_id>(i, 1), answer->bytes(i, 2)};
    return out;
}

result<std::set<event_id>> stored_events(session& link, std::span<event_ptr const> events) {
    auto const answer = link.run(find_events, parameters().array(ids_of(events)));
    if (!answer)
        return answer.error();
    std::set<event_id> out;
    for (std::size_t i = 0; i < answer->size(); ++i)
        out.insert(answer->id<event_id>(i, 0));
    return out;
}

result<batch_outcome> born_deliveries(session& link, std::span<event_ptr const> events, instance_id owner) {
    binary_array firsts(pg_type::uuid), ends(pg_type::uuid);
    for (auto const& event : events) {
        auto const range = same_millisecond(event->id.value);
        firsts.add(range.first);
        ends.add(range.past_last);
    }
    auto const answer =
        link.run(find_born, parameters().array(ids_of(events)).array(firsts).array(ends).int8(owner.value));
    if (!answer)
        return answer.error();
    batch_outcome out;
    for (std::size_t i = 0; i < answer->size(); ++i) {
        if (answer->boolean(i, 3))
            out.parked.push_back(answer->id<webhook_id>(i, 2));
        else
            out.leased.push_back(
                {answer->id<delivery_id>(i, 0), answer->id<event_id>(i, 1), answer->id<webhook_id>(i, 2)});
    }
    return out;
}

} // namespace klen::webhooks::store
