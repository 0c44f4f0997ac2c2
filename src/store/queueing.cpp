#include "queueing.hpp"

#include "history_rows.hpp"

#include <algorithm>

namespace klen::webhooks::store {

namespace {

// $1 account, $2 deliveries, $3 their last attempts, $4 manual. To mark the last attempt is the guard: whoever marks it
// (and waits for whoever is about to) puts the delivery into the queue, nobody else.
constexpr statement requeue_finished{
    "requeue_finished",
    "WITH given AS MATERIALIZED ("
    " SELECT * FROM unnest($2::uuid[], $3::smallint[]) AS g (delivery_id, attempt)),"
    "marked AS ("
    " UPDATE attempts a SET superseded = true FROM given g"
    " WHERE a.delivery_id = g.delivery_id AND a.attempt = g.attempt AND a.delivery_id = ANY ($2::uuid[])"
    "  AND a.account_id = $1::text AND a.decision <> 'retry' AND NOT a.superseded AND a.attempt < $5::integer"
    " RETURNING a.delivery_id, a.event_id, a.webhook_id, a.account_id, a.event_type, a.attempt) "
    "INSERT INTO deliveries (delivery_id, event_id, webhook_id, account_id, event_type, attempts_made, schedule_base,"
    " manual, parked)"
    " SELECT delivery_id, event_id, webhook_id, account_id, event_type, attempt, attempt, $4::boolean, true FROM marked"
    " ON CONFLICT DO NOTHING RETURNING delivery_id"};

constexpr statement cancel_unleased{
    "cancel_unleased",
    "WITH gone AS ("
    " DELETE FROM deliveries WHERE delivery_id = ANY ($2::uuid[]) AND account_id = $1::text AND lease_owner IS NULL"
    " RETURNING *) "
    "INSERT INTO attempts (delivery_id, attempt, event_id, webhook_id, account_id, event_type, decision, error_class,"
    "  message, started_at, duration_us, instance_id)"
    " SELECT delivery_id, attempts_made + 1, event_id, webhook_id, account_id, event_type, 'cancelled', $3::text,"
    "  'cancelled by request', clock_timestamp(), 0, 0 FROM gone RETURNING delivery_id"};

// One that waits, for its time or for room. Its schedule keeps its place: one that is due already, too, or its turn
// would be spent on what was asked for beside it.
constexpr statement interrupt_schedule{
    "interrupt_schedule",
    "UPDATE deliveries SET manual = true, resume_at = next_attempt_at, next_attempt_at = clock_timestamp(),"
    "  parked = true"
    " WHERE delivery_id = $2::uuid AND account_id = $1::text AND lease_owner IS NULL AND NOT manual"};

// Whoever writes it carries the call out, and whoever meets it (having waited for a commit that may be under way still)
// does not.
constexpr statement note_resend{"note_resend", "INSERT INTO resends (delivery_id, resend_id)"
                                               " VALUES ($1::uuid, $2::uuid) ON CONFLICT DO NOTHING"};

constexpr statement find_webhook_state{
    "find_webhook_state",
    "SELECT enabled, deleted_at IS NOT NULL FROM webhooks WHERE webhook_id = $2::uuid AND account_id = $1::text"};
constexpr statement has_event{"has_event",
                              "SELECT FROM (SELECT account_id FROM events WHERE event_id = $2::uuid OFFSET 0) e"
                              " WHERE account_id = $1::text"};

result<std::vector<delivery_id>> ids_of(result<rows> const& answer) {
    if (!answer)
        return answer.error();
    std::vector<delivery_id> out;
    for (std::size_t i = 0; i < answer->size(); ++i)
        out.push_back(answer->id<delivery_id>(i, 0));
    return out;
}

failure under_way() { return {fault::conflict, "an attempt of this delivery is under way"}; }

/// Is there somewhere to send it to, and something to send?
result<void> check_sendable(session::work& in, std::string const& account_id, delivery_row const& what) {
    auto const webhook = in.run(find_webhook_state, parameters().text(account_id).id(what.webhook));
    if (!webhook)
        return webhook.error();
    if (webhook->empty() || webhook->boolean(0, 1))
        return failure{fault::conflict, "the webhook of this delivery was deleted"};
    if (!webhook->boolean(0, 0))
        return failure{fault::conflict, "the webhook of this delivery is disabled; enable it first"};
    auto const event = in.run(has_event, parameters().text(account_id).id(what.event));
    if (!event)
        return event.error();
    if (event->empty())
        return failure{fault::not_found, "the event of this delivery is no longer kept"};
    return {};
}

failure too_often() {
    return {fault::conflict, "this delivery was sent " + std::to_string(attempts_of_delivery_max) +
                                 " times: publish the event anew to send it once more"};
}

result<void> resend(session::work& in, std::string const& account_id, delivery_id id, uuid call) {
    auto const now = read_delivery(in, account_id, id);
    if (!now)
        return now.error();
    auto const noted = in.run(note_resend, parameters().id(id).uuid_value(call));
    if (!noted)
        return noted.error();
    if (noted->affected() == 0)
        return {}; // done before
    if (auto ok = check_sendable(in, account_id, *now); !ok)
        return ok.error();
    if (now->status == delivery_status::delivering)
        return under_way();
    if (now->attempts_made >= attempts_of_delivery_max)
        return too_often();
    if (now->status == delivery_status::pending) {
        // Whoever leased it since we looked sends it.
        auto const changed = in.run(interrupt_schedule, parameters().text(account_id).id(id));
        if (!changed)
            return changed.error();
        return {};
    }
    auto const queued = requeue(in, account_id, {{id, now->attempts_made}}, true);
    if (!queued)
        return queued.error();
    return {}; // nothing queued: somebody else did the same a moment ago
}

} // namespace

result<std::vector<delivery_id>> requeue(session::work& in, std::string const& account_id,
                                         std::vector<finished_delivery> what, bool manual) {
    std::ranges::sort(what, {}, &finished_delivery::id); // in one order everywhere: no deadlocks
    binary_array ids(pg_type::uuid), attempts(pg_type::int2);
    for (auto const& one : what) {
        ids.add(one.id);
        attempts.add_int2(static_cast<std::int16_t>(one.last_attempt));
    }
    auto with = parameters().text(account_id).array(ids).array(attempts).boolean(manual).int4(attempts_of_delivery_max);
    return ids_of(in.run(requeue_finished, with));
}

result<std::vector<delivery_id>> cancel_waiting(session::work& in, std::string const& account_id,
                                                std::vector<delivery_id> ids) {
    std::ranges::sort(ids);
    auto const why = policy::to_string(policy::error_class::cancelled_by_request);
    return ids_of(in.run(cancel_unleased, parameters().text(account_id).array(uuid_array(ids)).text(why)));
}

result<delivery_row> resend_delivery(session& on, std::string const& account_id, delivery_id id, uuid call) {
    result<delivery_row> out = under_way();
    auto const done = on.transact([&](session::work& in) -> result<void> {
        if (auto sent = resend(in, account_id, id, call); !sent)
            return sent.error();
        out = read_delivery(in, account_id, id);
        return {};
    });
    if (!done)
        return done.error();
    return out;
}

result<delivery_row> cancel_delivery(session& on, std::string const& account_id, delivery_id id, bool repeated) {
    result<delivery_row> out = under_way();
    auto const done = on.transact([&](session::work& in) -> result<void> {
        auto const cancelled = cancel_waiting(in, account_id, {id});
        if (!cancelled)
            return cancelled.error();
        out = read_delivery(in, account_id, id);
        if (!out || !cancelled->empty() || (repeated && out->status == delivery_status::cancelled))
            return {};
        if (out->status == delivery_status::delivering || out->status == delivery_status::pending)
            return under_way();
        return failure{fault::conflict, "this delivery is finished"};
    });
    if (!done)
        return done.error();
    return out;
}

} // namespace klen::webhooks::store
