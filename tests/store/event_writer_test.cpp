#include "klen/webhooks/store/event_writer.hpp"

#include "store/session.hpp"
#include "store/store_support.hpp"
#include "store/unix_proxy.hpp"

#include <gtest/gtest.h>

#include <set>

namespace klen::webhooks::store {
namespace {

using namespace test;

class event_writer_test : public testing::Test {
  protected:
    std::unique_ptr<event_writer> make(std::string const& url = "") {
        auto options = db.options();
        if (!url.empty())
            options.url = url;
        return event_writer::create(options, limits, gate);
    }
    /// An instance with room for everything.
    instance_id grant_all() {
        auto const me = add_instance(db);
        gate.set({me, 1'000'000, {}});
        return me;
    }
    std::set<std::string> webhooks_of(event_id id) {
        std::set<std::string> out;
        for (auto const& row : db.query("SELECT webhook_id FROM deliveries WHERE event_id = '" + id.text() + "'"))
            out.insert(row[0]);
        return out;
    }
    std::int64_t count(std::string const& table) { return db.number("SELECT count(*) FROM " + table); }

    test_database db;
    fake_gate gate;
    intake_config limits = intake_limits();
};

TEST_F(event_writer_test, an_event_goes_to_exactly_the_webhooks_that_asked_for_it) {
    auto const exact = add_webhook(db, "a", {"call.ended"});
    auto const several = add_webhook(db, "a", {"calendar.created", "call.ended"});
    auto const group = add_webhook(db, "a", {"call.*"});
    auto const all = add_webhook(db, "a", {"*"});
    add_webhook(db, "a", {"call.started"});
    add_webhook(db, "a", {"calendar.*"});
    add_webhook(db, "b", {"*"});
    auto const disabled = add_webhook(db, "a", {"*"});
    db.query("UPDATE webhooks SET enabled = false, disabled_reason = 'requested', disabled_at = now()"
             " WHERE webhook_id = '" +
             disabled.text() + "'");
    auto const deleted = add_webhook(db, "a", {"*"});
    db.query("UPDATE webhooks SET deleted_at = now() WHERE webhook_id = '" + deleted.text() + "'");
    auto writer = make();
    auto const answer = submit(*writer, make_event("a")).get();
    ASSERT_TRUE(answer) << answer.error().message;
    EXPECT_FALSE(answer->repeated);
    EXPECT_EQ(webhooks_of(answer->id), (std::set{exact.text(), several.text(), group.text(), all.text()}));
    EXPECT_EQ(count("deliveries"), 4);
}

TEST_F(event_writer_test, an_account_with_many_webhooks_keeps_nobody_waiting_for_long) {
    for (int i = 0; i < 50; ++i)
        add_webhook(db, "heavy", {"*"});
    add_webhook(db, "light", {"*"});
    grant_all();
    limits.batch_deliveries_max = 100;
    auto writer = make();
    std::vector<std::future<result<publish_receipt>>> answers;
    for (int i = 0; i < 40; ++i)
        answers.push_back(submit(*writer, make_event("heavy")));
    answers.push_back(submit(*writer, make_event("light")));
    for (auto& answer : answers)
        ASSERT_TRUE(answer.get());
    EXPECT_EQ(count("deliveries"), 40 * 50 + 1);
    // In one transaction: that of the first few events, which told how many there are, is the largest.
    auto const largest = db.number("SELECT max(n) FROM (SELECT count(*) AS n FROM deliveries GROUP BY xmin) t");
    EXPECT_LE(largest, 4 * 50 + 1);
    auto const transactions = db.number("SELECT count(DISTINCT xmin::text) FROM deliveries");
    EXPECT_GE(transactions, 10) << "none of the others has more than two events of that account";
}

TEST_F(event_writer_test, what_is_parked_or_due_counts_as_well) {
    for (int i = 0; i < 50; ++i)
        add_webhook(db, "heavy", {"*"});
    limits.batch_deliveries_max = 100;
    auto writer = make(); // without a grant all is born due
    std::vector<std::future<result<publish_receipt>>> answers;
    for (int i = 0; i < 40; ++i)
        answers.push_back(submit(*writer, make_event("heavy")));
    for (auto& answer : answers)
        ASSERT_TRUE(answer.get());
    EXPECT_LE(db.number("SELECT max(n) FROM (SELECT count(*) AS n FROM deliveries GROUP BY xmin) t"), 4 * 50);
}

// A sequence is not rolled back: the first try fails, the next one does not.
TEST_F(event_writer_test, a_deadlock_or_a_conflict_is_tried_again_and_nobody_hears_of_it) {
    add_webhook(db, "a", {"*"});
    auto writer = make();
    for (char const* code : {"40P01", "40001", "55P03"}) {
        db.query(std::string("CREATE SEQUENCE tries; CREATE FUNCTION fail_once() RETURNS trigger LANGUAGE plpgsql AS $$"
                             " BEGIN IF nextval('tries') = 1 THEN RAISE EXCEPTION 'planted' USING ERRCODE = '") +
                 code +
                 "'; END IF; RETURN NEW; END $$;"
                 "CREATE TRIGGER fail_once BEFORE INSERT ON events FOR EACH ROW EXECUTE FUNCTION fail_once()");
        auto const answer = submit(*writer, make_event("a")).get();
        EXPECT_TRUE(answer) << code;
        EXPECT_EQ(db.number("SELECT last_value FROM tries"), 2) << code << ": it has failed once";
        db.query("DROP TRIGGER fail_once ON events; DROP FUNCTION fail_once; DROP SEQUENCE tries");
    }
    EXPECT_EQ(count("events"), 3);
    EXPECT_EQ(count("deliveries"), 3);
}

// A timeout that hits a commit leaves everybody in doubt: there is none, however short those of other calls are.
TEST_F(event_writer_test, no_statement_timeout_ends_a_commit) {
    session other(db.options(), {.name = "other"});
    ASSERT_TRUE(other.run_text("BEGIN; LOCK TABLE events IN ACCESS EXCLUSIVE MODE"));
    auto options = db.options();
    options.statement_timeout = milliseconds(100);
    auto const writer = event_writer::create(options, limits, gate);
    auto answer = submit(*writer, make_event("a"));
    EXPECT_TRUE(eventually([&] { return waiting_for_locks(db, "intake", milliseconds(300)) == 1; }))
        << "the statement was given up";
    ASSERT_TRUE(other.run_text("COMMIT"));
    EXPECT_TRUE(answer.get());
}

TEST_F(event_writer_test, a_batch_that_does_not_end_is_told) {
    gate.hold();
    auto writer = make();
    auto first = submit(*writer, make_event("a"));
    EXPECT_TRUE(come_to_hang("intake"));
    gate.let_go();
    EXPECT_TRUE(first.get());
    EXPECT_TRUE(come_to_hang("")) << "now it waits";
}

TEST_F(event_writer_test, stores_what_it_was_given) {
    auto writer = make();
    auto given = make_event("acct", "call.ended", std::string("{\"a\":\"\xc3\xa4\0b\"}", 12));
    auto const id = submit(*writer, given).get().value().id;
    auto const row =
        db.query("SELECT account_id, event_type, encode(body, 'hex'), traceparent IS NULL, tableoid::regclass"
                 " FROM events WHERE event_id = '" +
                 id.text() + "'")
            .at(0);
    EXPECT_EQ(row[0], "acct");
    EXPECT_EQ(row[1], "call.ended");
    EXPECT_EQ(row[2], "7b2261223a22c3a40062227d");
    EXPECT_EQ(row[3], "t");
    EXPECT_NE(row[4], "events_default");
}

TEST_F(event_writer_test, deliveries_are_born_leased_and_handed_over_with_their_event) {
    auto const me = grant_all();
    auto const hook = add_webhook(db, "a", {"*"});
    auto writer = make();
    auto const id = submit(*writer, make_event("a", "call.ended", "{\"x\":1}")).get().value().id;
    auto const taken = gate.taken();
    ASSERT_EQ(taken.size(), 1U);
    EXPECT_EQ(taken[0].first, me);
    EXPECT_EQ(taken[0].second.webhook, hook);
    EXPECT_EQ(taken[0].second.event_of, id);
    EXPECT_EQ(taken[0].second.event->body, "{\"x\":1}");
    EXPECT_EQ(taken[0].second.attempts_made, 0);
    auto const row = db.query("SELECT delivery_id, lease_owner, parked, event_type FROM deliveries").at(0);
    EXPECT_EQ(row[0], taken[0].second.id.text());
    EXPECT_EQ(row[1], std::to_string(me.value));
    EXPECT_EQ(row[2], "f");
    EXPECT_EQ(row[3], "call.ended");
    EXPECT_EQ(taken[0].second.id.value.bytes[6] >> 4, 7); // a UUIDv7 in its event's millisecond
    auto const range = same_millisecond(id.value);
    EXPECT_TRUE(range.first <= taken[0].second.id.value && taken[0].second.id.value < range.past_last);
}

TEST_F(event_writer_test, every_delivery_of_an_event_has_an_id_of_its_own_in_the_events_millisecond) {
    auto const me = add_instance(db);
    for (int i = 0; i < 3; ++i)
        add_webhook(db, "a", {"*"});
    add_webhook(db, "b", {"*"});
    gate.set({me, 100, {}});
    gate.hold(); // so that all but the first come in one batch
    auto writer = make();
    std::vector<event_id> ids;
    std::vector<std::future<result<publish_receipt>>> answers;
    for (int i = 0; i < 6; ++i) {
        auto event = make_event(i % 2 == 0 ? "a" : "b");
        ids.push_back(event.event->id);
        answers.push_back(submit(*writer, std::move(event)));
    }
    gate.let_go();
    for (auto& answer : answers)
        ASSERT_TRUE(answer.get());
    std::map<event_id, std::set<delivery_id>> of;
    for (auto const& one : gate.taken()) {
        auto const range = same_millisecond(one.second.event_of.value);
        EXPECT_TRUE(range.first <= one.second.id.value && one.second.id.value < range.past_last);
        EXPECT_EQ(one.second.id.value.bytes[6] >> 4, 7);
        of[one.second.event_of].insert(one.second.id);
    }
    for (std::size_t i = 0; i < ids.size(); ++i)
        EXPECT_EQ(of[ids[i]].size(), i % 2 == 0 ? 3U : 1U);
}

TEST_F(event_writer_test, what_has_no_room_is_parked) {
    auto const me = add_instance(db);
    auto const full = add_webhook(db, "a", {"*"});
    auto const free = add_webhook(db, "a", {"*"});
    gate.set({me, 2, {full}});
    auto writer = make();
    for (int i = 0; i < 3; ++i)
        ASSERT_TRUE(submit(*writer, make_event("a")).get());
    EXPECT_EQ(gate.taken().size(), 3U); // one in each of three batches
    for (auto const& one : gate.taken())
        EXPECT_EQ(one.second.webhook, free);
    EXPECT_EQ(db.number("SELECT count(*) FROM deliveries WHERE parked AND lease_owner IS NULL"), 3);
    EXPECT_EQ(gate.parked(), (std::vector{full, full, full}));

    gate.set({me, 2, {}});
    gate.hold();
    auto const asked = gate.asked();
    auto first = submit(*writer, make_event("a"));
    gate.wait_until_asked(asked + 1);
    auto second = submit(*writer, make_event("b"));
    gate.let_go();
    ASSERT_TRUE(first.get());
    ASSERT_TRUE(second.get());
    EXPECT_EQ(gate.taken().size(), 5U); // room for two in all: both of the first
}

TEST_F(event_writer_test, room_is_counted_over_the_whole_batch) {
    auto const me = add_instance(db);
    add_webhook(db, "a", {"*"});
    gate.set({me, 3, {}});
    gate.hold();
    auto writer = make();
    auto first = submit(*writer, make_event("a")); // tells what the others will be: they need not go in parts
    gate.wait_until_asked(1);
    std::vector<std::future<receipt>> rest;
    for (int i = 0; i < 10; ++i)
        rest.push_back(submit(*writer, make_event("a")));
    gate.let_go();
    for (auto& one : rest)
        ASSERT_TRUE(one.get());
    EXPECT_EQ(gate.asked(), 2); // ten in one statement
    EXPECT_EQ(gate.taken().size(), 1U + 3U);
    EXPECT_EQ(db.number("SELECT count(*) FROM deliveries WHERE parked"), 7);
}

TEST_F(event_writer_test, without_an_owner_deliveries_are_due_for_anybody) {
    auto const full = add_webhook(db, "a", {"*"});
    add_webhook(db, "a", {"*"});
    gate.set({instance_id{0}, 100, {full}});
    auto writer = make();
    ASSERT_TRUE(submit(*writer, make_event("a")).get());
    EXPECT_EQ(db.number("SELECT count(*) FROM deliveries WHERE NOT parked AND lease_owner IS NULL"
                        " AND next_attempt_at <= clock_timestamp()"),
              2);
    EXPECT_TRUE(gate.taken().empty());
}

TEST_F(event_writer_test, an_owner_that_was_given_up_leases_nothing) {
    auto const me = grant_all();
    add_webhook(db, "a", {"*"});
    db.query("DELETE FROM instances WHERE instance_id = " + std::to_string(me.value));
    auto writer = make();
    ASSERT_TRUE(submit(*writer, make_event("a")).get());
    EXPECT_TRUE(gate.taken().empty());
    EXPECT_EQ(db.number("SELECT count(*) FROM deliveries WHERE NOT parked AND lease_owner IS NULL"), 1);
}

// --- idempotency ----------------------------------------------------------------------------------------------------

TEST_F(event_writer_test, a_repeated_id_gets_the_first_answer_and_sends_nothing) {
    add_webhook(db, "a", {"*"});
    auto writer = make();
    auto const first = submit(*writer, make_event("a", "call.ended", "{}", "key")).get().value();
    auto const again = submit(*writer, make_event("a", "call.ended", "{}", "key")).get().value();
    EXPECT_EQ(again.id, first.id);
    EXPECT_TRUE(again.repeated);
    EXPECT_EQ(count("events"), 1);
    EXPECT_EQ(count("deliveries"), 1);
    auto const other = submit(*writer, make_event("a", "call.ended", "{\"other\":1}", "key")).get();
    ASSERT_FALSE(other);
    EXPECT_EQ(other.error().kind, fault::conflict);
    auto const elsewhere = submit(*writer, make_event("b", "call.ended", "{}", "key")).get().value();
    EXPECT_FALSE(elsewhere.repeated);
    EXPECT_EQ(count("events"), 2);
}

TEST_F(event_writer_test, equal_ids_in_one_batch_store_one_event) {
    add_webhook(db, "a", {"*"});
    gate.hold();
    auto writer = make();
    auto blocker = submit(*writer, make_event("z"));
    gate.wait_until_asked(1);
    auto one = submit(*writer, make_event("a", "call.ended", "{}", "key"));
    auto two = submit(*writer, make_event("a", "call.ended", "{}", "key"));
    auto other = submit(*writer, make_event("a", "call.ended", "{\"b\":2}", "key"));
    auto without = submit(*writer, make_event("a"));
    gate.let_go();
    auto const first = one.get().value();
    auto const second = two.get().value();
    EXPECT_FALSE(first.repeated);
    EXPECT_TRUE(second.repeated);
    EXPECT_EQ(first.id, second.id);
    auto const third = other.get();
    ASSERT_FALSE(third);
    EXPECT_EQ(third.error().kind, fault::conflict);
    EXPECT_TRUE(without.get());
    EXPECT_EQ(gate.asked(), 2);
    EXPECT_EQ(db.number("SELECT count(*) FROM events WHERE account_id = 'a'"), 2);
    EXPECT_EQ(count("deliveries"), 2);
}

TEST_F(event_writer_test, two_writers_store_each_id_once) {
    constexpr int keys = 300;
    add_webhook(db, "a", {"*"});
    fake_gate other_gate;
    auto writer = make();
    auto other = event_writer::create(db.options(), limits, other_gate);
    std::vector<std::future<receipt>> answers;
    for (int i = 0; i < keys; ++i) {
        auto const key = "key " + std::to_string(i);
        // In opposite orders: the statement sorts them, or they would deadlock.
        auto const opposite = "key " + std::to_string(keys - 1 - i);
        answers.push_back(submit(*writer, make_event("a", "call.ended", "{}", key)));
        answers.push_back(submit(*other, make_event("a", "call.ended", "{}", opposite)));
    }
    int fresh = 0;
    for (auto& one : answers) {
        auto const got = one.get();
        ASSERT_TRUE(got) << got.error().message;
        fresh += got->repeated ? 0 : 1;
    }
    EXPECT_EQ(fresh, keys);
    EXPECT_EQ(count("events"), keys);
    EXPECT_EQ(count("deliveries"), keys);
}

// --- what the database refuses --------------------------------------------------------------------------------------

TEST_F(event_writer_test, one_event_that_is_refused_does_not_fail_its_neighbours) {
    gate.hold();
    auto writer = make();
    auto blocker = submit(*writer, make_event("z"));
    gate.wait_until_asked(1);
    std::vector<std::future<receipt>> answers;
    for (int i = 0; i < 9; ++i)
        answers.push_back(submit(*writer, make_event(i == 5 ? std::string("a\0b", 3) : "a")));
    gate.let_go();
    for (std::size_t i = 0; i < answers.size(); ++i) {
        auto const got = answers[i].get();
        EXPECT_EQ(got.has_value(), i != 5) << i;
        if (!got) {
            EXPECT_EQ(got.error().kind, fault::database_refused);
        }
    }
    EXPECT_EQ(db.number("SELECT count(*) FROM events WHERE account_id = 'a'"), 8);
}

TEST_F(event_writer_test, a_full_queue_answers_at_once) {
    limits.queue_events_max = 2;
    gate.hold();
    auto writer = make();
    auto first = submit(*writer, make_event("a"));
    gate.wait_until_asked(1);
    auto second = submit(*writer, make_event("a"));
    auto third = submit(*writer, make_event("a"));
    auto const refused = submit(*writer, make_event("a")).get();
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().kind, fault::overloaded);
    EXPECT_EQ(writer->waiting(), 2U);
    gate.let_go();
    EXPECT_TRUE(first.get() && second.get() && third.get());
}

TEST_F(event_writer_test, an_account_takes_no_more_than_its_share_of_the_queue) {
    limits.queue_events_max = 4;
    limits.account_share_percent = 50;
    gate.hold();
    auto writer = make();
    auto first = submit(*writer, make_event("a"));
    gate.wait_until_asked(1); // that one has left the queue
    std::vector<std::future<receipt>> accepted;
    accepted.push_back(submit(*writer, make_event("a")));
    accepted.push_back(submit(*writer, make_event("a")));
    auto const refused = submit(*writer, make_event("a")).get();
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().kind, fault::over_limit);
    accepted.push_back(submit(*writer, make_event("b")));
    accepted.push_back(submit(*writer, make_event("c")));
    auto const full = submit(*writer, make_event("d")).get();
    ASSERT_FALSE(full);
    EXPECT_EQ(full.error().kind, fault::overloaded) << "the queue, not the account";
    gate.let_go();
    EXPECT_TRUE(first.get());
    for (auto& one : accepted)
        EXPECT_TRUE(one.get());
    for (int i = 0; i < 10; ++i)
        EXPECT_TRUE(submit(*writer, make_event("a")).get()) << "what left the queue counts no more";
}

