#include "health.hpp"

#include "history_rows.hpp"

#include <algorithm>
#include <charconv>
#include <map>

namespace klen::webhooks::store {

namespace {

constexpr statement find_health{
    "find_health", "SELECT " KLEN_TIME("last_success_at") ", " KLEN_TIME(
                       "last_failure_at") ", last_failure_class,"
                                          " consecutive_failures FROM webhook_health WHERE webhook_id = $1::uuid"};
constexpr statement count_pending{
    "count_pending",
    "SELECT count(*) FROM (SELECT FROM deliveries WHERE webhook_id = $2::uuid AND account_id = $1::text"
    " LIMIT $3::bigint) d"};
// Whole buckets, the one that has begun included.
constexpr statement find_statistics{"find_statistics",
                                    "SELECT bucket_at > last - interval '1 hour', delivered, failed, durations FROM"
                                    " (SELECT date_bin('5 minutes', clock_timestamp(), 'epoch') AS last OFFSET 0) l"
                                    " CROSS JOIN LATERAL (SELECT * FROM webhook_statistics WHERE webhook_id = $1::uuid"
                                    "  AND bucket_at > l.last - interval '1 day') s"};

// $1 webhooks, in order: everybody locks them in the same one. $7: the durations of all, `buckets` ($8) each. $10, $11:
// who tells, and the number of its batch. One that was written before (its answer was lost) is not fresh; one that is
// being written still is waited for.
constexpr statement add_health{
    "add_health",
    "WITH fresh AS ("
    " INSERT INTO health_tellers AS h (told_by, number) VALUES ($10::uuid, $11::bigint)"
    " ON CONFLICT (told_by) DO UPDATE SET number = excluded.number, told_at = clock_timestamp()"
    "  WHERE h.number < excluded.number RETURNING told_by),"
    "told AS MATERIALIZED ("
    " SELECT t.* FROM fresh CROSS JOIN unnest($1::uuid[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[],"
    "  $6::text[], $9::bigint[]) WITH ORDINALITY AS t (webhook_id, delivered, failed, success_us, failure_us,"
    "  failure_class, failures, n)),"
    "states AS ("
    " INSERT INTO webhook_health AS h (webhook_id, last_success_at, last_failure_at, last_failure_class,"
    "  consecutive_failures)"
    " SELECT webhook_id, to_timestamp(success_us / 1000000.0), to_timestamp(failure_us / 1000000.0), failure_class,"
    "  failures FROM told ORDER BY webhook_id"
    " ON CONFLICT (webhook_id) DO UPDATE SET"
    "  last_success_at = greatest(h.last_success_at, excluded.last_success_at),"
    "  last_failure_at = greatest(h.last_failure_at, excluded.last_failure_at),"
    "  last_failure_class = CASE WHEN excluded.last_failure_at >= coalesce(h.last_failure_at, '-infinity')"
    "   THEN excluded.last_failure_class ELSE h.last_failure_class END,"
    "  consecutive_failures = excluded.consecutive_failures + CASE WHEN excluded.last_success_at IS NOT NULL"
    "   THEN 0 ELSE h.consecutive_failures END) "
    "INSERT INTO webhook_statistics AS s (bucket_at, webhook_id, delivered, failed, durations)"
    " SELECT date_bin('5 minutes', statement_timestamp(), 'epoch'), webhook_id, delivered, failed,"
    "  ($7::bigint[])[(n - 1) * $8::bigint + 1 : n * $8::bigint] FROM told ORDER BY webhook_id"
    " ON CONFLICT (webhook_id, bucket_at) DO UPDATE SET delivered = s.delivered + excluded.delivered,"
    "  failed = s.failed + excluded.failed, durations = add_counts(s.durations, excluded.durations)"};

void add_window(health_window& to, rows const& from, std::size_t row) {
    to.delivered += from.int8(row, 1);
    to.failed += from.int8(row, 2);
    auto const counts = parse_text_array(from.text(row, 3));
    for (std::size_t i = 0; i < std::min(counts.size(), to.durations.size()); ++i) {
        std::int64_t count = 0;
        std::from_chars(counts[i].data(), counts[i].data() + counts[i].size(), count);
        to.durations[i] += count;
    }
}

result<void> read_windows(session::work& in, webhook_id webhook, webhook_health& out) {
    auto const found = in.run(find_statistics, parameters().id(webhook));
    if (!found)
        return found.error();
    for (std::size_t i = 0; i < found->size(); ++i) {
        add_window(out.day, *found, i);
        if (found->boolean(i, 0))
            add_window(out.hour, *found, i);
    }
    return {};
}

void add_time(binary_array& to, std::optional<wall_time> at) {
    if (at)
        to.add_int8(microseconds_of(*at));
    else
        to.add_null();
}

} // namespace

health_record joined(health_record out, health_record const& later) {
    out.delivered += later.delivered;
    out.failed += later.failed;
    for (std::size_t i = 0; i < out.durations.size(); ++i)
        out.durations[i] += later.durations[i];
    out.failures_since_success = later.failures_since_success + (later.any_success() ? 0 : out.failures_since_success);
    out.last_success_at = std::max(out.last_success_at, later.last_success_at);
    if (later.last_failure_at && later.last_failure_at >= out.last_failure_at) {
        out.last_failure_at = later.last_failure_at;
        out.last_failure = later.last_failure;
    }
    return out;
}

result<webhook_health> read_health(session& on, std::string const& account_id, webhook_id webhook) {
    webhook_health out;
    auto const done = in_one_snapshot(on, [&](session::work& in) -> result<void> {
        if (auto known = check_webhook(in, account_id, webhook); !known)
            return known.error();
        auto const counted =
            in.run(count_pending, parameters().text(account_id).id(webhook).int8(pending_counted_max + 1));
        if (!counted)
            return counted.error();
        out.pending = static_cast<std::uint64_t>(counted->int8(0, 0));
        auto const found = in.run(find_health, parameters().id(webhook));
        if (!found)
            return found.error();
        if (!found->empty()) {
            out.last_success_at = optional_time_at(*found, 0, 0);
            out.last_failure_at = optional_time_at(*found, 0, 1);
            out.last_failure_class = found->text(0, 2);
            out.consecutive_failures = found->int8(0, 3);
        }
        return read_windows(in, webhook, out);
    });
    if (!done)
        return done.error();
    return out;
}

result<void> write_health(session& on, health_batch const& batch) {
    std::map<webhook_id, health_record> merged;
    for (auto const& one : batch.records)
        if (auto const [at, fresh] = merged.try_emplace(one.webhook, one); !fresh)
            at->second = joined(at->second, one);
    if (merged.empty())
        return {};
    binary_array webhooks(pg_type::uuid), delivered(pg_type::int8), failed(pg_type::int8), success(pg_type::int8),
        failure_at(pg_type::int8), failure_class(pg_type::text), durations(pg_type::int8), failures(pg_type::int8);
    for (auto const& [id, one] : merged) {
        webhooks.add(id);
        delivered.add_int8(one.delivered);
        failed.add_int8(one.failed);
        add_time(success, one.last_success_at);
        add_time(failure_at, one.last_failure_at);
        if (one.last_failure_at)
            failure_class.add(policy::to_string(one.last_failure));
        else
            failure_class.add_null();
        for (auto const count : one.durations)
            durations.add_int8(count);
        failures.add_int8(one.failures_since_success);
    }
    parameters with;
    with.array(webhooks).array(delivered).array(failed).array(success).array(failure_at).array(failure_class);
    with.array(durations).int8(duration_buckets).array(failures);
    with.uuid_value(batch.told_by).int8(batch.number);
    auto const done = on.run(add_health, with);
    if (!done)
        return done.error();
    return {};
}

} // namespace klen::webhooks::store
