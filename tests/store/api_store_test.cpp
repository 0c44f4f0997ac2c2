#include "store/api_store_fixture.hpp"
#include "store/session.hpp"
#include "store/unix_proxy.hpp"

#include <future>
#include <set>

namespace klen::webhooks::store {
namespace {

using namespace test;

class api_store_test : public api_store_fixture {};

/// Begun by one thread at once, as an io thread does.
template <class T>
task<std::vector<result<T>>> many(int count, std::function<task<result<T>>()> one) {
    auto const ex = co_await asio::this_coro::executor;
    one_shot<bool> all;
    auto const end = all.set();
    auto const answers = std::make_shared<std::vector<result<T>>>();
    auto const wanted = static_cast<std::size_t>(count);
    for (int i = 0; i < count; ++i)
        asio::co_spawn(ex, one(), [answers, wanted, end](std::exception_ptr, result<T> got) {
            answers->push_back(std::move(got));
            if (answers->size() == wanted)
                end(true);
        });
    auto waiting = all.wait();
    co_await std::move(waiting);
    co_return *answers;
}

template <class T>
bool four_of(std::function<task<result<T>>()> one) {
    return std::ranges::all_of(run(many<T>(4, std::move(one))),
                               [](auto const& got) { return got || got.error().kind == fault::not_found; });
}

TEST_F(api_store_test, changes_are_seen_from_then_on) {
    auto const old = create("a");
    db.query("UPDATE webhooks SET changed_at = now() - interval '1 minute'");
    auto const start = run(api->changes_since("")).value();
    EXPECT_TRUE(start.webhooks.empty());
    EXPECT_FALSE(start.cursor.empty());
    auto const fresh = create("a");
    api_key_row key;
    key.hash.fill(1);
    run(api->create_api_key(key)).value();
    auto const next = run(api->changes_since(start.cursor)).value();
    EXPECT_EQ(next.webhooks, (std::vector{std::pair{fresh.id, fresh.revision}}));
    EXPECT_EQ(next.api_keys.size(), 1U);
    ASSERT_TRUE(run(api->delete_webhook("a", old.id)));
    std::set<webhook_id> changed;
    for (auto const& [id, revision] : run(api->changes_since(next.cursor)).value().webhooks)
        changed.insert(id);
    EXPECT_TRUE(changed.contains(old.id));
    EXPECT_FALSE(run(api->changes_since("nonsense")));
}

TEST_F(api_store_test, changes_are_seen_however_long_the_calls_take) {
    auto options = db.options();
    options.statement_timeout = std::chrono::seconds(8);
    auto const own = make_api_store(options, 1);
    db.query("SELECT pg_advisory_lock(7236285, hashtext('a'))"); // what whoever makes a key of that account waits for
    api_key_row key;
    key.account_id = "a";
    auto slow = std::async(std::launch::async, [&] { return run(own->create_api_key(key, 5)); });
    ASSERT_TRUE(eventually([&] {
        return db.number("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'advisory'"
                         " AND datname = current_database()") == 1;
    }));
    EXPECT_TRUE(run(own->changes_since("")));
    EXPECT_NE(slow.wait_for(std::chrono::seconds(0)), std::future_status::ready) << "it was not waited for";
    db.query("SELECT pg_advisory_unlock(7236285, hashtext('a'))");
    EXPECT_TRUE(slow.get());
}

TEST_F(api_store_test, no_call_of_an_account_takes_all_connections) {
    auto options = db.options();
    options.statement_timeout = std::chrono::seconds(30);
    auto const own = make_api_store(options, 2);
    webhook_filter of_b;
    of_b.account_id = "b";
    idempotent_call call;
    call.account_id = "a";
    std::map<std::string, std::function<bool()>> const calls{
        {"begin", [&] { return four_of<idempotent_begin>([&] { return own->begin_idempotent(call); }); }},
        {"finish", [&] { return four_of<void>([&] { return own->finish_idempotent(call, {}); }); }},
        {"forget", [&] { return four_of<void>([&] { return own->forget_idempotent(call); }); }},
        {"event types", [&] { return four_of<std::vector<event_type_row>>([&] { return own->event_types("a"); }); }},
        {"show key",
         [&] { return four_of<api_key_row>([&] { return own->show_api_key("a", make_id<api_key_id>()); }); }},
        {"revoke key",
         [&] { return four_of<api_key_row>([&] { return own->revoke_api_key("a", make_id<api_key_id>()); }); }}};
    for (auto const& [name, one] : calls) {
        db.query("BEGIN; LOCK TABLE idempotent_calls, event_types, api_keys");
        auto slow = std::async(std::launch::async, one);
        EXPECT_TRUE(eventually([&] {
            return db.number("SELECT count(*) FROM pg_locks WHERE NOT granted AND database ="
                             " (SELECT oid FROM pg_database WHERE datname = current_database())") > 0;
        })) << name;
        auto others = std::async(std::launch::async, [&] { return run(own->list_webhooks(of_b, {})); });
        EXPECT_EQ(others.wait_for(std::chrono::seconds(5)), std::future_status::ready) << name;
        db.query("ROLLBACK");
        EXPECT_TRUE(others.get()) << name;
        EXPECT_TRUE(slow.get()) << name;
    }
}

TEST_F(api_store_test, ping_says_whether_the_database_answers) {
    EXPECT_TRUE(run(api->ping()));
    unix_proxy proxy(db.url());
    auto options = db.options();
    options.url = proxy.url();
    auto const own = make_api_store(options, 1);
    EXPECT_TRUE(run(own->ping()));
    proxy.refuse();
    auto took = std::chrono::nanoseconds::max();
    EXPECT_TRUE(eventually([&] { // the answer before serves for a moment
        auto const began = std::chrono::steady_clock::now();
        auto const failed = run(own->ping()).has_error();
        took = std::chrono::steady_clock::now() - began;
        return failed;
    }));
    EXPECT_LT(took, std::chrono::milliseconds(1500));
    proxy.admit();
    EXPECT_TRUE(eventually([&] { return run(own->ping()).has_value(); }));
}

TEST_F(api_store_test, however_many_probe_at_once_the_database_answers_them) {
    for (auto const& answer : run(many<void>(200, [&] { return api->ping(); })))
        EXPECT_TRUE(answer) << answer.error().message;
}

TEST_F(api_store_test, upkeep_makes_and_drops_partitions_and_forgets_keys) {
    auto const partitions = [&] {
        return db.number("SELECT count(*) FROM pg_inherits WHERE inhparent = 'events'::regclass");
    };
    db.query(
        "DO $$ DECLARE old date := current_date - 40; BEGIN EXECUTE format('CREATE TABLE %I PARTITION OF events FOR"
        " VALUES FROM (%L) TO (%L)', 'events_' || to_char(old, 'YYYYMMDD'), uuid_v7_floor(old::timestamptz),"
        " uuid_v7_floor(old::timestamptz + interval '1 day')); END $$");
    db.query("DO $$ BEGIN EXECUTE 'DROP TABLE events_' || to_char(current_date + 3, 'YYYYMMDD'); END $$");
    // An event of a daemon whose clock was far off lies in the default partition, and goes in the end as well.
    db.query("INSERT INTO events (event_id, account_id, event_type, body, accepted_at)"
             " VALUES (uuid_v7_floor(now() - interval '60 days'), 'a', 'x', '', now() - interval '40 days')");
    db.query("INSERT INTO idempotent_calls SELECT 'a', i::text, '', gen_random_uuid(), 201, '', 'k1', t, t"
             " FROM generate_series(0, 99) i, LATERAL (SELECT now() - i * interval '1 hour' AS t) t");
    db.query("INSERT INTO idempotency_keys SELECT 'a', i::text, gen_random_uuid(), '', now() - i * interval '1 hour'"
             " FROM generate_series(0, 99) i");
    auto const before = partitions();
    auto const report = run(api->maintain(hours(24 * 30), hours(48))).value();
    EXPECT_EQ(partitions(), before); // one more, one less
    EXPECT_EQ(db.number("SELECT count(*) FROM idempotency_keys"), 48);
    EXPECT_EQ(db.number("SELECT count(*) FROM idempotent_calls"), 48);
    EXPECT_EQ(db.number("SELECT count(*) FROM events_default"), 0);
    EXPECT_EQ(report.size(), 5U) << testing::PrintToString(report);
    EXPECT_TRUE(run(api->maintain(hours(24 * 30), hours(48))).value().empty());
}

// The daemon's clock was two months behind: what it accepts now has deliveries that need it.
TEST_F(api_store_test, upkeep_keeps_what_was_accepted_lately_whatever_its_id_says) {
    ASSERT_TRUE(run(api->maintain(hours(24 * 30), hours(48)))); // what a new database still lacks
    db.query("INSERT INTO events (event_id, account_id, event_type, body)"
             " VALUES (uuid_v7_floor(now() - interval '60 days'), 'a', 'x', '')");
    db.query("INSERT INTO attempts (delivery_id, attempt, event_id, webhook_id, account_id, event_type, decision,"
             " started_at, duration_us, instance_id, signed_at) SELECT id, 1, id, id, 'a', 'x', 'retry', now(), 1, 1, 1"
             " FROM (SELECT uuid_v7_floor(now() - interval '60 days') AS id) o");
    EXPECT_TRUE(run(api->maintain(hours(24 * 30), hours(48))).value().empty());
    EXPECT_EQ(db.number("SELECT count(*) FROM events_default"), 1);
    EXPECT_EQ(db.number("SELECT count(*) FROM attempts_default"), 1);
}

TEST_F(api_store_test, upkeep_leaves_a_day_that_began_without_its_partition_alone) {
    db.query("DO $$ BEGIN EXECUTE 'DROP TABLE events_' || to_char(current_date + 2, 'YYYYMMDD'); END $$");
    db.query("INSERT INTO events (event_id, account_id, event_type, body)"
             " VALUES (uuid_v7_floor(current_date::timestamptz + interval '60 hours'), 'a', 'x', '')");
    EXPECT_TRUE(run(api->maintain(hours(24 * 30), hours(48))));
    EXPECT_EQ(db.number("SELECT count(*) FROM events_default"), 1);
}

TEST_F(api_store_test, upkeep_forgets_an_idempotent_call_that_nobody_finished_but_none_that_is_under_way) {
    db.query("INSERT INTO idempotent_calls (scope, idempotency_key, request_hash, resource_id, created_at, begun_at)"
             " SELECT 'a', k, '', gen_random_uuid(), now() - interval '99 hours', b FROM (VALUES"
             " ('given up', '-infinity'), ('silent', now() - interval '2 hours'), ('busy', now())) v (k, b)");
    ASSERT_TRUE(run(api->maintain(hours(24 * 30), hours(48))));
    EXPECT_EQ(db.value("SELECT string_agg(idempotency_key, ',') FROM idempotent_calls"), "busy");
}

TEST_F(api_store_test, upkeep_removes_statistics_after_two_days) {
    db.query("INSERT INTO webhook_statistics SELECT now() - i * interval '12 hours', gen_random_uuid(), 1, 1, '{1}'"
             " FROM generate_series(0, 9) i");
    ASSERT_TRUE(run(api->maintain(hours(24 * 30), hours(48))));
    EXPECT_EQ(db.number("SELECT count(*) FROM webhook_statistics"), 4);
}

TEST_F(api_store_test, upkeep_remembers_resends_for_longer_than_they_can_be_repeated) {
    db.query("INSERT INTO resends SELECT gen_random_uuid(), gen_random_uuid(), now() - i * interval '1 hour'"
             " FROM generate_series(0, 99) i");
    ASSERT_TRUE(run(api->maintain(hours(24 * 30), hours(48))));
    EXPECT_EQ(db.number("SELECT count(*) FROM resends"), 72);
}

TEST_F(api_store_test, upkeep_forgets_who_told_of_health_after_two_days) {
    db.query("INSERT INTO health_tellers SELECT gen_random_uuid(), 1, now() - i * interval '12 hours'"
             " FROM generate_series(0, 9) i");
    ASSERT_TRUE(run(api->maintain(hours(24 * 30), hours(48))));
    EXPECT_EQ(db.number("SELECT count(*) FROM health_tellers"), 4);
}

TEST_F(api_store_test, upkeep_removes_deleted_webhooks_when_none_of_their_attempts_is_kept) {
    std::map<std::string, webhook_id> made;
    for (std::string const name : {"kept", "fresh", "old", "busy"})
        made[name] = create("a").id;
    auto const named = [&](std::string const& name) { return "'" + made[name].text() + "'"; };
    auto const rows_of = [&](std::string const& name) {
        std::string sum;
        for (std::string const table : {"webhooks", "webhook_secrets", "webhook_versions", "webhook_health"})
            sum += (sum.empty() ? "" : " + ") + ("(SELECT count(*) FROM " + table + " WHERE webhook_id = ") +
                   named(name) + ")";
        return db.number("SELECT " + sum);
    };
    for (auto const& [name, id] : made)
        db.query("INSERT INTO webhook_health (webhook_id) VALUES (" + named(name) + ")");
    for (std::string const name : {"old", "busy"})
        db.query("UPDATE webhooks SET deleted_at = now() - interval '50 hours' WHERE webhook_id = " + named(name));
    db.query("UPDATE webhooks SET deleted_at = now() - interval '47 hours' WHERE webhook_id = " + named("fresh"));
    db.query("INSERT INTO deliveries (delivery_id, event_id, webhook_id, account_id, event_type) VALUES"
             " (gen_random_uuid(), gen_random_uuid(), " +
             named("busy") + ", 'a', 'x.y')");
    auto const report = run(api->maintain(hours(24), hours(48))).value(); // a day and the day of a partition
    EXPECT_EQ(rows_of("old"), 0);
    for (std::string const name : {"kept", "fresh", "busy"})
        EXPECT_EQ(rows_of(name), 4) << name;
    EXPECT_EQ(std::ranges::count(report, "removed 1 deleted webhooks"), 1);
    db.query("DELETE FROM deliveries");
    ASSERT_TRUE(run(api->maintain(hours(24), hours(48))));
    EXPECT_EQ(rows_of("busy"), 0);
}

TEST_F(api_store_test, upkeep_removes_keys_that_were_revoked_long_ago) {
    for (int i = 0; i < 3; ++i)
        db.query("INSERT INTO api_keys (api_key_id, name, hash, hint, permissions, revoked_at) VALUES"
                 " (gen_random_uuid(), 'k" +
                 std::to_string(i) + "', sha256('" + std::to_string(i) + "'), '', '{}', " +
                 (i == 0   ? "NULL"
                  : i == 1 ? "now() - interval '47 hours'"
                           : "now() - interval '49 hours'") +
                 ")");
    ASSERT_TRUE(run(api->maintain(hours(24), hours(48))));
    EXPECT_EQ(db.number("SELECT count(*) FROM api_keys WHERE name = 'k2'"), 0);
    EXPECT_EQ(db.number("SELECT count(*) FROM api_keys"), 2);
}

TEST_F(api_store_test, upkeep_removes_more_than_one_batch) {
    db.query("INSERT INTO webhook_statistics SELECT now() - interval '3 days', gen_random_uuid(), 1, 1, '{1}'"
             " FROM generate_series(1, 20001)");
    auto const report = run(api->maintain(hours(24 * 30), hours(48))).value();
    EXPECT_EQ(db.number("SELECT count(*) FROM webhook_statistics"), 0);
    EXPECT_EQ(std::ranges::count(report, "removed 20001 old rows of statistics"), 1);
}

TEST_F(api_store_test, upkeep_keeps_a_replaced_secret_as_long_as_an_attempt_that_it_signed) {
    auto const made = create("a");
    db.query("INSERT INTO webhook_secrets (secret_id, webhook_id, sealed, key_id, expires_at)"
             " SELECT gen_random_uuid(), '" +
             made.id.text() + "', '', 'k' || d, now() - d * interval '1 day' FROM generate_series(1, 40) d");
    ASSERT_TRUE(run(api->maintain(hours(24 * 30), hours(48))));
    EXPECT_EQ(db.number("SELECT count(*) FROM webhook_secrets WHERE expires_at IS NOT NULL"), 30);
    EXPECT_EQ(db.number("SELECT count(*) FROM webhook_secrets WHERE expires_at IS NULL"), 1);
    EXPECT_EQ(db.number("SELECT count(*) FROM webhook_secrets WHERE key_id = 'k40'"), 0);
}

TEST_F(api_store_test, a_look_at_the_queue_tells_what_waits_and_what_holds_up_its_vacuum) {
    auto const nothing = run(api->look_at_queue()).value();
    EXPECT_EQ(nothing.oldest_due, milliseconds(0));
    EXPECT_EQ(nothing.deliveries, 0U);
    auto const add = [&](std::string const& due, std::string const& parked) {
        db.query("INSERT INTO deliveries (delivery_id, event_id, webhook_id, account_id, event_type, next_attempt_at,"
                 " parked) VALUES (gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), 'a', 'call.ended',"
                 " clock_timestamp() - interval '" +
                 due + "', " + parked + ")");
    };
    add("-1 hour", "false");
    EXPECT_EQ(run(api->look_at_queue()).value().oldest_due, milliseconds(0)) << "due in an hour";
    add("90 seconds", "false");
    add("30 seconds", "false");
    add("2 hours", "true");
    session other(db.options(), {.name = "other"});
    ASSERT_TRUE(other.run_text("BEGIN; DELETE FROM deliveries WHERE parked"));
    db.query("SELECT pg_current_xact_id()");
    db.query("SELECT pg_current_xact_id()");
    auto const seen = run(api->look_at_queue()).value();
    EXPECT_GE(seen.oldest_due, milliseconds(90'000));
    EXPECT_LT(seen.oldest_due, milliseconds(600'000));
    EXPECT_GE(seen.horizon_age, 2U);
    db.query("DELETE FROM deliveries WHERE NOT parked AND next_attempt_at < clock_timestamp()");
    // Estimates, which an autovacuum may make anew at any moment.
    EXPECT_TRUE(eventually([&] {
        auto const now = run(api->look_at_queue()).value();
        return now.deliveries >= 1 && now.deliveries <= 4 && now.dead_deliveries >= 1;
    }));
    ASSERT_TRUE(other.run_text("ROLLBACK"));
}

} // namespace
} // namespace klen::webhooks::store