TEST_F(event_writer_test, an_accounts_share_is_of_bytes_too_and_never_too_small_for_one_event) {
    limits.queue_bytes_max = 100'000;
    limits.account_share_percent = 10;
    std::string const large = "\"" + std::string(15'000, 'x') + "\"";
    gate.hold();
    auto writer = make();
    auto first = submit(*writer, make_event("a"));
    gate.wait_until_asked(1);
    auto fits = submit(*writer, make_event("a", "call.ended", large));
    auto const refused = submit(*writer, make_event("a")).get();
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().kind, fault::over_limit);
    auto others = submit(*writer, make_event("b"));
    gate.let_go();
    EXPECT_TRUE(first.get() && fits.get() && others.get());
}

TEST_F(event_writer_test, stop_answers_what_was_accepted_and_refuses_the_rest) {
    gate.hold();
    auto writer = make();
    auto first = submit(*writer, make_event("a"));
    gate.wait_until_asked(1);
    auto second = submit(*writer, make_event("a"));
    auto stopping = std::async(std::launch::async, [&] { writer->stop(); });
    ASSERT_TRUE(eventually([&] {
        auto const refused = submit(*writer, make_event("a"));
        return refused.wait_for(std::chrono::seconds(0)) == std::future_status::ready;
    }));
    gate.let_go();
    stopping.get();
    EXPECT_TRUE(first.get());
    EXPECT_TRUE(second.get());
    writer->stop();
    auto const after = submit(*writer, make_event("a")).get();
    ASSERT_FALSE(after);
    EXPECT_EQ(after.error().kind, fault::shutting_down);
}

