#include "upkeep.hpp"

#include <algorithm>

namespace klen::webhooks::store {

namespace {

constexpr std::int32_t days_ahead = 3;
constexpr std::size_t rows_at_once = 10'000;
constexpr std::size_t webhooks_at_once = 1'000; ///< each with what belongs to it

constexpr statement take_turn{"take_upkeep_turn", "SELECT pg_try_advisory_xact_lock(7236284118012)"};
constexpr statement make_ahead{"make_partitions", "SELECT make_partitions($1::integer)"};
constexpr statement drop_old{"drop_partitions", "SELECT drop_partitions(make_interval(hours => $1::integer))"};
constexpr statement forget_keys{
    "forget_keys", "DELETE FROM idempotency_keys WHERE ctid IN (SELECT ctid FROM idempotency_keys"
                   " WHERE created_at < clock_timestamp() - make_interval(hours => $1::integer) LIMIT 10000)"};
// Not while somebody is at it: a call that comes again and again may be older than the window.
constexpr statement forget_calls{
    "forget_calls", "DELETE FROM idempotent_calls WHERE ctid IN (SELECT ctid FROM idempotent_calls"
                    " WHERE created_at < clock_timestamp() - make_interval(hours => $1::integer)"
                    " AND (status IS NOT NULL OR begun_at < clock_timestamp() - interval '1 hour') LIMIT 10000)"};
constexpr statement forget_statistics{
    "forget_statistics", "DELETE FROM webhook_statistics WHERE ctid IN (SELECT ctid FROM webhook_statistics"
                         " WHERE bucket_at < clock_timestamp() - make_interval(hours => $1::integer) LIMIT 10000)"};
// A day longer than events: whole days of attempts are dropped, so the oldest are up to a day older than their time.
constexpr statement forget_secrets{
    "forget_secrets", "DELETE FROM webhook_secrets WHERE ctid IN (SELECT ctid FROM webhook_secrets"
                      " WHERE expires_at < clock_timestamp() - make_interval(days => 1, hours => $1::integer)"
                      " LIMIT 10000 FOR UPDATE SKIP LOCKED)"};
// A day longer than calls can be repeated: one that comes again and again may be older than the window.
constexpr statement forget_resends{
    "forget_resends", "DELETE FROM resends WHERE ctid IN (SELECT ctid FROM resends"
                      " WHERE created_at < clock_timestamp() - make_interval(days => 1, hours => $1::integer)"
                      " LIMIT 10000)"};
constexpr statement forget_tellers{
    "forget_tellers", "DELETE FROM health_tellers WHERE ctid IN (SELECT ctid FROM health_tellers"
                      " WHERE told_at < clock_timestamp() - make_interval(hours => $1::integer) LIMIT 10000)"};
constexpr statement forget_jobs{"forget_jobs",
                                "DELETE FROM webhook_jobs WHERE ctid IN (SELECT ctid FROM webhook_jobs"
                                " WHERE finished_at < clock_timestamp() - make_interval(hours => $1::integer)"
                                " LIMIT 10000)"};
// A version is needed for as long as there are attempts that were made with it: until the retention is over after the
// next one came. Old custom headers may hold credentials.
constexpr statement forget_versions{
    "forget_versions", "DELETE FROM webhook_versions WHERE ctid IN (SELECT v.ctid FROM webhook_versions v"
                       " WHERE EXISTS (SELECT FROM webhook_versions n WHERE n.webhook_id = v.webhook_id"
                       "  AND n.revision > v.revision"
                       "  AND n.created_at < clock_timestamp() - make_interval(days => 1, hours => $1::integer))"
                       " LIMIT 10000)"};
// Of a webhook that was deleted its history is shown until the last attempt is past its retention, a day later than
// events as above. Its queue is emptied by whoever claims what is left: not before.
constexpr statement forget_webhooks{
    "forget_webhooks",
    "WITH gone AS MATERIALIZED ("
    " SELECT webhook_id FROM webhooks w"
    " WHERE deleted_at < clock_timestamp() - make_interval(days => 1, hours => $1::integer)"
    "  AND NOT EXISTS (SELECT FROM deliveries d WHERE d.webhook_id = w.webhook_id)"
    "  AND NOT EXISTS (SELECT FROM webhook_jobs j WHERE j.webhook_id = w.webhook_id AND j.state = 'running')"
    " ORDER BY webhook_id LIMIT 1000 FOR UPDATE SKIP LOCKED),"
    "secrets AS (DELETE FROM webhook_secrets s USING gone g WHERE s.webhook_id = g.webhook_id),"
    "versions AS (DELETE FROM webhook_versions v USING gone g WHERE v.webhook_id = g.webhook_id),"
    "health AS (DELETE FROM webhook_health h USING gone g WHERE h.webhook_id = g.webhook_id) "
    "DELETE FROM webhooks w USING gone g WHERE w.webhook_id = g.webhook_id"};
// Every daemon has heard of the revocation by then.
constexpr statement forget_revoked{
    "forget_revoked_keys", "DELETE FROM api_keys WHERE ctid IN (SELECT ctid FROM api_keys"
                           " WHERE revoked_at < clock_timestamp() - make_interval(days => 1, hours => $1::integer)"
                           " LIMIT 10000 FOR UPDATE SKIP LOCKED)"};
// A daemon that has been dead for longer than attempts are kept made none of those that are left.
constexpr statement forget_senders{"forget_senders",
                                   "WITH alive AS (UPDATE senders SET seen_at = clock_timestamp()"
                                   "  WHERE instance_id IN (SELECT instance_id FROM instances))"
                                   " DELETE FROM senders WHERE instance_id NOT IN (SELECT instance_id FROM instances)"
                                   " AND seen_at < clock_timestamp() - make_interval(days => 1, hours => $1::integer)"};
constexpr hours statistics_kept{48};

// A transaction that somebody holds open leaves the dead entries at the index's begin where they are, millions perhaps:
// they are not walked over for long.
constexpr statement bound_look{"bound_look", "SELECT set_config('statement_timeout', '2s', true)"};
// Of other roles' sessions PostgreSQL shows these two columns to everybody. A session outside any database (a
// standby's) counts, another database's does not.
constexpr statement see_queue{
    "look_at_queue",
    "SELECT coalesce((extract(epoch FROM clock_timestamp() - (SELECT next_attempt_at FROM deliveries"
    "  WHERE lease_owner IS NULL AND NOT parked ORDER BY next_attempt_at LIMIT 1)) * 1000)::bigint, 0),"
    " n_live_tup, n_dead_tup,"
    " coalesce((SELECT max(a) FROM ("
    "  SELECT greatest(age(backend_xmin), age(backend_xid)) FROM pg_stat_activity"
    "   WHERE pid <> pg_backend_pid() AND (datname = current_database() OR datid IS NULL)"
    "  UNION ALL SELECT age(xmin) FROM pg_replication_slots"
    "  UNION ALL SELECT age(transaction) FROM pg_prepared_xacts WHERE database = current_database()) held (a)), 0)"
    " FROM pg_stat_user_tables WHERE relid = 'deliveries'::regclass"};

/// The steps of one round, each in a transaction of its own. After the first that failed, or that found another
/// instance at it, none is done.
class upkeep_round {
  public:
    explicit upkeep_round(session& on) : on_(on) {}

