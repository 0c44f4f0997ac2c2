#include "outcomes.hpp"

#include <algorithm>
#include <unordered_set>

namespace klen::webhooks::store {

namespace {

using std::chrono::microseconds;
using std::chrono::steady_clock;

// $1 the instance, $2 after how many hours of nothing but failures a webhook is disabled (0: never), $3… the attempts,
// column by column, in the order of their deliveries.
//
// Every change is guarded by the lease and by the number of attempts that are on record: of a lost lease nothing is
// written, and a batch that is repeated because its first commit's answer was lost counts nothing twice. Times are the
// database's: an attempt began so many microseconds ago, the next is due in so many.
//
// `health` passes on only webhooks of which something may change, so a success touches no webhook.
// Health: a webhook is failing since its first failed attempt after a success. A batch may hold both; then the success
// counts, and the next failure begins anew.
constexpr statement write_outcomes{
    "write_outcomes",
    "WITH input AS MATERIALIZED ("
    " SELECT * FROM unnest($3::uuid[], $4::smallint[], $5::uuid[], $6::uuid[], $7::text[], $8::text[], $9::text[],"
    "  $10::smallint[], $11::text[], $12::bigint[], $13::bigint[], $14::bigint[], $15::text[], $16::bytea[],"
    "  $17::bytea[], $18::boolean[], $19::boolean[], $20::boolean[])"
    " AS i (delivery_id, attempt, event_id, webhook_id, account_id, decision, error_class, status, message, began_us,"
    "  duration_us, wait_us, remote_address, response_headers, response_body, counts, gone, was_failing)),"
    "ours AS MATERIALIZED ("
    " SELECT i.delivery_id, i.decision FROM input i CROSS JOIN LATERAL (SELECT FROM deliveries"
    "  WHERE delivery_id = i.delivery_id AND lease_owner = $1::bigint AND attempts_made = i.attempt - 1 OFFSET 0) d),"
    "finished AS ("
    " DELETE FROM deliveries WHERE lease_owner = $1::bigint"
    "  AND delivery_id = ANY (ARRAY (SELECT delivery_id FROM ours WHERE decision <> 'retry'))"
    " RETURNING delivery_id),"
    "again AS ("
    " UPDATE deliveries SET lease_owner = NULL, parked = false,"
    "  attempts_made = attempts_made + ($18::boolean[])[array_position($3::uuid[], delivery_id)]::integer::smallint,"
    "  next_attempt_at = clock_timestamp()"
    "   + ($14::bigint[])[array_position($3::uuid[], delivery_id)] * interval '1 microsecond'"
    " WHERE lease_owner = $1::bigint"
    "  AND delivery_id = ANY (ARRAY (SELECT delivery_id FROM ours WHERE decision = 'retry'))"
    " RETURNING delivery_id, next_attempt_at),"
    "done AS MATERIALIZED ("
    " SELECT i.*, c.next_attempt_at FROM input i JOIN ("
    "  SELECT delivery_id, NULL::timestamptz AS next_attempt_at FROM finished UNION ALL SELECT * FROM again) c"
    " ON c.delivery_id = i.delivery_id),"
    "logged AS ("
    " INSERT INTO attempts (delivery_id, attempt, event_id, webhook_id, account_id, decision, error_class, status,"
    "  message, started_at, duration_us, next_attempt_at, remote_address, response_headers, response_body, instance_id)"
    " SELECT delivery_id, attempt, event_id, webhook_id, account_id, decision, error_class, nullif(status, 0),"
    "  nullif(message, ''), clock_timestamp() - began_us * interval '1 microsecond', duration_us, next_attempt_at,"
    "  nullif(remote_address, ''), nullif(response_headers, ''), nullif(response_body, ''), $1::bigint"
    " FROM done WHERE counts),"
    "health AS MATERIALIZED ("
    " SELECT webhook_id, bool_or(decision IN ('retry', 'failed')) AS failed, bool_or(decision = 'delivered') AS worked,"
    "  bool_or(decision = 'delivered' AND was_failing) AS cleared, bool_or(gone) AS gone"
    " FROM done WHERE counts GROUP BY webhook_id"
    " HAVING bool_or(decision IN ('retry', 'failed') OR decision = 'delivered' AND was_failing)"
    " ORDER BY webhook_id),"
    "verdict AS MATERIALIZED ("
    " SELECT w.webhook_id, h.worked, CASE WHEN NOT w.enabled THEN NULL WHEN h.gone THEN 'gone'"
    "  WHEN NOT h.worked AND w.failing_since < clock_timestamp() - $2::bigint * interval '1 hour' AND $2::bigint > 0"
    "  THEN 'failing' END AS disable"
    " FROM health h CROSS JOIN LATERAL ("
    // Filtered inside, before the lock: a webhook of which nothing changes is not locked.
    "  SELECT webhook_id, enabled, failing_since FROM webhooks"
    "  WHERE webhook_id = h.webhook_id AND deleted_at IS NULL AND (h.gone AND enabled"
    "   OR h.cleared AND failing_since IS NOT NULL OR h.failed AND NOT h.worked AND (failing_since IS NULL"
    "    OR enabled AND $2::bigint > 0 AND failing_since < clock_timestamp() - $2::bigint * interval '1 hour'))"
    "  OFFSET 0 FOR NO KEY UPDATE) w),"
    "changed AS ("
    " UPDATE webhooks w SET"
    "  failing_since = CASE WHEN NOT v.worked THEN coalesce(w.failing_since, clock_timestamp()) END,"
    "  enabled = w.enabled AND v.disable IS NULL,"
    "  disabled_reason = coalesce(w.disabled_reason, v.disable),"
    "  disabled_at = coalesce(w.disabled_at, CASE WHEN v.disable IS NOT NULL THEN clock_timestamp() END),"
    "  revision = nextval('webhook_revisions'), changed_at = clock_timestamp()"
    " FROM verdict v"
    " WHERE w.webhook_id = v.webhook_id AND w.webhook_id = ANY (ARRAY (SELECT webhook_id FROM verdict))) "
    "SELECT 'done', delivery_id, NULL FROM done "
    "UNION ALL SELECT 'disabled', webhook_id, disable FROM verdict WHERE disable IS NOT NULL"};

// A row of our own says that an earlier run of the batch, whose answer was lost, has done this already.
constexpr statement find_recorded{
    "find_recorded", "SELECT i.delivery_id FROM unnest($2::uuid[], $3::smallint[]) AS i (delivery_id, attempt)"
                     " CROSS JOIN LATERAL (SELECT FROM attempts WHERE delivery_id = i.delivery_id"
                     "  AND attempt = i.attempt AND instance_id = $1::bigint OFFSET 0) a"};

std::int64_t microseconds_since(steady_time then, steady_time now) {
    if (then == steady_time{})
        return 0; // a cancellation: nothing was begun
    return std::max<std::int64_t>(0, std::chrono::duration_cast<microseconds>(now - then).count());
}

/// What is left of the wait, which counts from the attempt's end.
std::int64_t wait_left(attempt_record const& one, steady_time now) {
    auto const from = one.ended == steady_time{} ? now : one.ended;
    return std::max<std::int64_t>(0, std::chrono::duration_cast<microseconds>(from + one.verdict.wait - now).count());
}

struct columns {
    binary_array delivery{pg_type::uuid}, attempt{pg_type::int2}, event{pg_type::uuid}, webhook{pg_type::uuid},
        account{pg_type::text}, decision{pg_type::text}, error{pg_type::text}, status{pg_type::int2},
        message{pg_type::text}, began{pg_type::int8}, duration{pg_type::int8}, wait{pg_type::int8},
        remote{pg_type::text}, headers{pg_type::bytes}, body{pg_type::bytes}, counts{pg_type::boolean},
        gone{pg_type::boolean}, was_failing{pg_type::boolean};

