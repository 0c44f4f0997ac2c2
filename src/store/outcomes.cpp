#include "outcomes.hpp"

#include <algorithm>
#include <map>
#include <span>
#include <unordered_set>

namespace klen::webhooks::store {

namespace {

using std::chrono::microseconds;
using std::chrono::steady_clock;

// $1 the instance, $2 after how many hours of nothing but failures a webhook is disabled (0: never), $3 after how many
// minutes that is reported (0: never), $4 the account that is told, $5… the attempts, column by column, in the order of
// their deliveries.
//
// The rows are changed where `ours` found them: nobody writes a leased row anew and leaves it leased to the same
// instance, so none of them has moved when its guard still holds.
//
// Every change is guarded by the lease and by the number of attempts that are on record: of a lost lease nothing is
// written, and a batch that is repeated because its first commit's answer was lost counts nothing twice. Times are the
// database's: an attempt began so many microseconds ago, the next is due in so many.
//
// `again`: a manual attempt that failed hands over to the schedule, which it interrupted, at the time that was set
// before, though it be past: so it keeps its place among what waits. It does not count as one of the schedule's. One
// that was not made (`counts` is false) leaves everything as it is.
//
// `health` passes on only webhooks of which something may change, so a success touches no webhook.
// Health: a webhook is failing since its first failed attempt after a success. A batch may hold both; then the success
// counts, and the next failure begins anew.
//
// `told`: the operational events, when somebody listens. The lists of patterns are those that match their types.
// clang-format off
#define KLEN_UTC(time) "to_char(" time " AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"')"
#define KLEN_LISTENED(patterns)                                                                                        \
    "EXISTS (SELECT FROM webhooks WHERE account_id = $4::text AND enabled AND deleted_at IS NULL"                      \
    " AND subscribed_events && ARRAY[" patterns "])"

constexpr statement write_outcomes{
    "write_outcomes",
    "WITH input AS MATERIALIZED ("
    " SELECT * FROM unnest($5::uuid[], $6::smallint[], $7::uuid[], $8::uuid[], $9::text[], $10::text[], $11::text[],"
    "  $12::smallint[], $13::text[], $14::bigint[], $15::bigint[], $16::bigint[], $17::text[], $18::bytea[],"
    "  $19::bytea[], $20::boolean[], $21::boolean[], $22::boolean[], $23::boolean[], $24::bigint[], $25::bigint[])"
    " AS i (delivery_id, attempt, event_id, webhook_id, account_id, decision, error_class, status, message, began_us,"
    "  duration_us, wait_us, remote_address, response_headers, response_body, counts, gone, was_failing, manual,"
    "  signed_at, webhook_revision)),"
    "ours AS MATERIALIZED ("
    " SELECT i.delivery_id, i.decision, d.place FROM input i CROSS JOIN LATERAL (SELECT ctid AS place FROM deliveries"
    "  WHERE delivery_id = i.delivery_id AND lease_owner = $1::bigint AND attempts_made = i.attempt - 1 OFFSET 0) d),"
    "finished AS ("
    " DELETE FROM deliveries WHERE lease_owner = $1::bigint"
    "  AND ctid = ANY (ARRAY (SELECT place FROM ours WHERE decision <> 'retry'))"
    " RETURNING delivery_id, event_type),"
    "again AS ("
    " UPDATE deliveries d SET lease_owner = NULL, parked = false,"
    "  (attempts_made, schedule_base, next_attempt_at, manual, resume_at) = ("
    "   SELECT d.attempts_made + i.counts::integer, d.schedule_base + (i.counts AND d.manual)::integer,"
    "    CASE WHEN i.counts AND d.resume_at IS NOT NULL THEN d.resume_at"
    "     ELSE clock_timestamp() + i.wait_us * interval '1 microsecond' END,"
    "    d.manual AND NOT i.counts, CASE WHEN NOT i.counts THEN d.resume_at END"
    "   FROM (SELECT ($20::boolean[])[at.place] AS counts, ($16::bigint[])[at.place] AS wait_us"
    "    FROM (SELECT array_position($5::uuid[], d.delivery_id) AS place OFFSET 0) at OFFSET 0) i)"
    " WHERE d.lease_owner = $1::bigint"
    "  AND d.ctid = ANY (ARRAY (SELECT place FROM ours WHERE decision = 'retry'))"
    " RETURNING d.delivery_id, d.event_type, d.next_attempt_at),"
    "done AS MATERIALIZED ("
    " SELECT i.*, c.event_type, c.next_attempt_at FROM input i JOIN ("
    "  SELECT delivery_id, event_type, NULL::timestamptz AS next_attempt_at FROM finished"
    "  UNION ALL SELECT * FROM again) c ON c.delivery_id = i.delivery_id),"
    "logged AS ("
    " INSERT INTO attempts (delivery_id, attempt, event_id, webhook_id, account_id, event_type, decision, error_class,"
    "  status, message, started_at, duration_us, next_attempt_at, remote_address, response_headers, response_body,"
    "  instance_id, manual, signed_at, webhook_revision)"
    " SELECT delivery_id, attempt, event_id, webhook_id, account_id, event_type, decision, error_class,"
    "  nullif(status, 0), nullif(message, ''), clock_timestamp() - began_us * interval '1 microsecond', duration_us,"
    "  next_attempt_at, nullif(remote_address, ''), nullif(response_headers, ''), nullif(response_body, ''),"
    "  $1::bigint, manual, nullif(signed_at, 0), webhook_revision"
    " FROM done WHERE counts),"
    "health AS MATERIALIZED ("
    " SELECT webhook_id, bool_or(decision IN ('retry', 'failed')) AS failed, bool_or(decision = 'delivered') AS worked,"
    "  bool_or(decision = 'delivered' AND was_failing) AS cleared, bool_or(gone) AS gone"
    " FROM done WHERE counts GROUP BY webhook_id"
    " HAVING bool_or(decision IN ('retry', 'failed') OR decision = 'delivered' AND was_failing)"
    " ORDER BY webhook_id),"
    "verdict AS MATERIALIZED ("
    " SELECT w.webhook_id, h.worked, CASE WHEN NOT w.enabled THEN NULL WHEN h.gone THEN 'gone'"
    "  WHEN NOT h.worked AND w.too_long THEN 'failing' END AS disable, NOT h.worked AND w.unreported AS report"
    " FROM health h CROSS JOIN LATERAL ("
    // Filtered inside, before the lock: a webhook of which nothing changes is not locked.
    "  SELECT webhook_id, enabled, failing_since,"
    "   coalesce($2::bigint > 0 AND failing_since < clock_timestamp() - $2::bigint * interval '1 hour', false)"
    "    AS too_long,"
    "   coalesce($3::bigint > 0 AND failing_since < clock_timestamp() - $3::bigint * interval '1 minute', false)"
    "    AND enabled AND failing_reported_at IS NULL AND account_id <> $4::text AS unreported"
    "  FROM webhooks"
    "  WHERE webhook_id = h.webhook_id AND deleted_at IS NULL AND (h.gone AND enabled"
    "   OR h.cleared AND failing_since IS NOT NULL OR h.failed AND NOT h.worked AND (failing_since IS NULL"
    "    OR enabled AND $2::bigint > 0 AND failing_since < clock_timestamp() - $2::bigint * interval '1 hour'"
    "    OR enabled AND $3::bigint > 0 AND failing_since < clock_timestamp() - $3::bigint * interval '1 minute'"
    "     AND failing_reported_at IS NULL AND account_id <> $4::text))"
    "  OFFSET 0 FOR NO KEY UPDATE) w),"
    "changed AS ("
    " UPDATE webhooks w SET"
    "  failing_since = CASE WHEN NOT v.worked THEN coalesce(w.failing_since, clock_timestamp()) END,"
    "  failing_reported_at = CASE WHEN NOT v.worked THEN"
    "   coalesce(w.failing_reported_at, CASE WHEN v.report THEN clock_timestamp() END) END,"
    "  enabled = w.enabled AND v.disable IS NULL,"
    "  disabled_reason = coalesce(w.disabled_reason, v.disable),"
    "  disabled_at = coalesce(w.disabled_at, CASE WHEN v.disable IS NOT NULL THEN clock_timestamp() END),"
    "  revision = nextval('webhook_revisions'), changed_at = clock_timestamp()"
    " FROM verdict v"
    " WHERE w.webhook_id = v.webhook_id AND w.webhook_id = ANY (ARRAY (SELECT webhook_id FROM verdict))"
    " RETURNING w.*, v.disable, v.report),"
    "told AS ("
    " INSERT INTO operational_outbox (event_type, payload)"
    " SELECT 'webhook.disabled', json_build_object('webhook', json_build_object('id', webhook_id,"
    "  'account_id', account_id, 'name', name, 'url', url, 'disabled_reason', disabled_reason,"
    "  'disabled_at', " KLEN_UTC("disabled_at") ", 'failing_since', " KLEN_UTC("failing_since") "))"
    " FROM changed WHERE disable IS NOT NULL AND account_id <> $4::text"
    "  AND " KLEN_LISTENED("'webhook.disabled', 'webhook.*', '*'")
    " UNION ALL"
    " SELECT 'webhook.failing', json_build_object('webhook', json_build_object('id', webhook_id,"
    "  'account_id', account_id, 'name', name, 'url', url, 'failing_since', " KLEN_UTC("failing_since") "))"
    " FROM changed WHERE report AND disable IS NULL AND " KLEN_LISTENED("'webhook.failing', 'webhook.*', '*'")
    " UNION ALL"
    " SELECT 'delivery.exhausted', json_build_object('delivery', json_build_object('id', delivery_id,"
    "  'event_id', event_id, 'webhook_id', webhook_id, 'account_id', account_id, 'event_type', event_type,"
    "  'attempts_made', attempt, 'error_class', error_class, 'status', nullif(status, 0)))"
    " FROM done WHERE decision = 'failed' AND account_id <> $4::text"
    "  AND " KLEN_LISTENED("'delivery.exhausted', 'delivery.*', '*'") ") "
    "SELECT 'done', delivery_id, NULL FROM done "
    "UNION ALL SELECT 'disabled', webhook_id, disable FROM verdict WHERE disable IS NOT NULL"};
// clang-format on

// What nearly every delivery comes to: an attempt was answered with 2xx, and nothing else follows. The same as above
// would write, in half the time (docs/PERFORMANCE.md): what is known of such a row is not sent, and the guards are the
// same for all. $2: which attempt it was.
constexpr statement write_plain_successes{
    "write_plain_successes",
    "WITH finished AS ("
    " DELETE FROM deliveries WHERE lease_owner = $1::bigint AND attempts_made = $2::integer - 1 AND NOT manual"
    "  AND delivery_id = ANY ($3::uuid[])"
    " RETURNING delivery_id, event_id, webhook_id, account_id, event_type),"
    "logged AS ("
    " INSERT INTO attempts (delivery_id, attempt, event_id, webhook_id, account_id, event_type, decision, status,"
    "  started_at, duration_us, remote_address, response_headers, response_body, instance_id, signed_at,"
    "  webhook_revision)"
    " SELECT f.delivery_id, $2::integer, f.event_id, f.webhook_id, f.account_id, f.event_type, 'delivered', i.status,"
    "  clock_timestamp() - i.began_us * interval '1 microsecond', i.duration_us, nullif(i.remote_address, ''),"
    "  nullif(i.response_headers, ''), nullif(i.response_body, ''), $1::bigint, i.signed_at, i.webhook_revision"
    " FROM finished f JOIN unnest($3::uuid[], $4::smallint[], $5::bigint[], $6::bigint[], $7::text[], $8::bytea[],"
    "  $9::bytea[], $10::bigint[], $11::bigint[])"
    "  AS i (delivery_id, status, began_us, duration_us, remote_address, response_headers, response_body, signed_at,"
    "   webhook_revision) ON i.delivery_id = f.delivery_id) "
    "SELECT delivery_id FROM finished"};

/// Below that, a statement and a commit of their own cost more than they save.
constexpr std::size_t plain_successes_min = 16;

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
        gone{pg_type::boolean}, was_failing{pg_type::boolean}, manual{pg_type::boolean}, signed_at{pg_type::int8},
        revision{pg_type::int8};

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
        manual.add(one.manual);
        signed_at.add_int8(one.signed_at);
        revision.add_int8(one.webhook_revision);
    }
    parameters all(instance_id owner, failure_rules const& rules) const {
        bool const reports = !rules.operational_account.empty();
        parameters out;
        out.int8(owner.value).int8(rules.disable_after.count());
        out.int8(reports ? rules.report_after.count() : 0).text(rules.operational_account);
        for (auto const* column : {&delivery, &attempt, &event, &webhook,     &account, &decision,  &error,
                                   &status,   &message, &began, &duration,    &wait,    &remote,    &headers,
                                   &body,     &counts,  &gone,  &was_failing, &manual,  &signed_at, &revision})
            out.array(*column);
        return out;
    }
};