// --- the database goes away -----------------------------------------------------------------------------------------

TEST_F(event_writer_test, a_commit_whose_answer_is_lost_is_found_and_answered) {
    auto const me = grant_all();
    add_webhook(db, "a", {"*"});
    unix_proxy proxy(db.url());
    auto writer = make(proxy.url());
    ASSERT_TRUE(submit(*writer, make_event("a")).get()); // statements are prepared now
    proxy.swallow_next_answer();
    auto const got = submit(*writer, make_event("a")).get();
    ASSERT_TRUE(got) << got.error().message;
    EXPECT_TRUE(proxy.swallowed());
    EXPECT_EQ(count("events"), 2);
    EXPECT_EQ(count("deliveries"), 2);
    ASSERT_EQ(gate.taken().size(), 2U); // what was leased by the lost answer is not orphaned
    EXPECT_EQ(gate.taken()[1].first, me);
    EXPECT_EQ(gate.taken()[1].second.event_of, got->id);
}

TEST_F(event_writer_test, a_repeated_id_is_told_apart_after_a_lost_answer) {
    add_webhook(db, "a", {"*"});
    unix_proxy proxy(db.url());
    auto writer = make(proxy.url());
    auto const first = submit(*writer, make_event("a", "call.ended", "{}", "key")).get().value();
    gate.hold();
    auto const asked = gate.asked();
    auto repeat = submit(*writer, make_event("a", "call.ended", "{}", "key"));
    gate.wait_until_asked(asked + 1);
    proxy.swallow_next_answer();
    gate.let_go();
    auto const again = repeat.get();
    ASSERT_TRUE(again) << again.error().message;
    EXPECT_TRUE(again->repeated);
    EXPECT_EQ(again->id, first.id);
    EXPECT_EQ(count("events"), 1);
}

