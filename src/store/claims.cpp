#include "claims.hpp"

#include <algorithm>
#include <set>
#include <unordered_map>
#include <unordered_set>

namespace klen::webhooks::store {

namespace {

/// While another instance holds what is due, it is worth looking again soon, but not at once.
constexpr milliseconds contended_pause{20};

constexpr statement next_due{
    "next_due", "SELECT ceil(extract(epoch FROM next_attempt_at - clock_timestamp()) * 1000)::bigint FROM deliveries"
                " WHERE lease_owner IS NULL AND NOT parked ORDER BY next_attempt_at LIMIT 1"};

constexpr statement lock_due{"lock_due",
                             "SELECT delivery_id, webhook_id, ctid FROM deliveries"
                             " WHERE lease_owner IS NULL AND NOT parked AND next_attempt_at <= statement_timestamp()"
                             " ORDER BY next_attempt_at LIMIT $1::integer FOR UPDATE SKIP LOCKED"};

// A disabled webhook's deliveries wait; a deleted one's are fetched, to be cancelled. What was asked for by hand comes
// first: it does not stand behind a backlog, and takes nobody else's turn when there is room for one only.
constexpr statement lock_parked{
    "lock_parked",
    "SELECT d.delivery_id, d.webhook_id, d.ctid FROM unnest($1::uuid[], $2::integer[]) AS r (webhook_id, room)"
    " CROSS JOIN LATERAL (SELECT FROM webhooks"
    "  WHERE webhook_id = r.webhook_id AND (enabled OR deleted_at IS NOT NULL) OFFSET 0) w"
    " CROSS JOIN LATERAL (SELECT delivery_id, webhook_id, ctid FROM deliveries"
    "  WHERE webhook_id = r.webhook_id AND lease_owner IS NULL AND parked"
    "  ORDER BY manual DESC, next_attempt_at LIMIT r.room FOR UPDATE SKIP LOCKED) d"};

// $1 owner, $2 where the rows that are locked lie, $3 their webhooks, $4 webhooks without room. `me` is locked until
// the commit, so that nobody gives this instance up between its lease and the commit: without it nothing is leased and
// nothing is returned. A locked row cannot move, so its place finds it without an index (docs/PERFORMANCE.md).
constexpr statement lease{
    "lease_deliveries",
    "WITH me AS MATERIALIZED ("
    " SELECT instance_id FROM instances WHERE instance_id = $1::bigint FOR KEY SHARE),"
    "hooks AS MATERIALIZED ("
    " SELECT i.webhook_id, w.webhook_id IS NULL OR w.deleted_at IS NOT NULL AS deleted,"
    "  coalesce(w.deleted_at IS NULL AND (NOT w.enabled OR w.webhook_id IN (SELECT unnest($4::uuid[]))), false)"
    "   AS park"
    " FROM unnest($3::uuid[]) AS i (webhook_id)"
    " LEFT JOIN LATERAL (SELECT webhook_id, deleted_at, enabled FROM webhooks"
    "  WHERE webhook_id = i.webhook_id OFFSET 0) w ON true),"
    "leased AS ("
    " UPDATE deliveries SET"
    "  lease_owner = CASE WHEN webhook_id IN (SELECT webhook_id FROM hooks WHERE NOT park)"
    "   THEN (SELECT instance_id FROM me) END,"
    "  parked = webhook_id IN (SELECT webhook_id FROM hooks WHERE park)"
    " WHERE ctid = ANY ($2::tid[]) AND lease_owner IS NULL AND EXISTS (SELECT FROM me)"
    " RETURNING delivery_id, webhook_id, event_id, account_id, attempts_made, parked, schedule_base, manual,"
    "  resume_at IS NOT NULL AS goes_on) "
    "SELECT l.delivery_id, l.webhook_id, l.event_id, l.account_id, l.attempts_made, l.parked,"
    " l.webhook_id IN (SELECT webhook_id FROM hooks WHERE deleted), e.event_type, e.body, e.traceparent,"
    " l.schedule_base, l.manual, l.goes_on"
    " FROM leased l LEFT JOIN LATERAL (SELECT event_type, body, traceparent FROM events"
    "  WHERE event_id = l.event_id AND NOT l.parked OFFSET 0) e ON true"};

constexpr statement give_back{"give_back", "UPDATE deliveries SET lease_owner = NULL, parked = $3::boolean"
                                           " WHERE delivery_id = ANY ($2::uuid[]) AND lease_owner = $1::bigint"};

/// Deliveries of one event share it.
using event_cache = std::unordered_map<event_id, event_ptr>;

event_ptr event_at(rows const& from, std::size_t row, event_id id, event_cache& cache) {
    if (from.is_null(row, 8))
        return nullptr; // past its retention
    auto& known = cache[id];
    if (!known)
        known = std::make_shared<accepted_event const>(
            accepted_event{id, std::string(from.text(row, 3)), std::string(from.text(row, 7)), from.bytes(row, 8),
                           std::string(from.text(row, 9))});
    return known;
}

claimed_delivery delivery_at(rows const& from, std::size_t row, event_cache& cache) {
    claimed_delivery out;
    out.id = from.id<delivery_id>(row, 0);
    out.webhook = from.id<webhook_id>(row, 1);
    out.event_of = from.id<event_id>(row, 2);
    out.account_id = from.text(row, 3);
    out.attempts_made = static_cast<int>(from.int8(row, 4));
    out.webhook_deleted = from.boolean(row, 6);
    out.event = event_at(from, row, out.event_of, cache);
    out.schedule_base = static_cast<int>(from.int8(row, 10));
    out.manual = from.boolean(row, 11);
    out.schedule_goes_on = from.boolean(row, 12);
    return out;
}

result<std::optional<milliseconds>> time_to_next(session& link) {
    auto const answer = link.run(next_due);
    if (!answer)
        return answer.error();
    if (answer->empty())
        return std::optional<milliseconds>();
    return std::optional(milliseconds(std::max<std::int64_t>(0, answer->int8(0, 0))));
}

} // namespace

result<void> release(session& link, instance_id owner, std::vector<delivery_id> ids, bool parked) {
    std::ranges::sort(ids); // in one order everywhere: two batches must not wait for each other
    auto const done = link.run(give_back, parameters().int8(owner.value).array(uuid_array(ids)).boolean(parked));
    if (!done)
        return done.error();
    return {};
}

result<void> claims::settle(session& link) {
    while (!doubts_.empty()) {
        auto const& about = doubts_.back();
        auto const ended = end_backend(link, about.backend);
        if (!ended)
            return ended.error();
        if (!*ended)
            return failure{fault::database_busy, "an earlier claim is still under way"};
        if (auto done = release(link, about.owner, about.ids, false); !done)
            return done.error();
        doubts_.pop_back();
    }
    return {};
}

result<claims::claimed> claims::claim(session& link, instance_id owner, statement const& lock, parameters const& with,
                                      std::vector<webhook_id> const& full) {
    if (auto ready = link.connect(); !ready)
        return ready.error();
    doubt about{link.backend(), owner, {}};
    claimed out;
    auto const done = link.transact([&](session::work& in) -> result<void> {
        auto const locked = in.run(lock, with);
        if (!locked)
            return locked.error();
        binary_array places(pg_type::row_place);
        for (std::size_t i = 0; i < locked->size(); ++i) {
            auto const place = row_place::parse(locked->text(i, 2));
            if (!place)
                return failure{fault::corrupt, "PostgreSQL told no place of a row that it locked"};
            places.add(*place);
            about.ids.push_back(locked->id<delivery_id>(i, 0));
            out.locked.push_back(locked->id<webhook_id>(i, 1));
        }
        if (about.ids.empty())
            return {};
        std::unordered_set<webhook_id> const webhooks(out.locked.begin(), out.locked.end());
        // There may be thousands without room, of which this claim has met a few.
        std::vector<webhook_id> met;
        std::ranges::copy_if(full, std::back_inserter(met), [&](webhook_id id) { return webhooks.contains(id); });
        auto const leased = in.run(lease, parameters()
                                              .int8(owner.value)
                                              .array(places)
                                              .array(uuid_array(std::vector(webhooks.begin(), webhooks.end())))
                                              .array(uuid_array(met)));
        if (!leased)
            return leased.error();
        if (leased->empty())
            return failure{fault::lease_lost, "this instance was given up by the others"};
        event_cache cache;
        std::set<webhook_id> parked;
        for (std::size_t i = 0; i < leased->size(); ++i) {
            if (leased->boolean(i, 5))
                parked.insert(leased->id<webhook_id>(i, 1));
            else
                out.leased.push_back(delivery_at(*leased, i, cache));
        }
        out.parked.assign(parked.begin(), parked.end());
        return {};
    });
    if (done)
        return out;
    if (done.error().kind == fault::connection_lost && !about.ids.empty())
        doubts_.push_back(std::move(about));
    return done.error();
}

result<due_result> claims::due(session& link, due_request const& request) {
    if (auto settled = settle(link); !settled)
        return settled.error();
    due_result out;
    auto next = time_to_next(link);
    if (!next)
        return next.error();
    out.next_due = *next;
    if (!out.next_due || *out.next_due > milliseconds(0) || request.limit == 0)
        return out;
    auto found =
        claim(link, request.owner, lock_due, parameters().int4(static_cast<std::int32_t>(request.limit)), request.full);
    if (!found)
        return found.error();
    out.deliveries = std::move(found->leased);
    out.parked = std::move(found->parked);
    if (found->locked.size() >= request.limit)
        return out; // more may be due
    // The claim stands, whatever becomes of this question; without an answer it is asked again at once.
    if (next = time_to_next(link); next)
        out.next_due = *next;
    if (out.next_due == milliseconds(0))
        out.next_due = contended_pause;
    return out;
}

result<parked_result> claims::parked(session& link, instance_id owner, std::vector<lane_room> const& rooms) {
    if (auto settled = settle(link); !settled)
        return settled.error();
    auto sorted = rooms;
    std::ranges::sort(sorted, {}, &lane_room::webhook);
    binary_array webhooks(pg_type::uuid), room(pg_type::int4);
    for (auto const& lane : sorted) {
        webhooks.add(lane.webhook);
        room.add_int4(static_cast<std::int32_t>(lane.room));
    }
    auto found = claim(link, owner, lock_parked, parameters().array(webhooks).array(room), {});
    if (!found)
        return found.error();
    parked_result out;
    out.deliveries = std::move(found->leased);
    for (auto const& lane : sorted)
        if (std::ranges::count(found->locked, lane.webhook) < static_cast<std::ptrdiff_t>(lane.room))
            out.exhausted.push_back(lane.webhook);
    return out;
}

} // namespace klen::webhooks::store
