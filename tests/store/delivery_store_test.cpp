#include "klen/webhooks/store/api_store.hpp"
#include "klen/webhooks/store/delivery_store.hpp"

#include "store/session.hpp"
#include "store/store_support.hpp"
#include "store/unix_proxy.hpp"

#include <gtest/gtest.h>

#include <future>
#include <set>

namespace klen::webhooks::store {
namespace {

using namespace test;
using policy::decision;
using policy::error_class;

delivery_config settings(hours disable_after = hours(120)) {
    delivery_config out;
    out.disable_after = disable_after;
    return out;
}

class delivery_store_test : public testing::Test {
  protected:
    delivery_store_test() : queue(make_delivery_store(db.options(), settings())) {
        me = run(queue->register_instance("test")).value();
        hook = add_webhook(db, "a", {"*"});
    }

    /// An event with one delivery in the state that `columns` and `values` say. Due since a second unless told.
    delivery_id add_delivery(webhook_id to, std::string const& columns = "", std::string const& values = "") {
        auto const event = make_id<event_id>();
        db.query("INSERT INTO events (event_id, account_id, event_type, body) VALUES ('" + event.text() +
                 "', 'a', 'call.ended', 'body')");
        return *delivery_id::parse(
            db.value("INSERT INTO deliveries (delivery_id, event_id, webhook_id, account_id" +
                     (columns.empty() ? std::string(", next_attempt_at") : ", " + columns) +
                     ") VALUES (delivery_id_of('" + event.text() + "'), '" + event.text() + "', '" + to.text() +
                     "', 'a', " + (values.empty() ? std::string("clock_timestamp() - interval '1 second'") : values) +
                     ") RETURNING delivery_id"));
    }
    void add_many(webhook_id to, int count, bool parked = false) {
        db.query("WITH e AS (INSERT INTO events (event_id, account_id, event_type, body)"
                 " SELECT gen_random_uuid(), 'a', 'call.ended', 'body' FROM generate_series(1, " +
                 std::to_string(count) +
                 ") RETURNING event_id)"
                 " INSERT INTO deliveries (delivery_id, event_id, webhook_id, account_id, parked, next_attempt_at)"
                 " SELECT gen_random_uuid(), event_id, '" +
                 to.text() + "', 'a', " + (parked ? "true" : "false") +
                 ", clock_timestamp() - interval '1 minute' FROM e");
    }
    due_result claim(std::uint32_t limit, std::vector<webhook_id> full = {}) {
        return run(queue->claim_due({me, limit, std::move(full)})).value();
    }
    /// A leased delivery, and the record of its first attempt.
    attempt_record attempt_of(claimed_delivery const& one, decision what, error_class error = error_class::none) {
        auto out = attempt_of_delivery(one, what, error);
        out.verdict.wait = seconds(60);
        return out;
    }
    claimed_delivery claim_new(webhook_id to) {
        add_delivery(to);
        auto found = claim(1).deliveries;
        EXPECT_EQ(found.size(), 1U);
        return found.at(0);
    }
    record_result record(std::vector<attempt_record> batch) { return run(queue->record(me, std::move(batch))).value(); }
    std::string state(std::string const& column) { return db.value("SELECT " + column + " FROM deliveries"); }
    std::string health(std::string const& column, webhook_id of) {
        return db.value("SELECT " + column + " FROM webhooks WHERE webhook_id = '" + of.text() + "'");
    }