TEST_F(event_writer_test, a_statement_that_never_arrived_is_sent_again) {
    add_webhook(db, "a", {"*"});
    unix_proxy proxy(db.url());
    auto writer = make(proxy.url());
    ASSERT_TRUE(submit(*writer, make_event("a")).get());
    proxy.swallow_next_question();
    auto const got = submit(*writer, make_event("a")).get();
    ASSERT_TRUE(got) << got.error().message;
    EXPECT_EQ(count("events"), 2);
    EXPECT_EQ(count("deliveries"), 2);
}

TEST_F(event_writer_test, a_backend_that_is_ended_in_mid_statement_stores_nothing_twice) {
    auto const me = grant_all();
    add_webhook(db, "a", {"*"});
    auto writer = make();
    ASSERT_TRUE(submit(*writer, make_event("a")).get());
    // Hold the instance's row, so that the statement waits in the middle.
    auto const hold = "BEGIN; SELECT FROM instances WHERE instance_id = " + std::to_string(me.value) + " FOR UPDATE";
    db.query(hold);
    auto waiting = submit(*writer, make_event("a"));
    ASSERT_TRUE(eventually([&] { return waiting_for_locks(db, "intake") == 1; }));
    EXPECT_EQ(db.number("SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name ="
                        " 'klen-webhooks intake' AND datname = current_database()"),
              1);
    db.query("COMMIT");
    auto const got = waiting.get();
    ASSERT_TRUE(got) << got.error().message;
    EXPECT_EQ(count("events"), 2);
    EXPECT_EQ(count("deliveries"), 2);
    EXPECT_EQ(gate.taken().size(), 2U);
}