bool is_plain_success(attempt_record const& one) {
    return one.verdict.what == policy::decision::delivered && !one.manual && !one.was_failing && one.signed_at != 0 &&
           !one.verdict.disable_webhook && one.result.error == policy::error_class::none && one.result.message.empty();
}

/// The attempt number of most of the plain successes: of nearly all, whether they are new or a herd of retries.
int usual_attempt(std::span<attempt_record const> batch) {
    std::map<int, std::size_t> count;
    for (auto const& one : batch)
        if (is_plain_success(one))
            ++count[one.attempt];
    auto const most = std::ranges::max_element(count, {}, [](auto const& entry) { return entry.second; });
    return most == count.end() ? 0 : most->first;
}

using record_span = std::span<attempt_record const>;
using delivery_set = std::unordered_set<delivery_id>;

/// All of one attempt number. Takes what was written from `missing`.
result<void> write_successes(session& link, instance_id owner, record_span batch, delivery_set& missing) {
    binary_array delivery(pg_type::uuid), status(pg_type::int2), began(pg_type::int8), duration(pg_type::int8),
        remote(pg_type::text), headers(pg_type::bytes), body(pg_type::bytes), signed_at(pg_type::int8),
        revision(pg_type::int8);
    auto const now = steady_clock::now();
    for (auto const& one : batch) {
        delivery.add(one.delivery);
        status.add_int2(static_cast<std::int16_t>(one.result.status));
        began.add_int8(microseconds_since(one.started, now));
        duration.add_int8(one.result.duration.count());
        remote.add(std::string_view(storable_text(one.result.remote_address)));
        headers.add(std::string_view(one.result.response_headers));
        body.add(std::string_view(one.result.response_body));
        signed_at.add_int8(one.signed_at);
        revision.add_int8(one.webhook_revision);
    }
    parameters with;
    with.int8(owner.value).int4(batch.front().attempt);
    for (auto const* column : {&delivery, &status, &began, &duration, &remote, &headers, &body, &signed_at, &revision})
        with.array(*column);
    auto const answer = link.run(write_plain_successes, with);
    if (!answer)
        return answer.error();
    for (std::size_t i = 0; i < answer->size(); ++i)
        missing.erase(answer->id<delivery_id>(i, 0));
    return {};
}