    test_database db;
    std::unique_ptr<delivery_store> queue;
    instance_id me;
    webhook_id hook;
};

// --- claims ---------------------------------------------------------------------------------------------------------

TEST_F(delivery_store_test, what_is_due_is_leased_with_its_event_oldest_first) {
    auto const second = add_delivery(hook);
    auto const first = add_delivery(hook, "next_attempt_at, attempts_made", "clock_timestamp() - interval '1 hour', 2");
    add_delivery(hook, "next_attempt_at", "clock_timestamp() + interval '1 hour'");
    auto const one = claim(1);
    ASSERT_EQ(one.deliveries.size(), 1U);
    EXPECT_EQ(one.deliveries[0].id, first);
    EXPECT_EQ(one.deliveries[0].attempts_made, 2);
    EXPECT_EQ(one.deliveries[0].event->body, "body");
    EXPECT_EQ(one.deliveries[0].event->event_type, "call.ended");
    EXPECT_EQ(one.deliveries[0].account_id, "a");
    EXPECT_FALSE(one.deliveries[0].webhook_deleted);
    EXPECT_EQ(one.next_due, milliseconds(0)); // there may be more
    auto const rest = claim(10);
    ASSERT_EQ(rest.deliveries.size(), 1U);
    EXPECT_EQ(rest.deliveries[0].id, second);
    ASSERT_TRUE(rest.next_due);
    EXPECT_GT(*rest.next_due, std::chrono::minutes(59));
    EXPECT_LE(*rest.next_due, std::chrono::minutes(60));
    EXPECT_EQ(db.number("SELECT count(*) FROM deliveries WHERE lease_owner = " + std::to_string(me.value)), 2);
}

TEST_F(delivery_store_test, nothing_that_waits_is_told_apart_from_something_later) {
    EXPECT_FALSE(claim(10).next_due);
    add_delivery(hook, "next_attempt_at", "clock_timestamp() + interval '2 seconds'");
    auto const soon = claim(10).next_due;
    ASSERT_TRUE(soon);
    EXPECT_GT(*soon, milliseconds(1000));
    EXPECT_LE(*soon, milliseconds(2000));
}

TEST_F(delivery_store_test, four_claimers_lease_everything_exactly_once) {
    constexpr int total = 2000;
    add_many(hook, total);
    std::mutex mutex;
    std::multiset<delivery_id> seen;
    auto const claimer = [&] {
        auto const own = make_delivery_store(db.options(), settings());
        auto const self = run(own->register_instance("claimer")).value();
        for (;;) {
            auto const got = run(own->claim_due({self, 100, {}})).value();
            std::lock_guard lock(mutex);
            for (auto const& one : got.deliveries)
                seen.insert(one.id);
            if (!got.next_due)
                return;
        }
    };
    std::vector<std::thread> all;
    for (int i = 0; i < 4; ++i)
        all.emplace_back(claimer);
    for (auto& one : all)
        one.join();
    EXPECT_EQ(seen.size(), static_cast<std::size_t>(total));
    EXPECT_EQ((std::set<delivery_id>(seen.begin(), seen.end()).size()), static_cast<std::size_t>(total));
    EXPECT_EQ(db.number("SELECT count(*) FROM deliveries WHERE lease_owner IS NULL"), 0);
}

TEST_F(delivery_store_test, a_full_or_disabled_webhooks_deliveries_are_parked_and_a_deleted_ones_fetched) {
    auto const full = add_webhook(db, "a", {"*"});
    auto const disabled = add_webhook(db, "a", {"*"});
    auto const deleted = add_webhook(db, "a", {"*"});
    db.query(
        "UPDATE webhooks SET enabled = false, disabled_reason = 'requested', disabled_at = now() WHERE webhook_id = '" +
        disabled.text() + "'; UPDATE webhooks SET deleted_at = now() WHERE webhook_id = '" + deleted.text() + "'");
    for (auto const& to : {hook, full, disabled, deleted})
        add_delivery(to);
    auto const found = claim(10, {full});
    ASSERT_EQ(found.deliveries.size(), 2U);
    for (auto const& one : found.deliveries)
        EXPECT_EQ(one.webhook_deleted, one.webhook == deleted);
    EXPECT_EQ((std::set(found.parked.begin(), found.parked.end())), (std::set{full, disabled}));
    EXPECT_EQ(db.number("SELECT count(*) FROM deliveries WHERE parked AND lease_owner IS NULL"), 2);
    EXPECT_FALSE(found.next_due);
    EXPECT_EQ(run(queue->parked_webhooks({}, 10)).value(), std::vector{full}); // the disabled one's wait
}

TEST_F(delivery_store_test, an_event_past_its_retention_comes_as_null) {
    auto const id = add_delivery(hook);
    db.query("DELETE FROM events");
    auto const found = claim(10).deliveries;
    ASSERT_EQ(found.size(), 1U);
    EXPECT_EQ(found[0].id, id);
    EXPECT_EQ(found[0].event, nullptr);
}

TEST_F(delivery_store_test, an_instance_that_was_given_up_claims_nothing) {
    add_delivery(hook);
    db.query("DELETE FROM instances");
    auto const refused = run(queue->claim_due({me, 10, {}}));
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().kind, fault::lease_lost);
    EXPECT_EQ(db.number("SELECT count(*) FROM deliveries WHERE lease_owner IS NULL AND NOT parked"), 1);
}

TEST_F(delivery_store_test, a_claim_whose_answer_is_lost_gives_its_leases_back) {
    unix_proxy proxy(db.url());
    auto options = db.options();
    options.url = proxy.url();
    auto const own = make_delivery_store(options, settings());
    auto const self = run(own->register_instance("test")).value();
    add_many(hook, 3);
    ASSERT_EQ(run(own->claim_due({self, 1, {}})).value().deliveries.size(), 1U);
    // The statements are prepared now. Wherever the link is cut (next due, BEGIN, lock, lease, COMMIT, next due), the
    // call is repeated on a new connection, and what the first run may have leased is given back before.
    for (int cut = 0; cut < 6; ++cut) {
        proxy.swallow_answer_after(cut);
        auto const found = run(own->claim_due({self, 1, {}}));
        proxy.pass();
        ASSERT_TRUE(found) << found.error().message;
        ASSERT_EQ(found->deliveries.size(), 1U) << cut;
        EXPECT_EQ(db.number("SELECT count(*) FROM deliveries WHERE lease_owner IS NOT NULL"), 2) << cut;
        ASSERT_TRUE(run(own->hand_back(self, {found->deliveries[0].id}, false)));
    }
    EXPECT_EQ(run(own->claim_due({self, 10, {}})).value().deliveries.size(), 2U); // nothing is orphaned
}

// --- parked ---------------------------------------------------------------------------------------------------------

TEST_F(delivery_store_test, parked_deliveries_are_fetched_for_the_room_there_is) {
    auto const other = add_webhook(db, "a", {"*"});
    add_many(hook, 5, true);
    add_many(other, 1, true);
    EXPECT_EQ(run(queue->parked_webhooks({}, 10)).value().size(), 2U);
    auto const found = run(queue->claim_parked(me, {{hook, 3}, {other, 3}})).value();
    EXPECT_EQ(found.deliveries.size(), 4U);
    EXPECT_EQ(found.exhausted, std::vector{other});
    EXPECT_EQ(run(queue->parked_webhooks({}, 10)).value(), std::vector{hook});
    auto const rest = run(queue->claim_parked(me, {{hook, 3}})).value();
    EXPECT_EQ(rest.deliveries.size(), 2U);
    EXPECT_EQ(rest.exhausted, std::vector{hook});
    EXPECT_TRUE(run(queue->parked_webhooks({}, 10)).value().empty());
    EXPECT_EQ(db.number("SELECT count(*) FROM deliveries WHERE parked"), 0);
}

TEST_F(delivery_store_test, a_disabled_webhooks_parked_deliveries_wait_until_it_is_enabled) {
    add_many(hook, 2, true);
    db.query("UPDATE webhooks SET enabled = false, disabled_reason = 'requested', disabled_at = now()");
    auto const none = run(queue->claim_parked(me, {{hook, 5}})).value();
    EXPECT_TRUE(none.deliveries.empty());
    EXPECT_EQ(none.exhausted, std::vector{hook});
    EXPECT_TRUE(run(queue->parked_webhooks({}, 10)).value().empty());
    db.query("UPDATE webhooks SET enabled = true, disabled_reason = NULL, disabled_at = NULL");
    EXPECT_EQ(run(queue->parked_webhooks({}, 10)).value(), std::vector{hook});
    EXPECT_EQ(run(queue->claim_parked(me, {{hook, 5}})).value().deliveries.size(), 2U);
}

TEST_F(delivery_store_test, a_deleted_webhooks_parked_deliveries_are_fetched_to_be_cancelled) {
    add_many(hook, 2, true);
    db.query("UPDATE webhooks SET deleted_at = now()");
    EXPECT_EQ(run(queue->parked_webhooks({}, 10)).value(), std::vector{hook});
    auto const found = run(queue->claim_parked(me, {{hook, 5}})).value();
    ASSERT_EQ(found.deliveries.size(), 2U);
    EXPECT_TRUE(found.deliveries[0].webhook_deleted);
}

TEST_F(delivery_store_test, parked_webhooks_come_page_by_page) {
    std::set<webhook_id> all;
    for (int i = 0; i < 7; ++i) {
        all.insert(add_webhook(db, "a", {"*"}));
        add_many(*all.rbegin(), 3, true);
    }
    std::vector<webhook_id> seen;
    webhook_id after{};
    for (;;) {
        auto const page = run(queue->parked_webhooks(after, 3)).value();
        if (page.empty())
            break;
        EXPECT_LE(page.size(), 3U);
        seen.insert(seen.end(), page.begin(), page.end());
        after = page.back();
    }
    EXPECT_EQ(seen, std::vector(all.begin(), all.end()));
}

TEST_F(delivery_store_test, only_the_owner_can_hand_back) {
    auto const one = claim_new(hook);
    ASSERT_TRUE(run(queue->hand_back(instance_id{me.value + 1}, {one.id}, false)));
    EXPECT_EQ(state("lease_owner"), std::to_string(me.value));
    ASSERT_TRUE(run(queue->hand_back(me, {one.id}, true)));
    EXPECT_EQ(state("lease_owner IS NULL AND parked"), "t");
}

// --- instances ------------------------------------------------------------------------------------------------------

TEST_F(delivery_store_test, a_heartbeat_is_seen_and_a_removed_instance_learns_of_it) {
    ASSERT_TRUE(run(queue->heartbeat(me)));
    auto const seen = run(queue->instances()).value();
    ASSERT_EQ(seen.size(), 1U);
    EXPECT_EQ(seen[0].id, me);
    EXPECT_EQ(seen[0].heartbeat_count, 1);
    EXPECT_LT(seen[0].heartbeat_age, milliseconds(5000));
    db.query("DELETE FROM instances");
    auto const lost = run(queue->heartbeat(me));
    ASSERT_FALSE(lost);
    EXPECT_EQ(lost.error().kind, fault::lease_lost);
}

// On a connection of their own: a table that somebody locks must not look like a death.
TEST_F(delivery_store_test, heartbeats_go_on_while_everything_else_waits_for_a_table) {
    add_many(hook, 1);
    session other(db.options(), {.name = "other"});
    ASSERT_TRUE(other.run_text("BEGIN; LOCK TABLE deliveries IN ACCESS EXCLUSIVE MODE"));
    auto waiting = std::async(std::launch::async, [&] { return claim(1).deliveries.size(); });
    ASSERT_TRUE(eventually([&] {
        return db.number("SELECT count(*) FROM pg_locks WHERE NOT granted AND database ="
                         " (SELECT oid FROM pg_database WHERE datname = current_database())") > 0;
    }));
    for (int i = 0; i < 3; ++i)
        EXPECT_TRUE(run(queue->heartbeat(me)));
    EXPECT_EQ(waiting.wait_for(std::chrono::seconds(0)), std::future_status::timeout) << "the claim still waits";
    ASSERT_TRUE(other.run_text("COMMIT"));
    EXPECT_EQ(waiting.get(), 1U);
}

TEST_F(delivery_store_test, a_dead_instances_leases_are_freed_once_and_a_living_ones_not) {
    add_many(hook, 5);
    ASSERT_EQ(claim(3).deliveries.size(), 3U);
    auto const seen = run(queue->instances()).value().at(0);
    ASSERT_TRUE(run(queue->heartbeat(me))); // it lives after all
    EXPECT_EQ(run(queue->reap(seen)).value(), std::nullopt);
    EXPECT_EQ(db.number("SELECT count(*) FROM deliveries WHERE lease_owner IS NOT NULL"), 3);
    auto const now = run(queue->instances()).value().at(0);
    EXPECT_EQ(run(queue->reap(now)).value(), 3U);
    EXPECT_EQ(run(queue->reap(now)).value(), std::nullopt);
    EXPECT_EQ(db.number("SELECT count(*) FROM deliveries WHERE lease_owner IS NOT NULL"), 0);
}

TEST_F(delivery_store_test, an_instance_that_froze_in_a_claim_does_not_hold_up_who_takes_over) {
    add_many(hook, 3);
    ASSERT_EQ(claim(3).deliveries.size(), 3U);
    auto const dead = run(queue->instances()).value().at(0);
    session frozen(db.options(), {.name = "test"});
    auto const held = frozen.transact([&](session::work& in) -> result<void> {
        auto const locked =
            in.run_text("SELECT FROM instances WHERE instance_id = " + std::to_string(me.value) + " FOR KEY SHARE");
        if (!locked)
            return locked.error();
        auto const tried = run(queue->reap(dead));
        EXPECT_FALSE(tried);
        if (!tried) {
            EXPECT_EQ(tried.error().kind, fault::database_busy) << tried.error().message;
        }
        return {};
    });
    ASSERT_TRUE(held) << held.error().message;
    EXPECT_EQ(run(queue->reap(dead)).value(), 3U);
}

TEST_F(delivery_store_test, leaving_gives_everything_back) {
    add_many(hook, 5);
    ASSERT_EQ(claim(5).deliveries.size(), 5U);
    EXPECT_EQ(run(queue->leave(me)).value(), 5U);
    EXPECT_EQ(run(queue->leave(me)).value(), 0U);
    EXPECT_EQ(db.number("SELECT count(*) FROM deliveries WHERE lease_owner IS NULL AND NOT parked"), 5);
    EXPECT_TRUE(run(queue->instances()).value().empty());
}

TEST_F(delivery_store_test, what_an_instance_puts_into_headers_outlives_it_as_long_as_its_attempts) {
    auto told = settings();
    told.header_prefix = "X-Other-";
    told.user_agent = "agent/1";
    auto const other = make_delivery_store(db.options(), told);
    auto const id = run(other->register_instance("other")).value();
    auto const known = [&] {
        return db.number("SELECT count(*) FROM senders WHERE header_prefix = 'X-Other-' AND user_agent = 'agent/1'"
                         " AND instance_id = " +
                         std::to_string(id.value));
    };
    EXPECT_EQ(known(), 1);
    auto const api = make_api_store(db.options(), 1);
    auto const maintain = [&] { ASSERT_TRUE(run(api->maintain(hours(24 * 30), hours(24)))); };
    auto const later = [&] { // a hundred days pass, and the maintenance comes by
        db.query("UPDATE senders SET seen_at = seen_at - interval '100 days'");
        maintain();
    };
    later();
    EXPECT_EQ(known(), 1); // it lives
    run(other->leave(id)).value();
    maintain();
    EXPECT_EQ(known(), 1); // it has not been dead for long
    later();
    EXPECT_EQ(known(), 0);
}

TEST_F(delivery_store_test, an_instance_number_is_never_used_twice) {
    run(queue->leave(me)).value();
    auto const next = run(queue->register_instance("test")).value();
    EXPECT_GT(next.value, me.value);
}

// --- outcomes -------------------------------------------------------------------------------------------------------

TEST_F(delivery_store_test, a_success_leaves_the_queue_in_the_commit_that_records_it) {
    auto const one = claim_new(hook);
    auto attempt = attempt_of(one, decision::delivered);
    attempt.result.response_headers = std::string("A: \xff\0b\r\n", 8);
    attempt.result.response_body = "ok";
    attempt.result.remote_address = "127.0.0.1:80";
    auto const done = record({attempt});
    EXPECT_TRUE(done.lost.empty());
    EXPECT_EQ(db.number("SELECT count(*) FROM deliveries"), 0);
    auto const row = db.query("SELECT attempt, decision, error_class, status, message, duration_us, next_attempt_at,"
                              " remote_address, encode(response_headers, 'hex'), encode(response_body, 'escape'),"
                              " instance_id, clock_timestamp() - started_at BETWEEN interval '99 milliseconds' AND"
                              " interval '5 seconds' FROM attempts WHERE delivery_id = '" +
                              one.id.text() + "'")
                         .at(0);
    EXPECT_EQ(row, (std::vector<std::string>{"1", "delivered", "none", "200", "", "100000", "", "127.0.0.1:80",
                                             "413a20ff00620d0a", "ok", std::to_string(me.value), "t"}));
}

TEST_F(delivery_store_test, a_retry_is_due_so_long_after_the_attempts_end_by_the_databases_clock) {
    auto const one = claim_new(hook);
    auto attempt = attempt_of(one, decision::retry, error_class::http_status);
    attempt.ended -= seconds(20); // recorded late: the wait counts from the end all the same
    record({attempt});
    EXPECT_EQ(state("attempts_made"), "1");
    EXPECT_EQ(state("lease_owner IS NULL AND NOT parked"), "t");
    EXPECT_EQ(state("next_attempt_at - clock_timestamp() BETWEEN interval '35 seconds' AND interval '40 seconds'"),
              "t");
    EXPECT_EQ(
        db.value("SELECT a.next_attempt_at = d.next_attempt_at FROM attempts a JOIN deliveries d USING (delivery_id)"),
        "t");
    EXPECT_TRUE(claim(10).deliveries.empty());
}

TEST_F(delivery_store_test, a_repeated_batch_counts_nothing_twice_and_loses_nothing) {
    add_many(hook, 3);
    auto const found = claim(3).deliveries;
    auto const batch = std::vector{attempt_of(found[0], decision::delivered),
                                   attempt_of(found[1], decision::retry, error_class::timeout),
                                   attempt_of(found[2], decision::failed, error_class::timeout)};
    EXPECT_TRUE(record(batch).lost.empty());
    EXPECT_TRUE(record(batch).lost.empty());
    EXPECT_EQ(db.number("SELECT count(*) FROM attempts"), 3);
    EXPECT_EQ(db.number("SELECT count(*) FROM deliveries"), 1);
    EXPECT_EQ(state("attempts_made"), "1");
}

TEST_F(delivery_store_test, a_record_whose_answer_is_lost_is_repeated_without_harm) {
    unix_proxy proxy(db.url());
    auto options = db.options();
    options.url = proxy.url();
    auto const own = make_delivery_store(options, settings());
    auto const first = claim_new(hook);
    ASSERT_TRUE(run(own->record(me, {attempt_of(first, decision::delivered)})));
    auto const second = claim_new(hook);
    proxy.swallow_next_answer();
    auto const done = run(own->record(me, {attempt_of(second, decision::retry, error_class::timeout)}));
    EXPECT_TRUE(proxy.swallowed());
    ASSERT_TRUE(done) << done.error().message;
    EXPECT_TRUE(done->lost.empty());
    EXPECT_EQ(db.number("SELECT count(*) FROM attempts"), 2);
    EXPECT_EQ(state("attempts_made"), "1");
}

// A timeout that hits the commit leaves in doubt what was sent: there is none, however short those of other calls are.
TEST_F(delivery_store_test, no_statement_timeout_ends_the_commit_of_outcomes) {
    auto options = db.options();
    options.statement_timeout = milliseconds(100);
    auto const own = make_delivery_store(options, settings());
    auto const one = claim_new(hook);
    session other(db.options(), {.name = "other"});
    ASSERT_TRUE(other.run_text("BEGIN; LOCK TABLE deliveries IN ACCESS EXCLUSIVE MODE"));
    auto recording =
        std::async(std::launch::async, [&] { return run(own->record(me, {attempt_of(one, decision::delivered)})); });
    EXPECT_TRUE(eventually([&] { return waiting_for_locks(db, "outcomes", milliseconds(300)) == 1; }))
        << "it was given up";
    ASSERT_TRUE(other.run_text("COMMIT"));
    auto const done = recording.get();
    ASSERT_TRUE(done) << done.error().message;
    EXPECT_EQ(db.number("SELECT count(*) FROM attempts"), 1);
}

TEST_F(delivery_store_test, outcomes_that_a_full_disk_refuses_can_be_recorded_later) {
    auto const one = claim_new(hook);
    auto const outcome = attempt_of(one, decision::delivered);
    db.query("CREATE FUNCTION no_room() RETURNS trigger LANGUAGE plpgsql AS $$"
             " BEGIN RAISE EXCEPTION 'planted' USING ERRCODE = '53100'; END $$;"
             "CREATE TRIGGER no_room BEFORE INSERT ON attempts FOR EACH ROW EXECUTE FUNCTION no_room()");
    auto const refused = run(queue->record(me, {outcome}));
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().kind, fault::database_busy) << refused.error().message;
    EXPECT_EQ(state("lease_owner"), std::to_string(me.value)) << "it is still ours";
    db.query("DROP TRIGGER no_room ON attempts");
    EXPECT_TRUE(record({outcome}).lost.empty());
    EXPECT_EQ(db.number("SELECT count(*) FROM deliveries"), 0);
    EXPECT_EQ(db.number("SELECT count(*) FROM attempts"), 1);
}