    /// A step that says what it did.
    void tell(statement const& what, std::int32_t argument) {
        auto const said = step(what, argument);
        for (std::size_t i = 0; i < said.size(); ++i)
            report_.emplace_back(said.text(i, 0));
    }
    /// A step that removes at most so many rows at once, until none is left.
    void remove(statement const& what, hours older_than, std::string const& called,
                std::size_t at_once = rows_at_once) {
        std::size_t removed = 0;
        for (std::size_t last = at_once; last >= at_once; removed += last)
            last = step(what, static_cast<std::int32_t>(older_than.count())).affected();
        if (removed > 0)
            report_.push_back("removed " + std::to_string(removed) + " " + called);
    }
    result<std::vector<std::string>> end() {
        if (!state_)
            return state_.error();
        return std::move(report_);
    }

  private:
    rows step(statement const& what, std::int32_t argument) {
        rows out;
        if (!state_ || !mine_)
            return out;
        state_ = on_.transact([&](session::work& in) -> result<void> {
            auto const turn = in.run(take_turn);
            if (!turn)
                return turn.error();
            mine_ = turn->boolean(0, 0);
            if (!mine_)
                return {};
            auto said = in.run(what, parameters().int4(argument));
            if (!said)
                return said.error();
            out = std::move(*said);
            return {};
        });
        return state_ ? out : rows();
    }

    session& on_;
    bool mine_ = true;
    result<void> state_;
    std::vector<std::string> report_;
};

} // namespace

result<std::vector<std::string>> do_upkeep(session& on, hours events_kept, hours idempotency_window) {
    upkeep_round round(on);
    round.tell(make_ahead, days_ahead);
    round.tell(drop_old, static_cast<std::int32_t>(events_kept.count()));
    round.remove(forget_keys, idempotency_window, "expired idempotency keys");
    round.remove(forget_calls, idempotency_window, "expired answers to idempotent calls");
    round.remove(forget_resends, idempotency_window, "resends that no call can repeat");
    round.remove(forget_tellers, statistics_kept, "daemons that told of no webhook's health");
    round.remove(forget_statistics, statistics_kept, "old rows of statistics");
    round.remove(forget_secrets, events_kept, "secrets that signed nothing that is kept");
    round.remove(forget_senders, events_kept, "senders of which nothing is kept");
    round.remove(forget_jobs, events_kept, "finished jobs");
    round.remove(forget_versions, events_kept, "former versions of webhooks");
    round.remove(forget_webhooks, events_kept, "deleted webhooks", webhooks_at_once);
    round.remove(forget_revoked, events_kept, "revoked keys");
    return round.end();
}

result<queue_condition> look_at_queue(session& on) {
    queue_condition out;
    auto const looked = on.transact([&](session::work& in) -> result<void> {
        if (auto const bound = in.run(bound_look); !bound)
            return bound.error();
        auto const seen = in.run(see_queue);
        if (!seen)
            return seen.error();
        auto const count = [&](int column) {
            return static_cast<std::uint64_t>(std::max<std::int64_t>(0, seen->int8(0, column)));
        };
        out = {milliseconds(count(0)), count(1), count(2), count(3)};
        return {};
    });
    if (!looked)
        return looked.error();
    return out;
}

} // namespace klen::webhooks::store