TEST_F(event_writer_test, while_the_database_is_gone_publishers_are_told_within_a_second) {
    unix_proxy proxy(db.url());
    auto writer = make(proxy.url());
    ASSERT_TRUE(submit(*writer, make_event("a")).get());
    proxy.refuse();
    auto const began = std::chrono::steady_clock::now();
    auto const first = submit(*writer, make_event("a")).get();
    EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::milliseconds(1500));
    ASSERT_FALSE(first);
    EXPECT_EQ(first.error().kind, fault::connection_lost);
    EXPECT_FALSE(writer->available());
    auto const second = submit(*writer, make_event("a"));
    EXPECT_EQ(second.wait_for(std::chrono::seconds(0)), std::future_status::ready); // no queue of the hopeful
    proxy.admit();
    ASSERT_TRUE(eventually([&] { return writer->available(); })); // by itself
    EXPECT_TRUE(submit(*writer, make_event("a")).get());
    EXPECT_EQ(count("events"), 2);
}

TEST_F(event_writer_test, a_commit_that_could_not_be_settled_in_time_is_settled_later) {
    auto const me = grant_all();
    add_webhook(db, "a", {"*"});
    unix_proxy proxy(db.url());
    auto writer = make(proxy.url());
    ASSERT_TRUE(submit(*writer, make_event("a")).get());
    gate.hold();
    auto const asked = gate.asked();
    auto waiting = submit(*writer, make_event("a"));
    gate.wait_until_asked(asked + 1);
    proxy.swallow_next_answer();
    proxy.refuse_new();
    gate.let_go();
    auto const got = waiting.get();
    ASSERT_FALSE(got);
    EXPECT_EQ(got.error().kind, fault::connection_lost);
    EXPECT_EQ(gate.taken().size(), 1U);
    proxy.admit();
    ASSERT_TRUE(eventually([&] { return gate.taken().size() == 2; })); // its deliveries are not orphaned
    EXPECT_EQ(gate.taken()[1].first, me);
    EXPECT_EQ(count("events"), 2);
}