// Of two batches that meet one waits, and then holds nothing that the other needs.
TEST_F(delivery_store_test, batches_lock_their_rows_in_one_order_whatever_order_they_are_given_in) {
    auto const second = make_delivery_store(db.options(), settings());
    add_many(hook, 20);
    using batch = std::vector<claimed_delivery>;
    auto const meet = [&](std::string const& name, std::function<bool(delivery_store&, batch const&)> const& use) {
        db.query("UPDATE deliveries SET next_attempt_at = clock_timestamp()");
        auto there = claim(20).deliveries;
        ASSERT_EQ(there.size(), 20U);
        std::ranges::sort(there, {}, &claimed_delivery::id);
        auto const back = batch(there.rbegin(), there.rend());
        session other(db.options(), {.name = "other"});
        ASSERT_TRUE(other.run_text("BEGIN; SELECT FROM deliveries WHERE delivery_id = '" + there[10].id.text() +
                                   "' FOR UPDATE"));
        auto const waiting = [&] { return waiting_for_locks(db, "claims") + waiting_for_locks(db, "outcomes"); };
        auto const untouched = [&] {
            return db.number("WITH free AS (SELECT FROM deliveries FOR UPDATE SKIP LOCKED) SELECT count(*) FROM free");
        };
        auto first = std::async(std::launch::async, [&] { return use(*queue, there); });
        EXPECT_TRUE(eventually([&] { return waiting() == 1; }));
        auto const left = untouched();
        auto next = std::async(std::launch::async, [&] { return use(*second, back); });
        EXPECT_TRUE(eventually([&] { return waiting() == 2; }));
        EXPECT_EQ(untouched(), left) << name << ": the second one has begun elsewhere";
        ASSERT_TRUE(other.run_text("COMMIT"));
        EXPECT_TRUE(first.get());
        EXPECT_TRUE(next.get());
    };
    auto const record_all = [&](delivery_store& by, batch const& all, decision what, error_class error) {
        std::vector<attempt_record> out;
        for (auto const& one : all)
            out.push_back(attempt_of(one, what, error));
        auto const done = run(by.record(me, out));
        return done && done->lost.empty();
    };
    meet("a hand-back", [&](delivery_store& by, batch const& all) {
        std::vector<delivery_id> ids;
        for (auto const& one : all)
            ids.push_back(one.id);
        return run(by.hand_back(me, ids, false)).has_value();
    });
    meet("failures", [&](delivery_store& by, batch const& all) {
        return record_all(by, all, decision::retry, error_class::timeout);
    });
    meet("successes", [&](delivery_store& by, batch const& all) {
        return record_all(by, all, decision::delivered, error_class::none);
    });
    EXPECT_EQ(db.number("SELECT count(*) FROM attempts"), 40);
}

