#include "jobs.hpp"

#include "history_rows.hpp"
#include "lists.hpp"
#include "queueing.hpp"

#include "klen/webhooks/event/event_types.hpp"

namespace klen::webhooks::store {

namespace {

// clang-format off
#define KLEN_JOB_COLUMNS                                                                                               \
    "job_id, webhook_id, account_id, kind, " KLEN_TIME("since") ", " KLEN_TIME("until") ", never_attempted, state,"    \
    " message, examined, changed, " KLEN_TIME("created_at") ", " KLEN_TIME("updated_at") ", " KLEN_TIME("finished_at")
constexpr int job_columns = 14;

// $5, $6: microseconds since 1970; of a time that was not given an empty array.
#define KLEN_TIME_OF(parameter) "to_timestamp((" parameter "::bigint[])[1] / 1000000.0)"
constexpr statement add_job{
    "add_job",
    "INSERT INTO webhook_jobs (job_id, webhook_id, account_id, kind, since, until, never_attempted)"
    " VALUES ($3::uuid, $2::uuid, $1::text, $4::text, " KLEN_TIME_OF("$5") ","
    "  coalesce(" KLEN_TIME_OF("$6") ", clock_timestamp()), $7::boolean) ON CONFLICT DO NOTHING"};
constexpr statement find_job{
    "find_job", "SELECT " KLEN_JOB_COLUMNS " FROM webhook_jobs WHERE job_id = $2::uuid AND account_id = $1::text"};
constexpr statement list_jobs{
    "list_jobs", "SELECT " KLEN_JOB_COLUMNS " FROM webhook_jobs WHERE webhook_id = $2::uuid AND account_id = $1::text"
                 " ORDER BY job_id DESC LIMIT $3::integer"};
constexpr statement find_receiver{"find_receiver",
                                  "SELECT enabled, deleted_at IS NOT NULL, subscribed_events"
                                  " FROM webhooks WHERE webhook_id = $2::uuid AND account_id = $1::text"};

// In turn, so that no job waits for the end of another. One that found nothing to do but must look again rests.
constexpr statement lock_next_job{
    "lock_next_job",
    "SELECT " KLEN_JOB_COLUMNS ", stage, coalesce(position, '00000000-0000-0000-0000-000000000000') FROM webhook_jobs"
    " WHERE state = 'running' AND job_id <> ALL ($1::uuid[])"
    "  AND (stage <> 9 OR updated_at < clock_timestamp() - interval '1 second')"
    " ORDER BY updated_at LIMIT 1 FOR UPDATE SKIP LOCKED"};
// One that fails must not keep the others from their turn.
constexpr statement pass_job{"pass_job", "UPDATE webhook_jobs SET updated_at = clock_timestamp()"
                                         " WHERE job_id = $1::uuid AND state = 'running'"};
// A few are plenty: each takes its turn among all accounts' jobs, and what one account has takes as many turns.
constexpr std::int64_t running_jobs_max = 5;
constexpr std::int64_t running_jobs_of_account_max = 20;
constexpr statement count_running{"count_running_jobs",
                                  "SELECT count(*) FILTER (WHERE webhook_id = $2::uuid), count(*) FROM webhook_jobs"
                                  " WHERE account_id = $1::text AND state = 'running'"};
// Else several that are begun at once would each find room.
constexpr statement lock_account_jobs{"lock_account_jobs",
                                      "SELECT pg_advisory_xact_lock(hashtextextended($1::text, 7236284118014))"};
// Two jobs of one webhook take turns: both may be about to send the same event.
constexpr statement lock_webhook_jobs{"lock_webhook_jobs",
                                      "SELECT pg_advisory_xact_lock(hashtextextended($1::text, 7236284118013))"};
constexpr statement note_progress{
    "note_job_progress",
    "UPDATE webhook_jobs SET state = $2::text, message = $3::text, stage = $4::integer, position = $5::uuid,"
    " examined = examined + $6::bigint, changed = changed + $7::bigint, updated_at = clock_timestamp(),"
    " finished_at = CASE WHEN $2::text <> 'running' THEN clock_timestamp() END"
    " WHERE job_id = $1::uuid RETURNING " KLEN_JOB_COLUMNS};

// $2 webhook, $3 {failed}, $4 {}, $5 and $6 first and past the last id, $7 limit. Oldest first.
constexpr statement find_failed{
    "find_failed",
    "WITH RECURSIVE " KLEN_FINAL_TYPES ","
    "walked AS ("
    " SELECT w.* FROM final_types t CROSS JOIN LATERAL (SELECT delivery_id, attempt, event_id FROM attempts"
    "  WHERE webhook_id = $2::uuid AND decision = t.decision AND event_type = t.event_type AND " KLEN_FINAL
    "   AND delivery_id >= $5::uuid AND delivery_id < $6::uuid AND account_id = $1::text"
    "  ORDER BY delivery_id LIMIT $7::integer) w),"
    "page AS MATERIALIZED (SELECT * FROM walked ORDER BY delivery_id LIMIT $7::integer) "
    "SELECT p.delivery_id, p.attempt, e.event_id IS NOT NULL FROM page p LEFT JOIN LATERAL ("
    " SELECT event_id, account_id FROM events WHERE event_id = p.event_id OFFSET 0) e ON e.account_id = $1::text"
    " ORDER BY p.delivery_id"};

// $2: none, all types are wanted.
constexpr statement find_account_types{
    "find_account_types", "WITH RECURSIVE " KLEN_ACCOUNT_TYPES("$2") " SELECT event_type FROM account_types"};
constexpr statement find_candidates{"find_candidates",
                                    "SELECT e.event_id FROM unnest($2::text[]) AS t (event_type)"
                                    " CROSS JOIN LATERAL (SELECT event_id FROM events WHERE account_id = $1::text"
                                    "  AND event_type = t.event_type AND event_id >= $3::uuid AND event_id < $4::uuid"
                                    "  ORDER BY event_id LIMIT $5::integer) e ORDER BY e.event_id LIMIT $5::integer"};
// Everything that was made for an event has its millisecond: a narrow range of the primary keys.
constexpr statement add_missing{
    "add_missing_deliveries",
    "WITH given AS MATERIALIZED ("
    " SELECT * FROM unnest($3::uuid[], $4::uuid[], $5::uuid[]) AS g (event_id, first, past_last)),"
    "missing AS MATERIALIZED ("
    " SELECT e.event_id, e.event_type FROM given g CROSS JOIN LATERAL (SELECT event_id, event_type, account_id"
    "  FROM events WHERE event_id = g.event_id OFFSET 0) e"
    " WHERE e.account_id = $1::text"
    "  AND NOT EXISTS (SELECT FROM (SELECT event_id, webhook_id FROM deliveries"
    "   WHERE delivery_id >= g.first AND delivery_id < g.past_last OFFSET 0) d"
    "   WHERE d.event_id = g.event_id AND d.webhook_id = $2::uuid)"
    "  AND NOT EXISTS (SELECT FROM (SELECT event_id, webhook_id FROM attempts"
    "   WHERE delivery_id >= g.first AND delivery_id < g.past_last OFFSET 0) a"
    "   WHERE a.event_id = g.event_id AND a.webhook_id = $2::uuid)) "
    "INSERT INTO deliveries (delivery_id, event_id, webhook_id, account_id, event_type, parked)"
    " SELECT delivery_id_of(event_id), event_id, $2::uuid, $1::text, event_type, true FROM missing"
    " RETURNING delivery_id"};

// $2 webhook, $4 {}, $5 past the last id, $6 limit, $7 {not leased} or both states.
constexpr statement find_waiting{
    "find_waiting",
    "WITH RECURSIVE " KLEN_QUEUE_TYPES("$7")
    " SELECT w.delivery_id FROM queue_types t CROSS JOIN LATERAL ("
    " SELECT delivery_id FROM deliveries WHERE webhook_id = $2::uuid AND (lease_owner IS NOT NULL) = t.leased"
    "  AND event_type = t.event_type AND delivery_id < $5::uuid AND account_id = $1::text AND $3::text = ''"
    "  ORDER BY delivery_id LIMIT $6::integer) w LIMIT $6::integer"};
// clang-format on

failure no_webhook() { return {fault::not_found, "there is no such webhook"}; }
failure no_job() { return {fault::not_found, "there is no such job"}; }

webhook_job job_at(rows const& from, std::size_t row) {
    int column = 0;
    webhook_job out;
    out.id = from.id<job_id>(row, column++);
    out.webhook = from.id<webhook_id>(row, column++);
    out.account_id = from.text(row, column++);
    out.kind = from.text(row, column++) == to_string(job_kind::recover) ? job_kind::recover : job_kind::cancel;
    out.since = optional_time_at(from, row, column++);
    out.until = time_at(from, row, column++);
    out.never_attempted = from.boolean(row, column++);
    out.state = from.text(row, column++);
    out.message = from.text(row, column++);
    out.examined = static_cast<std::uint64_t>(from.int8(row, column++));
    out.changed = static_cast<std::uint64_t>(from.int8(row, column++));
    out.created_at = time_at(from, row, column++);
    out.updated_at = time_at(from, row, column++);
    out.finished_at = optional_time_at(from, row, column++);
    return out;
}

struct receiver {
    bool enabled = false;
    bool deleted = false;
    std::vector<std::string> subscribed_events;
};

result<receiver> read_receiver(session::work& in, std::string const& account_id, webhook_id id) {
    auto const found = in.run(find_receiver, parameters().text(account_id).id(id));
    if (!found)
        return found.error();
    if (found->empty())
        return no_webhook();
    return receiver{found->boolean(0, 0), found->boolean(0, 1), parse_text_array(found->text(0, 2))};
}

result<std::optional<webhook_job>> find(session::work& in, std::string const& account_id, job_id id) {
    auto const found = in.run(find_job, parameters().text(account_id).id(id));
    if (!found)
        return found.error();
    if (found->empty())
        return std::optional<webhook_job>();
    return std::optional(job_at(*found, 0));
}

binary_array optional_time(std::optional<wall_time> at) {
    binary_array out(pg_type::int8);
    if (at)
        out.add_int8(microseconds_of(*at));
    return out;
}

struct new_job {
    job_id id;
    job_kind kind{};
    std::optional<wall_time> since;
    std::optional<wall_time> until; ///< none: now
    bool never_attempted = false;
};

result<void> check_room(session::work& in, std::string const& account_id, webhook_id webhook) {
    if (auto turn = in.run(lock_account_jobs, parameters().text(account_id)); !turn)
        return turn.error();
    auto const running = in.run(count_running, parameters().text(account_id).id(webhook));
    if (!running)
        return running.error();
    auto const full = [](std::string const& who, std::int64_t max) {
        return failure{fault::conflict,
                       who + " has " + std::to_string(max) + " jobs running already; wait until one has ended"};
    };
    if (running->int8(0, 0) >= running_jobs_max)
        return full("this webhook", running_jobs_max);
    if (running->int8(0, 1) >= running_jobs_of_account_max)
        return full("this account", running_jobs_of_account_max);
    return {};
}

result<webhook_job> begin(session& on, std::string const& account_id, webhook_id webhook, new_job const& what) {
    result<webhook_job> out = no_job();
    auto const done = on.transact([&](session::work& in) -> result<void> {
        auto const before = find(in, account_id, what.id);
        if (!before)
            return before.error();
        if (*before) {
            out = **before;
            return {};
        }
        auto const to = read_receiver(in, account_id, webhook);
        if (!to)
            return to.error();
        if (to->deleted)
            return no_webhook();
        if (what.kind == job_kind::recover && !to->enabled)
            return failure{fault::conflict, "the webhook is disabled; enable it first"};
        if (auto room = check_room(in, account_id, webhook); !room)
            return room.error();
        parameters with;
        with.text(account_id).id(webhook).id(what.id).text(to_string(what.kind));
        with.array(optional_time(what.since)).array(optional_time(what.until)).boolean(what.never_attempted);
        if (auto added = in.run(add_job, with); !added)
            return added.error();
        auto const after = find(in, account_id, what.id);
        if (!after)
            return after.error();
        if (*after)
            out = **after;
        return {};
    });
    if (!done)
        return done.error();
    return out;
}

// --- steps ----------------------------------------------------------------------------------------------------------

enum stage : std::int16_t {
    recover_failed = 0,
    recover_missing = 1, ///< what was never sent
    cancel_all = 0,
    resting = 9, ///< looked, and has to look again
};

/// A job in the hands of a step.
struct held_job {
    webhook_job job;
    int stage = 0;
    uuid position; ///< beyond this id is what it has not looked at
};

struct progress {
    std::string state = "running";
    std::string message{};
    int stage = 0;
    uuid position{};
    std::uint64_t examined = 0;
    std::uint64_t changed = 0;
};

/// The id after this one: bounds include their first.
uuid after(uuid id) {
    for (auto byte = id.bytes.rbegin(); byte != id.bytes.rend(); ++byte)
        if (++*byte != 0)
            break;
    return id;
}

uuid first_of(held_job const& held) {
    auto const begin = held.job.since ? first_id_at(*held.job.since) : first_id;
    return held.position.is_nil() ? begin : std::max(begin, after(held.position));
}

parameters about(webhook_job const& job) { return parameters().text(job.account_id).id(job.webhook); }

result<progress> recover_failed_step(session::work& in, held_job const& held, std::uint32_t max) {
    auto with = about(held.job);
    with.array(text_array({std::string(policy::to_string(policy::decision::failed))})).array(text_array({}));
    with.uuid_value(first_of(held)).uuid_value(first_id_at(held.job.until)).int4(static_cast<std::int32_t>(max));
    auto const found = in.run(find_failed, with);
    if (!found)
        return found.error();
    std::vector<finished_delivery> sendable;
    for (std::size_t i = 0; i < found->size(); ++i)
        if (found->boolean(i, 2))
            sendable.push_back({found->id<delivery_id>(i, 0), static_cast<int>(found->int8(i, 1))});
    auto const queued = requeue(in, held.job.account_id, std::move(sendable), false);
    if (!queued)
        return queued.error();
    progress out{.stage = recover_failed, .examined = found->size(), .changed = queued->size()};
    if (found->size() == max)
        out.position = found->uuid_value(found->size() - 1, 0);
    else if (held.job.never_attempted)
        out.stage = recover_missing;
    else
        out.state = "done";
    return out;
}

/// Those of the account's event types that the webhook asks for now.
result<std::vector<std::string>> wanted_types(session::work& in, webhook_job const& job,
                                              std::vector<std::string> const& patterns) {
    auto const found = in.run(find_account_types, parameters().text(job.account_id).array(text_array({})));
    if (!found)
        return found.error();
    std::vector<std::string> out;
    for (std::size_t i = 0; i < found->size(); ++i)
        if (event::matches(patterns, found->text(i, 0)))
            out.emplace_back(found->text(i, 0));
    return out;
}

result<std::uint64_t> add_missing_deliveries(session::work& in, webhook_job const& job, rows const& events) {
    binary_array ids(pg_type::uuid), firsts(pg_type::uuid), ends(pg_type::uuid);
    for (std::size_t i = 0; i < events.size(); ++i) {
        auto const id = events.uuid_value(i, 0);
        auto const range = same_millisecond(id);
        ids.add(id);
        firsts.add(range.first);
        ends.add(range.past_last);
    }
    auto const added = in.run(add_missing, about(job).array(ids).array(firsts).array(ends));
    if (!added)
        return added.error();
    return added->size();
}

result<progress> recover_missing_step(session::work& in, held_job const& held, receiver const& to, std::uint32_t max) {
    auto const types = wanted_types(in, held.job, to.subscribed_events);
    if (!types)
        return types.error();
    parameters with;
    with.text(held.job.account_id).array(text_array(*types)).uuid_value(first_of(held));
    with.uuid_value(first_id_at(held.job.until)).int4(static_cast<std::int32_t>(max));
    auto const events = in.run(find_candidates, with);
    if (!events)
        return events.error();
    auto const added = add_missing_deliveries(in, held.job, *events);
    if (!added)
        return added.error();
    progress out{.stage = recover_missing, .examined = events->size(), .changed = *added};
    if (events->size() == max)
        out.position = events->uuid_value(events->size() - 1, 0);
    else
        out.state = "done";
    return out;
}

result<std::vector<delivery_id>> find_in_queue(session::work& in, webhook_job const& job, std::uint32_t max,
                                               bool leased_too) {
    binary_array states(pg_type::boolean);
    states.add(false);
    if (leased_too)
        states.add(true);
    // What was accepted in the very millisecond of the call was there, too.
    auto const end = first_id_at(job.until + milliseconds(1));
    auto with = about(job);
    with.text("").array(text_array({})).uuid_value(end).int4(static_cast<std::int32_t>(max)).array(states);
    auto const found = in.run(find_waiting, with);
    if (!found)
        return found.error();
    std::vector<delivery_id> out;
    for (std::size_t i = 0; i < found->size(); ++i)
        out.push_back(found->id<delivery_id>(i, 0));
    return out;
}

/// What an instance works on ends by itself, or comes back to the queue and is found by a later step.
result<progress> cancel_step(session::work& in, held_job const& held, std::uint32_t max) {
    auto waiting = find_in_queue(in, held.job, max, false);
    if (!waiting)
        return waiting.error();
    auto const cancelled = cancel_waiting(in, held.job.account_id, *waiting);
    if (!cancelled)
        return cancelled.error();
    progress out{.stage = cancel_all, .examined = waiting->size(), .changed = cancelled->size()};
    if (!cancelled->empty())
        return out;
    auto const left = find_in_queue(in, held.job, 1, true);
    if (!left)
        return left.error();
    if (left->empty())
        out.state = "done";
    else
        out.stage = resting;
    return out;
}

result<progress> step(session::work& in, held_job const& held, std::uint32_t max) {
    auto const to = read_receiver(in, held.job.account_id, held.job.webhook);
    if (!to && to.error().kind != fault::not_found)
        return to.error();
    if (held.job.kind == job_kind::cancel)
        return cancel_step(in, held, max);
    if (!to || to->deleted)
        return progress{.state = "stopped", .message = "the webhook was deleted", .stage = held.stage};
    if (held.stage == recover_missing)
        return recover_missing_step(in, held, *to, max);
    return recover_failed_step(in, held, max);
}

result<webhook_job> write_progress(session::work& in, webhook_job const& of, progress const& what) {
    parameters with;
    with.id(of.id).text(what.state).text(what.message).int4(what.stage).uuid_value(what.position);
    with.int8(static_cast<std::int64_t>(what.examined)).int8(static_cast<std::int64_t>(what.changed));
    auto const noted = in.run(note_progress, with);
    if (!noted)
        return noted.error();
    if (noted->empty())
        return no_job();
    return job_at(*noted, 0);
}

std::uint32_t deliveries_max(job_plan const& how, job_id id) {
    auto const smaller = how.smaller.find(id);
    return std::max(smaller == how.smaller.end() ? how.deliveries_max : smaller->second, 1U);
}

} // namespace

result<webhook_job> begin_recover_job(session& on, std::string const& account_id, webhook_id webhook,
                                      recover_request const& what) {
    return begin(on, account_id, webhook, {what.id, job_kind::recover, what.since, what.until, what.never_attempted});
}

result<webhook_job> begin_cancel_job(session& on, std::string const& account_id, webhook_id webhook, job_id id) {
    return begin(on, account_id, webhook, {id, job_kind::cancel, {}, {}, false});
}

result<webhook_job> read_job(session& on, std::string const& account_id, job_id id) {
    auto const found = on.run(find_job, parameters().text(account_id).id(id));
    if (!found)
        return found.error();
    if (found->empty())
        return no_job();
    return job_at(*found, 0);
}

result<std::vector<webhook_job>> read_jobs(session& on, std::string const& account_id, webhook_id webhook,
                                           std::uint32_t limit) {
    std::vector<webhook_job> out;
    auto const done = in_one_snapshot(on, [&](session::work& in) -> result<void> {
        if (auto known = check_webhook(in, account_id, webhook); !known)
            return known.error();
        auto const found =
            in.run(list_jobs, parameters().text(account_id).id(webhook).int4(static_cast<std::int32_t>(limit)));
        if (!found)
            return found.error();
        for (std::size_t i = 0; i < found->size(); ++i)
            out.push_back(job_at(*found, i));
        return {};
    });
    if (!done)
        return done.error();
    return out;
}

result<std::optional<history_store::job_step>> take_job_step(session& on, job_plan const& how) {
    std::optional<history_store::job_step> out;
    std::optional<webhook_job> at;
    auto const done = on.transact([&](session::work& in) -> result<void> {
        auto const next = in.run(lock_next_job, parameters().array(uuid_array(how.resting)));
        if (!next)
            return next.error();
        if (next->empty())
            return {};
        held_job const held{job_at(*next, 0), static_cast<int>(next->int8(0, job_columns)),
                            next->uuid_value(0, job_columns + 1)};
        at = held.job;
        if (auto turn = in.run(lock_webhook_jobs, parameters().text(held.job.webhook.text())); !turn)
            return turn.error();
        auto const made = step(in, held, deliveries_max(how, held.job.id));
        if (!made)
            return made.error();
        auto const now = write_progress(in, held.job, *made);
        if (!now)
            return now.error();
        out = {*now, held.job.kind == job_kind::recover && made->changed > 0, {}};
        return {};
    });
    if (done)
        return out;
    if (!at)
        return done.error();
    if (done.error().kind != fault::connection_lost)
        on.run(pass_job, parameters().id(at->id));
    return std::optional(history_store::job_step{*at, false, done.error()});
}

} // namespace klen::webhooks::store