/// Takes what was written from `missing`; returns the webhooks that were disabled, and why.
result<std::vector<std::pair<webhook_id, std::string>>>
write_others(session& link, instance_id owner, record_span batch, failure_rules const& rules, delivery_set& missing) {
    columns sent;
    auto const now = steady_clock::now();
    for (auto const& one : batch)
        sent.add(one, now);
    auto const answer = link.run(write_outcomes, sent.all(owner, rules));
    if (!answer)
        return answer.error();
    std::vector<std::pair<webhook_id, std::string>> disabled;
    for (std::size_t i = 0; i < answer->size(); ++i) {
        if (answer->text(i, 0) == "done")
            missing.erase(answer->id<delivery_id>(i, 1));
        else
            disabled.emplace_back(answer->id<webhook_id>(i, 1), std::string(answer->text(i, 2)));
    }
    return disabled;
}

/// Takes from `missing` what is on record as ours.
result<void> forgive_recorded(session& link, instance_id owner, record_span batch, delivery_set& missing) {
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
                                      failure_rules const& rules) {
    auto const attempt = usual_attempt(batch);
    auto const others = std::ranges::partition(
        batch, [attempt](attempt_record const& one) { return one.attempt == attempt && is_plain_success(one); });
    auto const plain = static_cast<std::size_t>(others.begin() - batch.begin());
    auto const first = plain < plain_successes_min && !others.empty() ? 0 : plain;
    // In one order everywhere but in the long statement, which goes by place: nobody else changes several leased rows
    // of this instance at once, short of giving them back when it is taken for dead; then a repeat settles it.
    auto const by_delivery = [](auto from, auto to) { std::ranges::sort(from, to, {}, &attempt_record::delivery); };
    auto const middle = batch.begin() + static_cast<std::ptrdiff_t>(first);
    by_delivery(batch.begin(), middle);
    by_delivery(middle, batch.end());

    delivery_set missing;
    for (auto const& one : batch)
        missing.insert(one.delivery);
    auto const all = record_span(batch);
    record_result out;
    // When the second one fails, the caller repeats both: what the first has written is then on record as ours.
    if (first > 0)
        if (auto written = write_successes(link, owner, all.first(first), missing); !written)
            return written.error();
    if (first < all.size()) {
        auto disabled = write_others(link, owner, all.subspan(first), rules, missing);
        if (!disabled)
            return disabled.error();
        out.disabled = std::move(*disabled);
    }
    if (!missing.empty())
        if (auto asked = forgive_recorded(link, owner, all, missing); !asked)
            return asked.error();
    out.lost.assign(missing.begin(), missing.end());
    return out;
}

} // namespace klen::webhooks::store