TEST_F(delivery_store_test, a_batch_of_failures_locks_webhooks_in_the_order_of_their_ids) {
    std::set<webhook_id> hooks;
    std::vector<attempt_record> batch;
    while (hooks.size() < 20) {
        auto const id = *webhook_id::parse(
            db.value("INSERT INTO webhooks (webhook_id, account_id, name, url, subscribed_events) VALUES"
                     " (gen_random_uuid(), 'a', 'n', 'http://127.0.0.1:1/', ARRAY['*']) RETURNING webhook_id"));
        hooks.insert(id);
        batch.push_back(attempt_of(claim_new(id), decision::retry, error_class::timeout));
    }
    auto const middle = std::next(hooks.begin(), 10)->text();
    session other(db.options(), {.name = "other"});
    ASSERT_TRUE(other.run_text("BEGIN; SELECT FROM webhooks WHERE webhook_id = '" + middle + "' FOR UPDATE"));
    auto recording = std::async(std::launch::async, [&] { return record(batch).lost.size(); });
    EXPECT_TRUE(eventually([&] { return waiting_for_locks(db, "outcomes") == 1; }));
    auto const free = "WITH free AS (SELECT webhook_id FROM webhooks WHERE webhook_id <> '" + hook.text() +
                      "' FOR UPDATE SKIP LOCKED) SELECT count(*) FROM free WHERE webhook_id ";
    EXPECT_EQ(db.number(free + "< '" + middle + "'"), 0) << "it holds those before that one";
    EXPECT_EQ(db.number(free + "> '" + middle + "'"), 9) << "and none behind it";
    ASSERT_TRUE(other.run_text("COMMIT"));
    EXPECT_EQ(recording.get(), 0U);
}