TEST_F(event_writer_test, what_was_claimed_before_its_commit_was_settled_is_not_handed_over_again) {
    auto const me = grant_all();
    auto const full = add_webhook(db, "a", {"*"});
    gate.set({me, 1'000'000, {full}});
    unix_proxy proxy(db.url());
    auto writer = make(proxy.url());
    ASSERT_TRUE(submit(*writer, make_event("a")).get());
    gate.hold();
    auto const asked = gate.asked();
    auto waiting = submit(*writer, make_event("a"));
    gate.wait_until_asked(asked + 1);
    proxy.swallow_next_answer();
    proxy.refuse_new();
    gate.let_go();
    ASSERT_FALSE(waiting.get()) << "in doubt";

    auto const claims = make_delivery_store(db.options(), delivery_config{});
    auto const claimed = run(claims->claim_parked(me, {{full, 10}}));
    ASSERT_TRUE(claimed);
    ASSERT_EQ(claimed->deliveries.size(), 2U);

    proxy.admit();
    ASSERT_TRUE(eventually([&] { return submit(*writer, make_event("a")).get().has_value(); }));
    EXPECT_TRUE(gate.taken().empty()) << "its lane has it already: it would be sent twice";
    EXPECT_EQ(gate.parked().size(), 2U) << "that of the first event and that of the last";
}

} // namespace
} // namespace klen::webhooks::store
