#include "klen/webhooks/store/api_store.hpp"

#include "klen/webhooks/store/delivery_store.hpp"

#include "store/store_support.hpp"
#include "store/unix_proxy.hpp"

#include <gtest/gtest.h>

#include <set>

namespace klen::webhooks::store {
namespace {

using namespace test;

class api_store_test : public testing::Test {
  protected:
    api_store_test() : api(make_api_store(db.options(), 2)) {}

    static webhook sample(std::string const& account) {
        webhook out;
        out.account_id = account;
        out.name = "name \"quoted\"";
        out.url = "https://example.com/hook";
        out.description = "description";
        out.subscribed_events = {"call.*", "calendar.created"};
        out.headers = {{"X-B", "2"}, {"X-A", "a,\"b\"{}\\"}};
        out.metadata = "{\"k\": [1, 2.50]}";
        out.max_concurrency = 7;
        return out;
    }
    static sealed_secret sealed() { return {make_id<secret_id>(), {1, 2, 0, 255}, "k1", {}, std::nullopt}; }
    webhook create(std::string const& account) { return run(api->create_webhook(sample(account), sealed())).value(); }

    test_database db;
    std::unique_ptr<api_store> api;
};

TEST_F(api_store_test, a_webhook_comes_back_as_it_was_given) {
    auto const made = create("a");
    EXPECT_FALSE(made.id.value.is_nil());
    EXPECT_GT(made.revision, 0);
    auto const shown = run(api->show_webhook("a", made.id)).value();
    auto const given = sample("a");
    EXPECT_EQ(shown.name, given.name);
    EXPECT_EQ(shown.url, given.url);
    EXPECT_EQ(shown.description, given.description);
    EXPECT_EQ(shown.subscribed_events, given.subscribed_events);
    EXPECT_EQ(shown.headers, given.headers);
    EXPECT_EQ(shown.metadata, given.metadata);
    EXPECT_EQ(shown.max_concurrency, 7);
    EXPECT_EQ(shown.max_rate_per_second, std::nullopt);
    EXPECT_TRUE(shown.enabled);
    EXPECT_EQ(shown.disabled_reason, "");
    EXPECT_LT(std::chrono::abs(shown.created_at - std::chrono::system_clock::now()), std::chrono::minutes(1));
    EXPECT_EQ(db.value("SELECT encode(sealed, 'hex') || ' ' || key_id FROM webhook_secrets"), "010200ff k1");
}

TEST_F(api_store_test, a_webhook_may_be_created_disabled) {
    auto given = sample("a");
    given.enabled = false;
    auto const made = run(api->create_webhook(given, sealed())).value();
    EXPECT_FALSE(made.enabled);
    EXPECT_EQ(made.disabled_reason, "requested");
    EXPECT_TRUE(made.disabled_at);
}

TEST_F(api_store_test, creating_over_a_link_that_dies_makes_one_webhook) {
    unix_proxy proxy(db.url());
    auto options = db.options();
    options.url = proxy.url();
    auto const own = make_api_store(options, 1);
    ASSERT_TRUE(run(own->create_webhook(sample("a"), sealed())));
    for (int cut = 0; cut < 5; ++cut) {
        proxy.swallow_answer_after(cut);
        auto const made = run(own->create_webhook(sample("a"), sealed()));
        proxy.pass();
        EXPECT_TRUE(made) << cut << ": " << made.error().message;
    }
    EXPECT_EQ(db.number("SELECT count(*) FROM webhooks"), 6);
    EXPECT_EQ(db.number("SELECT count(*) FROM webhook_secrets"), 6);
}

TEST_F(api_store_test, anothers_webhook_is_not_found) {
    auto const made = create("a");
    EXPECT_EQ(run(api->show_webhook("b", made.id)).error().kind, fault::not_found);
    EXPECT_EQ(run(api->delete_webhook("b", made.id)).error().kind, fault::not_found);
    EXPECT_TRUE(run(api->show_webhook("a", made.id)));
    EXPECT_EQ(run(api->show_webhook("a", make_id<webhook_id>())).error().kind, fault::not_found);
}

TEST_F(api_store_test, lists_are_paged_and_counted_newest_first) {
    std::vector<webhook_id> made;
    for (int i = 0; i < 5; ++i)
        made.push_back(create("a").id);
    create("b");
    auto const first = run(api->list_webhooks("a", {1, 2})).value();
    EXPECT_EQ(first.count, 5U);
    ASSERT_EQ(first.items.size(), 2U);
    EXPECT_EQ(first.items[0].id, made[4]);
    auto const last = run(api->list_webhooks("a", {3, 2})).value();
    ASSERT_EQ(last.items.size(), 1U);
    EXPECT_EQ(last.items[0].id, made[0]);
    auto const past = run(api->list_webhooks("a", {9, 2})).value();
    EXPECT_EQ(past.count, 5U);
    EXPECT_TRUE(past.items.empty());
}

TEST_F(api_store_test, a_deleted_webhook_is_gone_and_what_was_parked_for_it_is_due) {
    auto const made = create("a");
    db.query("INSERT INTO deliveries (delivery_id, event_id, webhook_id, account_id, parked)"
             " SELECT gen_random_uuid(), gen_random_uuid(), '" +
             made.id.text() + "', 'a', true FROM generate_series(1, 3)");
    ASSERT_TRUE(run(api->delete_webhook("a", made.id)));
    EXPECT_EQ(run(api->show_webhook("a", made.id)).error().kind, fault::not_found);
    EXPECT_EQ(run(api->delete_webhook("a", made.id)).error().kind, fault::not_found);
    EXPECT_EQ(run(api->list_webhooks("a", {})).value().count, 0U);
    EXPECT_EQ(db.number("SELECT count(*) FROM deliveries WHERE NOT parked"), 3);
    EXPECT_GT(db.number("SELECT revision FROM webhooks"), made.revision);
}

TEST_F(api_store_test, an_event_is_shown_with_its_deliveries_in_every_state) {
    auto const queue = make_delivery_store(db.options(), {});
    auto const me = run(queue->register_instance("test")).value();
    fake_gate gate;
    gate.set({me, 3, {}});
    std::vector<webhook_id> hooks;
    for (int i = 0; i < 5; ++i)
        hooks.push_back(add_webhook(db, "a", {"*"}));
    auto writer = event_writer::create(db.options(), intake_limits(), gate);
    auto const id = submit(*writer, make_event("a", "call.ended", "{\"x\":1}")).get().value().id;
    auto const neighbour = submit(*writer, make_event("a")).get().value().id;
    ASSERT_NE(id, neighbour);
    auto taken = gate.taken();
    std::vector<attempt_record> batch;
    std::map<webhook_id, delivery_status> expected;
    for (auto const& hook : hooks)
        expected[hook] = delivery_status::pending; // two were parked
    constexpr std::array what{policy::decision::delivered, policy::decision::failed};
    for (std::size_t i = 0; i < 2; ++i) {
        attempt_record one;
        one.delivery = taken[i].second.id;
        one.event = id;
        one.webhook = taken[i].second.webhook;
        one.account_id = "a";
        one.attempt = 1;
        one.verdict.what = what[i];
        one.result.error = i == 0 ? policy::error_class::none : policy::error_class::timeout;
        one.result.status = i == 0 ? 204 : 0;
        one.result.message = i == 0 ? "" : "no answer";
        batch.push_back(one);
        expected[one.webhook] = i == 0 ? delivery_status::delivered : delivery_status::failed;
    }
    expected[taken[2].second.webhook] = delivery_status::delivering;
    ASSERT_TRUE(run(queue->record(me, batch)));
    auto const shown = run(api->show_event("a", id)).value();
    EXPECT_EQ(shown.body, "{\"x\":1}");
    EXPECT_EQ(shown.event_type, "call.ended");
    std::map<webhook_id, delivery_status> seen;
    for (auto const& one : shown.deliveries) {
        seen[one.webhook] = one.status;
        EXPECT_EQ(one.event, id);
        EXPECT_EQ(one.next_attempt_at.has_value(), one.status == delivery_status::pending);
        if (one.status == delivery_status::failed) {
            ASSERT_EQ(one.attempts.size(), 1U);
            EXPECT_EQ(one.attempts[0].error, policy::error_class::timeout);
            EXPECT_EQ(one.attempts[0].message, "no answer");
            EXPECT_EQ(one.attempts_made, 1);
        }
    }
    EXPECT_EQ(seen, expected);
    EXPECT_EQ(run(api->show_event("b", id)).error().kind, fault::not_found);
}

TEST_F(api_store_test, keys_are_kept_and_listed) {
    api_key_row key;
    key.account_id = "a";
    key.name = "one";
    key.hash.fill(7);
    key.hint = "klen_abc";
    key.permissions = {"publish", "read"};
    auto const made = run(api->create_api_key(key)).value();
    EXPECT_EQ(made.account_id, "a");
    EXPECT_EQ(made.hash, key.hash);
    EXPECT_EQ(made.permissions, key.permissions);
    EXPECT_FALSE(made.revoked);
    key.account_id.reset();
    key.hash.fill(8);
    EXPECT_EQ(run(api->create_api_key(key)).value().account_id, std::nullopt);
    key.hash.fill(7);
    EXPECT_EQ(run(api->create_api_key(key)).error().kind, fault::database_refused); // the same key again
    EXPECT_EQ(run(api->list_api_keys()).value().size(), 2U);
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

TEST_F(api_store_test, the_catalogue_is_seeded) {
    auto const types = run(api->event_types()).value();
    EXPECT_EQ(types.size(), 11U);
    EXPECT_EQ(std::ranges::count(types, "call.ended"), 1);
}

TEST_F(api_store_test, ping_says_whether_the_database_answers) {
    EXPECT_TRUE(run(api->ping()));
    unix_proxy proxy(db.url());
    auto options = db.options();
    options.url = proxy.url();
    auto const own = make_api_store(options, 1);
    EXPECT_TRUE(run(own->ping()));
    proxy.refuse();
    auto const began = std::chrono::steady_clock::now();
    EXPECT_FALSE(run(own->ping()));
    EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::milliseconds(1500));
    proxy.admit();
    EXPECT_TRUE(eventually([&] { return run(own->ping()).has_value(); }));
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
    db.query("INSERT INTO events (event_id, account_id, event_type, body)"
             " VALUES (uuid_v7_floor(now() - interval '60 days'), 'a', 'x', '')");
    db.query("INSERT INTO idempotency_keys SELECT 'a', i::text, gen_random_uuid(), '', now() - i * interval '1 hour'"
             " FROM generate_series(0, 99) i");
    auto const before = partitions();
    auto const report = run(api->maintain(hours(24 * 30), hours(48))).value();
    EXPECT_EQ(partitions(), before); // one more, one less
    EXPECT_EQ(db.number("SELECT count(*) FROM idempotency_keys"), 48);
    EXPECT_EQ(db.number("SELECT count(*) FROM events_default"), 0);
    EXPECT_EQ(report.size(), 4U) << testing::PrintToString(report);
    EXPECT_TRUE(run(api->maintain(hours(24 * 30), hours(48))).value().empty());
}

TEST_F(api_store_test, upkeep_leaves_a_day_that_began_without_its_partition_alone) {
    db.query("DO $$ BEGIN EXECUTE 'DROP TABLE events_' || to_char(current_date + 2, 'YYYYMMDD'); END $$");
    db.query("INSERT INTO events (event_id, account_id, event_type, body)"
             " VALUES (uuid_v7_floor(current_date::timestamptz + interval '60 hours'), 'a', 'x', '')");
    EXPECT_TRUE(run(api->maintain(hours(24 * 30), hours(48))));
    EXPECT_EQ(db.number("SELECT count(*) FROM events_default"), 1);
}

} // namespace
} // namespace klen::webhooks::store