TEST_F(delivery_store_test, a_lost_lease_changes_nothing) {
    auto const one = claim_new(hook);
    db.query("UPDATE deliveries SET lease_owner = " + std::to_string(me.value + 1));
    for (auto const what : {decision::delivered, decision::retry, decision::failed}) {
        auto const done = record({attempt_of(one, what, error_class::http_status)});
        EXPECT_EQ(done.lost, std::vector{one.id});
    }
    EXPECT_EQ(db.number("SELECT count(*) FROM attempts"), 0);
    EXPECT_EQ(state("lease_owner"), std::to_string(me.value + 1));
    EXPECT_EQ(health("failing_since IS NULL", hook), "t"); // and says nothing about the webhook
}

TEST_F(delivery_store_test, plain_successes_are_recorded_like_the_others_beside_them) {
    add_many(hook, 40);
    auto const claimed = claim(40).deliveries;
    ASSERT_EQ(claimed.size(), 40U);
    std::vector<attempt_record> batch;
    for (auto const& one : claimed) {
        batch.push_back(attempt_of(one, decision::delivered));
        batch.back().result.response_headers = "Server: a\r\n";
        batch.back().result.response_body = "ok";
        batch.back().result.remote_address = "192.0.2.1:443";
        batch.back().webhook_revision = 7;
    }
    batch[0].was_failing = true; // one of the others
    batch[1] = attempt_of(claimed[1], decision::retry, error_class::timeout);
    db.query("UPDATE deliveries SET lease_owner = NULL WHERE delivery_id = '" + claimed[2].id.text() + "'");
    db.query("UPDATE deliveries SET attempts_made = 1 WHERE delivery_id = '" + claimed[3].id.text() + "'");
    db.query("UPDATE deliveries SET manual = true WHERE delivery_id = '" + claimed[4].id.text() + "'");

    auto const done = record(batch);
    std::set<delivery_id> const lost(done.lost.begin(), done.lost.end());
    EXPECT_EQ(lost, (std::set{claimed[2].id, claimed[3].id, claimed[4].id}));
    EXPECT_EQ(db.number("SELECT count(*) FROM attempts"), 37);
    EXPECT_EQ(db.number("SELECT count(*) FROM deliveries"), 4) << "the retry and what was not ours";
    EXPECT_EQ(
        db.number("SELECT count(DISTINCT (to_jsonb(a) - 'delivery_id' - 'event_id' - 'started_at')) FROM attempts a"
                  " WHERE decision = 'delivered'"),
        1);
    EXPECT_EQ(db.number("SELECT count(*) FROM attempts WHERE clock_timestamp() - started_at NOT BETWEEN"
                        " interval '100 ms' AND interval '1 minute'"),
              0);
    EXPECT_EQ(std::set<delivery_id>(lost), [&] {
        auto const again = record(batch).lost;
        return std::set<delivery_id>(again.begin(), again.end());
    }()) << "what is on record is not lost";
    EXPECT_EQ(db.number("SELECT count(*) FROM attempts"), 37);
}

