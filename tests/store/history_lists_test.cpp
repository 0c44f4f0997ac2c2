#include "store/history_fixture.hpp"

#include <atomic>

namespace klen::webhooks::store {
namespace {

class history_lists_test : public history_fixture {};

TEST_F(history_lists_test, every_delivery_is_listed_once_newest_first_with_its_state) {
    auto const delivered = finish(decision::delivered);
    auto const failed_one = failed("call.failed");
    auto const cancelled = finish(decision::cancelled, error_class::webhook_deleted);
    auto const pending = waiting("calendar.created");
    auto const leased = publish("call.started").id;
    auto const all = list();
    EXPECT_FALSE(all.more);
    std::map<delivery_id, delivery_row> seen;
    for (auto const& one : all.items)
        seen[one.id] = one;
    EXPECT_EQ(ids(), newest_first({delivered, failed_one, cancelled, pending, leased}));
    EXPECT_EQ(seen[delivered].status, delivery_status::delivered);
    EXPECT_EQ(seen[failed_one].status, delivery_status::failed);
    EXPECT_EQ(seen[cancelled].status, delivery_status::cancelled);
    EXPECT_EQ(seen[pending].status, delivery_status::pending);
    EXPECT_EQ(seen[leased].status, delivery_status::delivering);
    EXPECT_TRUE(seen[pending].next_attempt_at);
    EXPECT_FALSE(seen[leased].next_attempt_at);
    EXPECT_EQ(seen[pending].attempts_made, 1);
    EXPECT_EQ(seen[leased].attempts_made, 0);
    EXPECT_FALSE(seen[leased].last_attempt);
    EXPECT_EQ(seen[failed_one].last_attempt->error, error_class::http_status);
    EXPECT_EQ(seen[failed_one].last_attempt->status, 500);
    EXPECT_EQ(seen[failed_one].event_type, "call.failed");
    EXPECT_EQ(seen[leased].event_type, "call.started");
    EXPECT_EQ(seen[delivered].account_id, "a");
    EXPECT_EQ(seen[delivered].webhook, hook);
}

TEST_F(history_lists_test, filters_narrow_alone_and_together) {
    std::map<std::string, std::vector<delivery_id>> made;
    for (std::string const type : {"call.ended", "not.in_the_catalogue"}) {
        made["delivered " + type].push_back(finish(decision::delivered, error_class::none, type));
        made["failed " + type].push_back(failed(type));
        made["pending " + type].push_back(waiting(type));
        made["cancelled " + type].push_back(finish(decision::cancelled, error_class::webhook_deleted, type));
        made["delivering " + type].push_back(publish(type).id);
    }
    auto const of = [&](std::string const& state) {
        return newest_first({made[state + " call.ended"][0], made[state + " not.in_the_catalogue"][0]});
    };
    for (auto const status : {delivery_status::pending, delivery_status::delivering, delivery_status::delivered,
                              delivery_status::failed, delivery_status::cancelled}) {
        auto const name = std::string(to_string(status));
        EXPECT_EQ(ids({.status = {status}}), of(name)) << name;
        EXPECT_EQ(ids({.status = {status}, .event_type = "not.in_the_catalogue"}),
                  made[name + " not.in_the_catalogue"]);
        EXPECT_TRUE(ids({.status = {status}, .event_type = "call.started"}).empty());
    }
    EXPECT_EQ(ids({.status = {delivery_status::failed, delivery_status::failed}}), of("failed"));
    EXPECT_EQ(ids({.event_type = "call.ended"}).size(), 5U);
    EXPECT_EQ(ids({.error = error_class::timeout}), of("pending"));
    EXPECT_EQ(ids({.error = error_class::http_status}), of("failed"));
    EXPECT_EQ(ids({.status = {delivery_status::failed}, .error = error_class::http_status}), of("failed"));
    EXPECT_TRUE(ids({.status = {delivery_status::delivered}, .error = error_class::http_status}).empty());
    EXPECT_EQ(ids({.event_type = "call.ended", .error = error_class::timeout}), made["pending call.ended"]);
    EXPECT_TRUE(ids({.error = error_class::tls_failure}).empty());
}

TEST_F(history_lists_test, an_error_counts_whichever_attempt_had_it_and_once) {
    auto one = publish();
    for (int i = 0; i < 3; ++i) {
        record(one, decision::retry, i == 2 ? error_class::dns_timeout : error_class::timeout);
        sql("UPDATE deliveries SET next_attempt_at = clock_timestamp()");
        one = run(queue->claim_due({me, 10, {}})).value().deliveries.at(0);
    }
    record(one, decision::delivered);
    EXPECT_EQ(ids({.error = error_class::timeout}), std::vector{one.id});
    EXPECT_EQ(ids({.error = error_class::dns_timeout}), std::vector{one.id});
    EXPECT_EQ(ids({.status = {delivery_status::delivered}, .error = error_class::timeout}), std::vector{one.id});
    EXPECT_TRUE(ids({.status = {delivery_status::failed}, .error = error_class::timeout}).empty());
    EXPECT_EQ(state(one.id).status, delivery_status::delivered);
}

TEST_F(history_lists_test, two_filters_agree_however_many_pass_each) {
    // More than are asked one by one, so that each of the ways to combine status and error is taken.
    auto const add = [&](int count, std::string const& decision, std::string const& errors) {
        sql("WITH d AS (SELECT i, delivery_id_of(uuid_v7_floor(now() - i * interval '1 second')) AS id"
            " FROM generate_series(1, " +
            std::to_string(count) +
            ") i) INSERT INTO attempts (delivery_id, attempt, event_id, webhook_id, account_id, event_type, decision,"
            " error_class, started_at, duration_us, instance_id) SELECT id, n, gen_random_uuid(), " +
            text_of(hook) + ", 'a', CASE i % 2 WHEN 0 THEN 'call.ended' ELSE 'odd.type' END, CASE n WHEN 2 THEN '" +
            decision + "' ELSE 'retry' END, " + errors + ", now(), 1, 1 FROM d, generate_series(1, 2) n");
    };
    add(2500, "failed", "CASE WHEN i % 100 = 0 THEN 'dns_timeout' ELSE 'timeout' END");
    add(2500, "delivered", "CASE n WHEN 2 THEN 'none' ELSE 'timeout' END");
    add(20, "cancelled", "CASE n WHEN 2 THEN 'webhook_deleted' ELSE 'timeout' END");
    auto const pending = waiting();
    auto const count = [&](delivery_status status, error_class error, std::string const& type = "") {
        return list({.status = {status}, .event_type = type, .error = error, .limit = 10'000}).items.size();
    };
    EXPECT_EQ(count(delivery_status::failed, error_class::timeout), 2475U); // many and many
    EXPECT_EQ(count(delivery_status::delivered, error_class::timeout), 2500U);
    EXPECT_EQ(count(delivery_status::delivered, error_class::timeout, "odd.type"), 1250U);
    EXPECT_EQ(count(delivery_status::failed, error_class::dns_timeout), 25U); // many and few
    EXPECT_EQ(count(delivery_status::delivered, error_class::dns_timeout), 0U);
    EXPECT_EQ(count(delivery_status::cancelled, error_class::timeout), 20U); // few and many
    EXPECT_EQ(count(delivery_status::cancelled, error_class::dns_timeout), 0U);
    EXPECT_EQ(ids({.status = {delivery_status::pending}, .error = error_class::timeout}), std::vector{pending});
    auto const page = list({.status = {delivery_status::failed}, .error = error_class::timeout, .limit = 7});
    EXPECT_TRUE(page.more);
    EXPECT_EQ(page.items.size(), 7U);
    auto const next = list({.status = {delivery_status::failed},
                            .error = error_class::timeout,
                            .after = page.items.back().id,
                            .limit = 7});
    EXPECT_LT(next.items.front().id, page.items.back().id);
    sql("INSERT INTO deliveries (delivery_id, event_id, webhook_id, account_id, event_type, attempts_made) SELECT"
        " delivery_id_of(uuid_v7_floor(now() - i * interval '1 minute')), gen_random_uuid(), " +
        text_of(hook) + ", 'a', 'call.ended', 1 FROM generate_series(1, 2500) i");
    EXPECT_EQ(ids({.status = {delivery_status::pending}, .error = error_class::timeout}), std::vector{pending});
}

TEST_F(history_lists_test, times_bound_the_list_by_when_the_event_was_accepted) {
    auto const at = [](std::string const& time) {
        return "INSERT INTO attempts (delivery_id, attempt, event_id, webhook_id, account_id, event_type, decision,"
               " started_at, duration_us, instance_id) SELECT delivery_id_of(uuid_v7_floor('" +
               time + "')), 1, uuid_v7_floor('" + time + "'), ";
    };
    for (auto const* time : {"2026-01-01 10:00:00Z", "2026-01-01 11:00:00Z", "2026-01-01 12:00:00Z"})
        sql(at(time) + text_of(hook) + ", 'a', 'x.y', 'delivered', now(), 1, 1");
    auto const ten = wall_time(seconds(1767261600));
    EXPECT_EQ(list({.since = ten, .until = ten + hours(2)}).items.size(), 2U);
    EXPECT_EQ(list({.since = ten + milliseconds(1)}).items.size(), 2U);
    EXPECT_EQ(list({.until = ten}).items.size(), 0U);
    EXPECT_EQ(list({.since = ten + hours(3)}).items.size(), 0U);
    EXPECT_EQ(list({.since = wall_time(hours(-24)), .until = wall_time::max()}).items.size(), 3U);
    EXPECT_EQ(run(history->list_events("a", {.until = ten})).value().items.size(), 0U);
}

TEST_F(history_lists_test, slices_follow_one_another_without_a_gap_while_others_write) {
    std::set<delivery_id> before;
    for (int i = 0; i < 60; ++i)
        before.insert(i % 3 == 0   ? failed(i % 2 ? "call.ended" : "call.failed")
                      : i % 3 == 1 ? finish(decision::delivered)
                                   : waiting("calendar.created"));
    std::atomic<bool> stop = false;
    std::atomic<int> written = 0;
    std::thread publisher([&] { // new ones, and old ones that go on
        while (!stop) {
            auto const done = submit(*writer, make_event("a", "call.ended", "{}")).get();
            written += done ? 1 : 0;
            db.query("UPDATE deliveries SET lease_owner = CASE WHEN random() < 0.5 THEN 1 END WHERE attempts_made = 1");
        }
    });
    ASSERT_TRUE(eventually([&] { return written > 5; }));
    std::vector<delivery_id> seen;
    delivery_filter filter{.limit = 7};
    for (;;) {
        auto const got = run(history->list_deliveries("a", hook, filter));
        if (!got) {
            ADD_FAILURE() << got.error().message;
            break;
        }
        for (auto const& one : got->items)
            seen.push_back(one.id);
        if (!got->more)
            break;
        filter.after = got->items.back().id;
    }
    stop = true;
    publisher.join();
    EXPECT_TRUE(std::ranges::is_sorted(seen, std::greater<>()));
    std::set<delivery_id> const unique(seen.begin(), seen.end());
    EXPECT_EQ(unique.size(), seen.size());
    EXPECT_TRUE(std::ranges::includes(unique, before));
}

TEST_F(history_lists_test, more_is_said_exactly_when_there_is_more) {
    for (int i = 0; i < 4; ++i)
        finish(decision::delivered);
    EXPECT_TRUE(list({.limit = 3}).more);
    EXPECT_EQ(list({.limit = 3}).items.size(), 3U);
    EXPECT_FALSE(list({.limit = 4}).more);
    EXPECT_FALSE(list({.after = ids().back(), .limit = 4}).more);
    EXPECT_TRUE(list({.after = ids().back(), .limit = 4}).items.empty());
}

TEST_F(history_lists_test, anothers_webhook_delivery_and_event_are_not_found) {
    auto const one = publish();
    EXPECT_EQ(run(history->list_deliveries("b", hook, {})).error().kind, fault::not_found);
    EXPECT_EQ(run(history->list_deliveries("a", make_id<webhook_id>(), {})).error().kind, fault::not_found);
    EXPECT_EQ(run(history->show_delivery("b", one.id, {})).error().kind, fault::not_found);
    EXPECT_EQ(run(history->show_event("b", one.event_of, {})).error().kind, fault::not_found);
    EXPECT_EQ(run(history->event_deliveries("b", one.event_of, {})).error().kind, fault::not_found);
    EXPECT_TRUE(run(history->list_events("b", {})).value().items.empty());
}

TEST_F(history_lists_test, events_are_listed_by_account_type_and_time) {
    std::vector<event_id> ended;
    for (int i = 0; i < 3; ++i) {
        ended.push_back(publish("call.ended").event_of);
        publish("odd.type");
    }
    auto const all = run(history->list_events("a", {.limit = 4})).value();
    ASSERT_EQ(all.items.size(), 4U);
    EXPECT_TRUE(all.more);
    EXPECT_EQ(all.items[0].event_type, "odd.type");
    EXPECT_EQ(all.items[1].id, ended[2]);
    EXPECT_TRUE(all.items[1].body.empty());
    auto const rest = run(history->list_events("a", {.after = all.items.back().id, .limit = 4})).value();
    EXPECT_EQ(rest.items.size(), 2U);
    EXPECT_FALSE(rest.more);
    auto const typed = run(history->list_events("a", {.event_type = "call.ended"})).value();
    ASSERT_EQ(typed.items.size(), 3U);
    EXPECT_EQ(typed.items[2].id, ended[0]);
}

TEST_F(history_lists_test, an_event_is_shown_with_its_deliveries_in_every_state) {
    for (int i = 0; i < 4; ++i)
        add_webhook(db, "a", {"*"});
    gate.set({me, 3, {}}); // two are parked
    auto const taken = publish_all();
    ASSERT_EQ(taken.size(), 3U);
    record(taken[0], decision::delivered);
    record(taken[1], decision::failed, error_class::timeout);
    auto const shown = run(history->show_event("a", taken[0].event_of, {})).value().event;
    EXPECT_EQ(shown.body, "{\"x\":1}");
    EXPECT_EQ(shown.event_type, "call.ended");
    std::map<delivery_status, int> counts;
    for (auto const& one : shown.deliveries)
        ++counts[one.status];
    EXPECT_EQ(counts, (std::map<delivery_status, int>{{delivery_status::pending, 2},
                                                      {delivery_status::delivering, 1},
                                                      {delivery_status::delivered, 1},
                                                      {delivery_status::failed, 1}}));
    auto const pending =
        run(history->event_deliveries("a", taken[0].event_of, {.status = {delivery_status::pending}})).value();
    EXPECT_EQ(pending.items.size(), 2U);
    auto const timed_out =
        run(history->event_deliveries("a", taken[0].event_of, {.error = error_class::timeout})).value();
    ASSERT_EQ(timed_out.items.size(), 1U);
    EXPECT_EQ(timed_out.items[0].id, taken[1].id);
    EXPECT_EQ(timed_out.items[0].last_attempt->error, error_class::timeout);
    EXPECT_TRUE(timed_out.items[0].attempts.empty());
    auto const count = [&](delivery_filter filter) {
        return run(history->event_deliveries("a", taken[0].event_of, std::move(filter))).value().items.size();
    };
    auto const accepted = shown.accepted_at;
    EXPECT_EQ(count({.event_type = "call.ended"}), 5U);
    EXPECT_EQ(count({.event_type = "call.started"}), 0U);
    EXPECT_EQ(count({.since = accepted - std::chrono::hours(1), .until = accepted + std::chrono::hours(1)}), 5U);
    EXPECT_EQ(count({.since = accepted + std::chrono::hours(1)}), 0U);
    EXPECT_EQ(count({.until = accepted - std::chrono::hours(1)}), 0U);
}

TEST_F(history_lists_test, the_deliveries_of_an_event_come_in_parts_each_once) {
    for (int i = 0; i < 6; ++i)
        add_webhook(db, "a", {"*"});
    auto const taken = publish_all();
    ASSERT_EQ(taken.size(), 7U);
    for (std::size_t i = 0; i < 4; ++i)
        record(taken[i], i % 2 == 0 ? decision::delivered : decision::retry, error_class::timeout);
    publish_all(); // another event, of the same millisecond perhaps
    std::vector<delivery_id> expected, listed, shown;
    for (auto const& one : taken)
        expected.push_back(one.id);
    std::vector<bool> more;
    delivery_filter filter{.limit = 3};
    event_deliveries_filter with_event{.limit = 3};
    for (int part = 0; part < 3; ++part) {
        auto const got = run(history->event_deliveries("a", taken[0].event_of, filter)).value();
        auto const details = run(history->show_event("a", taken[0].event_of, with_event)).value();
        for (auto const& one : got.items)
            listed.push_back(one.id);
        for (auto const& one : details.event.deliveries)
            shown.push_back(one.id);
        more.push_back(got.more);
        EXPECT_EQ(details.more, got.more);
        filter.after = got.items.back().id;
        with_event.after = filter.after;
    }
    EXPECT_EQ(listed, newest_first(expected));
    EXPECT_EQ(shown, listed);
    EXPECT_EQ(more, (std::vector{true, true, false}));
    auto const late = run(history->event_deliveries(
        "a", taken[0].event_of, {.error = error_class::timeout, .after = newest_first(expected).back(), .limit = 3}));
    EXPECT_TRUE(late.value().items.empty());
}

TEST_F(history_lists_test, attempts_come_in_parts_the_newest_part_first) {
    auto const one = publish();
    record(one, decision::failed, error_class::timeout);
    sql("UPDATE attempts SET superseded = true, decision = 'retry'");
    sql("INSERT INTO attempts (delivery_id, attempt, event_id, webhook_id, account_id, event_type, decision, "
        "error_class,"
        " status, message, started_at, duration_us, instance_id, response_body, superseded)"
        " SELECT delivery_id, n, event_id, webhook_id, account_id, event_type, 'failed', error_class, status, message,"
        " started_at, duration_us, instance_id, convert_to('answer ' || n, 'UTF8'), n < 60"
        " FROM attempts, generate_series(2, 60) n");
    std::vector<int> seen;
    std::vector<std::size_t> sizes;
    attempts_filter which{.limit = 25};
    for (bool more = true; more;) {
        auto const part = run(history->show_delivery("a", one.id, which)).value();
        auto const& attempts = part.delivery.attempts;
        ASSERT_FALSE(attempts.empty());
        EXPECT_EQ(part.origins.size(), attempts.size());
        EXPECT_EQ(part.delivery.attempts_made, 60);
        EXPECT_EQ(part.delivery.last_attempt->attempt, 60);
        EXPECT_EQ(part.delivery.status, delivery_status::failed);
        sizes.push_back(attempts.size());
        for (std::size_t i = attempts.size(); i-- > 0;)
            seen.push_back(attempts[i].attempt);
        EXPECT_EQ(attempts.back().response_body, "answer " + std::to_string(attempts.back().attempt));
        which.before = attempts.front().attempt;
        more = part.more;
    }
    EXPECT_EQ(sizes, (std::vector<std::size_t>{25, 25, 10}));
    ASSERT_EQ(seen.size(), 60U);
    for (int i = 0; i < 60; ++i)
        EXPECT_EQ(seen[static_cast<std::size_t>(i)], 60 - i);
    auto const event = run(history->show_event("a", one.event_of, {})).value().event;
    ASSERT_EQ(event.deliveries.at(0).attempts.size(), 20U);
    EXPECT_EQ(event.deliveries[0].attempts.front().attempt, 41);
    EXPECT_EQ(event.deliveries[0].attempts.back().attempt, 60);
}

// --- one delivery ---------------------------------------------------------------------------------------------------

TEST_F(history_lists_test, a_delivery_is_shown_with_all_that_is_known_of_it) {
    auto const one = publish();
    auto first = attempt_of(one, decision::retry, error_class::http_status);
    first.result.response_headers = "A: b\r\n";
    first.result.response_body = std::string("\xff\0x", 3);
    first.result.remote_address = "192.0.2.1:443";
    first.result.message = "HTTP 500";
    first.signed_at = 1'700'000'000;
    first.webhook_revision = 7;
    ASSERT_TRUE(run(queue->record(me, {first})));
    auto const shown = run(history->show_delivery("a", one.id, {})).value();
    EXPECT_EQ(shown.delivery.status, delivery_status::pending);
    EXPECT_EQ(shown.event.value().body, "{\"x\":1}");
    ASSERT_EQ(shown.delivery.attempts.size(), 1U);
    auto const& attempt = shown.delivery.attempts[0];
    EXPECT_EQ(attempt.attempt, 1);
    EXPECT_EQ(attempt.decision, decision::retry);
    EXPECT_EQ(attempt.status, 500);
    EXPECT_EQ(attempt.message, "HTTP 500");
    EXPECT_EQ(attempt.response_headers, "A: b\r\n");
    EXPECT_EQ(attempt.response_body, std::string("\xff\0x", 3));
    EXPECT_EQ(attempt.remote_address, "192.0.2.1:443");
    EXPECT_EQ(attempt.duration, milliseconds(100));
    EXPECT_EQ(attempt.signed_at, 1'700'000'000);
    EXPECT_EQ(attempt.webhook_revision, 7);
    EXPECT_EQ(attempt.instance, me);
    EXPECT_EQ(attempt.next_attempt_at, shown.delivery.next_attempt_at);
    sql("DELETE FROM events");
    EXPECT_FALSE(run(history->show_delivery("a", one.id, {})).value().event);
}

TEST_F(history_lists_test, each_attempt_comes_with_what_its_headers_were_made_of_then) {
    auto const webhook = text_of(hook);
    sql("INSERT INTO webhook_versions (webhook_id, revision, url, headers) VALUES (" + webhook +
        ", 0, 'http://first', '[]'), (" + webhook + ", 10, 'http://second', '[[\"X-A\",\"1\"]]')");
    auto const secret = [&](int byte, int revision, std::string const& expires) {
        sql("INSERT INTO webhook_secrets (secret_id, webhook_id, sealed, key_id, added_revision, expires_at) VALUES"
            " (gen_random_uuid(), " +
            webhook + ", '\\x0" + std::to_string(byte) + "', 'k', " + std::to_string(revision) + ", " + expires + ")");
    };
    secret(1, 0, "to_timestamp(2000)"); // its grace ended at 2000
    secret(2, 20, "NULL");
    auto one = publish();
    auto const attempt = [&](int revision, int signed_at) {
        auto what = attempt_of(one, decision::retry, error_class::timeout);
        what.webhook_revision = revision;
        what.signed_at = signed_at;
        ASSERT_TRUE(run(queue->record(me, {what})));
        sql("UPDATE deliveries SET next_attempt_at = clock_timestamp()");
        one = run(queue->claim_due({me, 10, {}})).value().deliveries.at(0);
    };
    attempt(9, 1000);  // before the new URL and the rotation
    attempt(19, 1500); // the new URL
    attempt(25, 1900); // both secrets
    attempt(25, 2100); // the old one's grace is over
    attempt(25, 0);    // nothing was sent
    auto const shown = run(history->show_delivery("a", one.id, {})).value();
    ASSERT_EQ(shown.origins.size(), 5U);
    auto const signers = [&](std::size_t i) {
        std::string out;
        for (auto const& each : shown.origins[i].value().secrets)
            out += static_cast<char>('0' + each.sealed.at(0));
        return out;
    };
    EXPECT_EQ(shown.origins[0]->url, "http://first");
    EXPECT_TRUE(shown.origins[0]->headers.empty());
    EXPECT_EQ(shown.origins[0]->header_prefix, "X-Klen-");
    EXPECT_EQ(shown.origins[0]->user_agent, "klen-webhooks/test");
    EXPECT_EQ(shown.origins[1]->url, "http://second");
    EXPECT_EQ(shown.origins[1]->headers.size(), 1U);
    EXPECT_EQ(signers(0), "1");
    EXPECT_EQ(signers(1), "1");
    EXPECT_EQ(signers(2), "21");
    EXPECT_EQ(signers(3), "2");
    EXPECT_FALSE(shown.origins[4]);
    sql("DELETE FROM senders");
    EXPECT_FALSE(run(history->show_delivery("a", one.id, {})).value().origins[0]);
}

} // namespace
} // namespace klen::webhooks::store