    void add(attempt_record const& one, steady_time now) {
        auto const& result = one.result;
        delivery.add(one.delivery);
        attempt.add_int2(static_cast<std::int16_t>(one.attempt));
        event.add(one.event);
        webhook.add(one.webhook);
        account.add(std::string_view(one.account_id));
        decision.add(policy::to_string(one.verdict.what));
        error.add(policy::to_string(result.error));
        status.add_int2(static_cast<std::int16_t>(result.status));
        message.add(std::string_view(storable_text(result.message)));
        began.add_int8(microseconds_since(one.started, now));
        duration.add_int8(result.duration.count());
        wait.add_int8(wait_left(one, now));
        remote.add(std::string_view(storable_text(result.remote_address)));
        headers.add(std::string_view(result.response_headers));
        body.add(std::string_view(result.response_body));
        // This machine's own fault uses up no attempt: the delivery goes back to the queue as it was.
        counts.add(result.error != policy::error_class::local_failure);
        gone.add(one.verdict.disable_webhook);
        was_failing.add(one.was_failing);
    }
    parameters all(instance_id owner, hours disable_after) const {
        parameters out;
        out.int8(owner.value).int8(disable_after.count());
        for (auto const* column :
             {&delivery, &attempt, &event, &webhook, &account, &decision, &error, &status, &message, &began, &duration,
              &wait, &remote, &headers, &body, &counts, &gone, &was_failing})
            out.array(*column);
        return out;
    }
};

/// Takes from `missing` what is on record as ours.
result<void> forgive_recorded(session& link, instance_id owner, std::vector<attempt_record> const& batch,
                              std::unordered_set<delivery_id>& missing) {
    binary_array ids(pg_type::uuid), attempts(pg_type::int2);
    for (auto const& one : batch)
        if (missing.contains(one.delivery)) {
            ids.add(one.delivery);
            attempts.add_int2(static_cast<std::int16_t>(one.attempt));
        }
    auto const found = link.run(find_recorded, parameters().int8(owner.value).array(ids).array(attempts));
    if (!found)
        return found.error();
    for (std::size_t i = 0; i < found->size(); ++i)
        missing.erase(found->id<delivery_id>(i, 0));
    return {};
}

} // namespace

result<record_result> record_outcomes(session& link, instance_id owner, std::vector<attempt_record> batch,
                                      hours disable_after) {
    std::ranges::sort(batch, {}, &attempt_record::delivery); // in one order everywhere: no deadlocks
    columns sent;
    auto const now = steady_clock::now();
    std::unordered_set<delivery_id> missing;
    for (auto const& one : batch) {
        sent.add(one, now);
        missing.insert(one.delivery);
    }
    auto const answer = link.run(write_outcomes, sent.all(owner, disable_after));
    if (!answer)
        return answer.error();
    record_result out;
    for (std::size_t i = 0; i < answer->size(); ++i) {
        if (answer->text(i, 0) == "done")
            missing.erase(answer->id<delivery_id>(i, 1));
        else
            out.disabled.emplace_back(answer->id<webhook_id>(i, 1), std::string(answer->text(i, 2)));
    }
    if (!missing.empty())
        if (auto asked = forgive_recorded(link, owner, batch, missing); !asked)
            return asked.error();
    out.lost.assign(missing.begin(), missing.end());
    return out;
}

} // namespace klen::webhooks::store