TEST_F(delivery_store_test, plain_successes_of_later_attempts_keep_their_numbers) {
    add_many(hook, 40);
    db.query("UPDATE deliveries SET attempts_made = 2");
    auto const claimed = claim(40).deliveries;
    ASSERT_EQ(claimed.size(), 40U);
    std::vector<attempt_record> batch;
    for (auto const& one : claimed) {
        batch.push_back(attempt_of(one, decision::delivered));
        ASSERT_EQ(batch.back().attempt, 3);
    }
    batch[7].attempt = 2; // is on record already
    db.query("UPDATE deliveries SET attempts_made = 3 WHERE delivery_id = '" + claimed[8].id.text() + "'");
    db.query("UPDATE deliveries SET attempts_made = 4 WHERE delivery_id = '" + claimed[9].id.text() + "'");
    batch[9].attempt = 5;
    auto const lost = record(batch).lost;
    EXPECT_EQ((std::set(lost.begin(), lost.end())), (std::set{claimed[7].id, claimed[8].id}));
    EXPECT_EQ(db.number("SELECT count(*) FROM attempts WHERE attempt = 3 AND decision = 'delivered'"), 37);
    EXPECT_EQ(db.number("SELECT count(*) FROM attempts WHERE attempt = 5 AND decision = 'delivered'"), 1);
    EXPECT_EQ(db.number("SELECT count(*) FROM deliveries"), 2);
}

TEST_F(delivery_store_test, an_attempt_that_was_counted_already_changes_nothing) {
    auto const one = claim_new(hook);
    db.query("UPDATE deliveries SET attempts_made = 2");
    EXPECT_EQ(record({attempt_of(one, decision::delivered)}).lost, std::vector{one.id});
    EXPECT_EQ(db.number("SELECT count(*) FROM deliveries"), 1);
}

TEST_F(delivery_store_test, a_local_failure_goes_back_uncounted) {
    auto const one = claim_new(hook);
    EXPECT_TRUE(record({attempt_of(one, decision::retry, error_class::local_failure)}).lost.empty());
    EXPECT_EQ(db.number("SELECT count(*) FROM attempts"), 0);
    EXPECT_EQ(state("attempts_made"), "0");
    EXPECT_EQ(state("lease_owner IS NULL AND next_attempt_at > clock_timestamp()"), "t");
    EXPECT_EQ(health("failing_since IS NULL", hook), "t");
}

TEST_F(delivery_store_test, a_cancellation_is_on_record) {
    auto one = claim_new(hook);
    auto cancelled = attempt_of(one, decision::cancelled, error_class::webhook_deleted);
    cancelled.started = cancelled.ended = steady_time{};
    cancelled.result.duration = {};
    EXPECT_TRUE(record({cancelled}).lost.empty());
    EXPECT_EQ(db.number("SELECT count(*) FROM deliveries"), 0);
    EXPECT_EQ(db.value("SELECT decision || ' ' || error_class || ' ' || (clock_timestamp() - started_at < interval"
                       " '10 seconds')::text FROM attempts"),
              "cancelled webhook_deleted true");
}

TEST_F(delivery_store_test, an_attempt_is_kept_with_what_its_request_was_made_of) {
    add_delivery(hook, "event_type, next_attempt_at", "'call.ended', clock_timestamp()");
    auto const one = claim(1).deliveries.at(0);
    EXPECT_FALSE(one.manual);
    EXPECT_FALSE(one.schedule_goes_on);
    auto attempt = attempt_of(one, decision::retry, error_class::timeout);
    attempt.signed_at = 1'700'000'000;
    attempt.webhook_revision = 42;
    attempt.manual = true;
    record({attempt});
    EXPECT_EQ(
        db.value("SELECT event_type || ' ' || signed_at || ' ' || webhook_revision || ' ' || manual FROM attempts"),
        "call.ended 1700000000 42 true");
    db.query("UPDATE deliveries SET next_attempt_at = clock_timestamp()");
    auto unsent = attempt_of(claim(1).deliveries.at(0), decision::cancelled, error_class::webhook_deleted);
    unsent.signed_at = 0;
    record({unsent});
    EXPECT_EQ(db.value("SELECT signed_at IS NULL AND NOT manual FROM attempts WHERE attempt = 2"), "t");
}

TEST_F(delivery_store_test, a_claim_tells_where_the_schedule_stands) {
    add_delivery(hook, "attempts_made, schedule_base, manual, resume_at, next_attempt_at",
                 "5, 3, true, clock_timestamp() + interval '1 hour', clock_timestamp()");
    auto const one = claim(1).deliveries.at(0);
    EXPECT_EQ(one.attempts_made, 5);
    EXPECT_EQ(one.schedule_base, 3);
    EXPECT_EQ(one.scheduled_attempt(), 3);
    EXPECT_TRUE(one.manual);
    EXPECT_TRUE(one.schedule_goes_on);
}

TEST_F(delivery_store_test, hostile_text_does_not_break_the_batch) {
    auto const one = claim_new(hook);
    auto attempt = attempt_of(one, decision::retry, error_class::tls_failure);
    attempt.result.message = std::string("bad \0 and \xff and \xed\xa0\x80 and ä", 26);
    attempt.result.remote_address = "\xc0";
    EXPECT_TRUE(record({attempt}).lost.empty());
    EXPECT_EQ(db.value("SELECT message FROM attempts").substr(0, 8), "bad \xef\xbf\xbd ");
}

// --- health of webhooks ---------------------------------------------------------------------------------------------

TEST_F(delivery_store_test, failing_since_is_the_first_failure_and_a_success_clears_it) {
    auto const before = health("revision", hook);
    record({attempt_of(claim_new(hook), decision::retry, error_class::timeout)});
    auto const since = health("failing_since", hook);
    EXPECT_NE(since, "");
    EXPECT_GT(std::stoll(health("revision", hook)), std::stoll(before));
    auto const revision = health("revision", hook);
    record({attempt_of(claim_new(hook), decision::retry, error_class::timeout)});
    EXPECT_EQ(health("failing_since", hook), since);
    EXPECT_EQ(health("revision", hook), revision); // no transition, no write
    auto success = attempt_of(claim_new(hook), decision::delivered);
    success.was_failing = true;
    record({success});
    EXPECT_EQ(health("failing_since IS NULL", hook), "t");
    EXPECT_EQ(db.number("SELECT count(*) FROM deliveries WHERE next_attempt_at > clock_timestamp()"), 2);
}

TEST_F(delivery_store_test, a_batch_may_hold_success_and_failure_of_one_webhook) {
    add_many(hook, 2);
    auto const found = claim(2).deliveries;
    EXPECT_TRUE(
        record({attempt_of(found[0], decision::delivered), attempt_of(found[1], decision::retry, error_class::timeout)})
            .lost.empty());
    EXPECT_EQ(health("failing_since IS NULL", hook), "t");
    EXPECT_EQ(db.number("SELECT count(*) FROM attempts"), 2);
}

TEST_F(delivery_store_test, gone_disables_at_once_and_is_reported_once) {
    add_many(hook, 2);
    auto const found = claim(2).deliveries;
    auto one = attempt_of(found[0], decision::retry, error_class::http_status);
    auto two = attempt_of(found[1], decision::retry, error_class::http_status);
    one.verdict.disable_webhook = two.verdict.disable_webhook = true;
    auto const done = record({one, two});
    ASSERT_EQ(done.disabled.size(), 1U);
    EXPECT_EQ(done.disabled[0], (std::pair{hook, std::string("gone")}));
    EXPECT_EQ(health("NOT enabled AND disabled_reason = 'gone' AND disabled_at IS NOT NULL", hook), "t");
}

TEST_F(delivery_store_test, a_webhook_that_only_failed_for_too_long_is_disabled) {
    auto const fail = [&] {
        return record({attempt_of(claim_new(hook), decision::retry, error_class::timeout)}).disabled;
    };
    EXPECT_TRUE(fail().empty());
    db.query("UPDATE webhooks SET failing_since = clock_timestamp() - interval '119 hours'");
    EXPECT_TRUE(fail().empty());
    db.query("UPDATE webhooks SET failing_since = clock_timestamp() - interval '121 hours'");
    auto const disabled = fail();
    ASSERT_EQ(disabled.size(), 1U);
    EXPECT_EQ(disabled[0].second, "failing");
    EXPECT_EQ(health("NOT enabled AND disabled_reason = 'failing'", hook), "t");
}

TEST_F(delivery_store_test, zero_means_that_failing_never_disables) {
    queue = make_delivery_store(db.options(), settings(hours(0)));
    db.query("UPDATE webhooks SET failing_since = clock_timestamp() - interval '1000 days'");
    EXPECT_TRUE(record({attempt_of(claim_new(hook), decision::retry, error_class::timeout)}).disabled.empty());
    EXPECT_EQ(health("enabled", hook), "t");
}

TEST_F(delivery_store_test, a_reason_to_be_disabled_is_not_overwritten) {
    auto const one = claim_new(hook);
    db.query("UPDATE webhooks SET enabled = false, disabled_reason = 'requested', disabled_at = now()");
    auto attempt = attempt_of(one, decision::retry, error_class::http_status);
    attempt.verdict.disable_webhook = true;
    EXPECT_TRUE(record({attempt}).disabled.empty());
    EXPECT_EQ(health("disabled_reason", hook), "requested");
}

// --- webhooks -------------------------------------------------------------------------------------------------------

TEST_F(delivery_store_test, webhooks_are_loaded_with_their_living_secrets_newest_first) {
    db.query("UPDATE webhooks SET headers = '[[\"X-A\",\"1\"],[\"X-B\",\"\\u00e4\"]]', max_concurrency = 3,"
             " subscribed_events = ARRAY['call.*', 'a.b'] WHERE webhook_id = '" +
             hook.text() + "'");
    db.query("INSERT INTO webhook_secrets (secret_id, webhook_id, sealed, key_id, created_at, expires_at) VALUES"
             " (gen_random_uuid(), '" +
             hook.text() +
             "', '\\x01', 'k1', now() - interval '1 day', now() + interval '1 hour'),"
             " (gen_random_uuid(), '" +
             hook.text() +
             "', '\\x02ff', 'k2', now(), NULL),"
             " (gen_random_uuid(), '" +
             hook.text() + "', '\\x03', 'k0', now() - interval '2 days', now() - interval '1 hour')");
    auto const found = run(queue->load_webhooks({hook, make_id<webhook_id>()})).value();
    ASSERT_EQ(found.size(), 1U);
    auto const& one = found[0];
    EXPECT_EQ(one.id, hook);
    EXPECT_EQ(one.headers, (std::vector<std::pair<std::string, std::string>>{{"X-A", "1"}, {"X-B", "ä"}}));
    EXPECT_EQ(one.subscribed_events, (std::vector<std::string>{"call.*", "a.b"}));
    EXPECT_EQ(one.max_concurrency, 3);
    EXPECT_EQ(one.max_rate_per_second, std::nullopt);
    EXPECT_TRUE(one.enabled);
    ASSERT_EQ(one.secrets.size(), 2U);
    EXPECT_EQ(one.secrets[0].key_id, "k2");
    EXPECT_EQ(one.secrets[0].sealed, (std::vector<std::uint8_t>{2, 0xff}));
    EXPECT_FALSE(one.secrets[0].expires_at);
    EXPECT_TRUE(one.secrets[1].expires_at);
}

TEST_F(delivery_store_test, works_again_by_itself_after_its_connections_were_cut) {
    ASSERT_TRUE(run(queue->heartbeat(me)));
    EXPECT_GE(db.cut_connections(), 1);
    EXPECT_TRUE(run(queue->heartbeat(me)));
    EXPECT_FALSE(claim(1).next_due);
}

TEST_F(delivery_store_test, no_heartbeat_is_sent_while_a_thread_hangs_on_which_deliveries_depend) {
    std::promise<void> go;
    auto const stay = go.get_future().share();
    auto const hang = [stay](std::string name, duty has, std::promise<void>& begun) {
        watched_thread const watched(std::move(name), has);
        thread_does const now(doing::work);
        begun.set_value();
        stay.wait();
    };
    std::promise<void> judging, outcomes;
    std::thread beside(hang, "judging", duty::other, std::ref(judging));
    judging.get_future().wait();
    EXPECT_TRUE(come_to_hang("judging"));
    EXPECT_TRUE(run(queue->heartbeat(me))) << "that is no delivery's thread";

    std::thread stuck(hang, "outcomes of another", duty::deliveries, std::ref(outcomes));
    outcomes.get_future().wait();
    EXPECT_TRUE(come_to_hang("judging, outcomes of another"));
    EXPECT_EQ(hung_delivery_threads(), "outcomes of another");
    auto const counted = db.number("SELECT heartbeat_count FROM instances");
    auto const refused = run(queue->heartbeat(me));
    ASSERT_FALSE(refused);
    EXPECT_NE(refused.error().message.find("outcomes of another"), std::string::npos) << refused.error().message;
    EXPECT_EQ(db.number("SELECT heartbeat_count FROM instances"), counted);
    go.set_value();
    beside.join();
    stuck.join();
    EXPECT_TRUE(run(queue->heartbeat(me)));
}

} // namespace
} // namespace klen::webhooks::store
