#include "store/history_fixture.hpp"
#include "store/unix_proxy.hpp"

namespace klen::webhooks::store {
namespace {

class history_health_test : public history_fixture {
  protected:
    static health_record told(webhook_id of, int delivered, int failed) {
        health_record out;
        out.webhook = of;
        out.delivered = delivered;
        out.failed = failed;
        out.durations[4] = delivered + failed;
        auto const now = std::chrono::floor<milliseconds>(std::chrono::system_clock::now());
        if (delivered > 0)
            out.last_success_at = now;
        if (failed > 0) {
            out.last_failure_at = now;
            out.last_failure = error_class::timeout;
        }
        out.failures_since_success = delivered > 0 ? 0 : failed;
        return out;
    }
    /// A batch of its own.
    task<result<void>> add(std::vector<health_record> records) {
        return history->add_health({make_uuid_v7(), 1, std::move(records)});
    }
    webhook_health health() { return run(history->health("a", hook)).value(); }
};

TEST_F(history_health_test, a_webhook_that_did_nothing_has_no_history) {
    auto const now = health();
    EXPECT_EQ(now.pending, 0U);
    EXPECT_FALSE(now.last_success_at);
    EXPECT_FALSE(now.last_failure_at);
    EXPECT_EQ(now.day.delivered, 0);
    EXPECT_EQ(run(history->health("b", hook)).error().kind, fault::not_found);
    EXPECT_TRUE(run(add({})));
}

TEST_F(history_health_test, what_is_told_adds_up) {
    auto const first = told(hook, 3, 2);
    ASSERT_TRUE(run(add({first})));
    ASSERT_TRUE(run(add({told(hook, 0, 4), told(add_webhook(db, "a", {"*"}), 1, 0)})));
    auto now = health();
    EXPECT_EQ(now.hour.delivered, 3);
    EXPECT_EQ(now.hour.failed, 6);
    EXPECT_EQ(now.hour.durations[4], 9);
    EXPECT_EQ(now.hour.durations[3], 0);
    EXPECT_EQ(now.day.failed, 6);
    EXPECT_EQ(now.last_success_at, first.last_success_at);
    EXPECT_GE(now.last_failure_at, first.last_failure_at);
    EXPECT_EQ(now.last_failure_class, "timeout");
    EXPECT_EQ(now.consecutive_failures, 4);
    ASSERT_TRUE(run(add({told(hook, 0, 1), told(hook, 0, 2)}))); // twice in one batch
    EXPECT_EQ(health().consecutive_failures, 7);
    auto mixed = told(hook, 1, 2);
    mixed.failures_since_success = 1;
    ASSERT_TRUE(run(add({mixed})));
    EXPECT_EQ(health().consecutive_failures, 1);
}

TEST_F(history_health_test, times_never_go_back) {
    auto late = told(hook, 1, 1);
    ASSERT_TRUE(run(add({late})));
    auto early = late;
    early.last_success_at = *early.last_success_at - hours(1);
    early.last_failure_at = *early.last_failure_at - hours(1);
    early.last_failure = error_class::tls_failure;
    ASSERT_TRUE(run(add({early})));
    EXPECT_EQ(health().last_success_at, late.last_success_at);
    EXPECT_EQ(health().last_failure_at, late.last_failure_at);
    EXPECT_EQ(health().last_failure_class, "timeout");
}

TEST_F(history_health_test, windows_are_the_last_hour_and_day) {
    ASSERT_TRUE(run(add({told(hook, 1, 0)})));
    auto const at = [&](char const* age) {
        sql("INSERT INTO webhook_statistics (bucket_at, webhook_id, delivered, failed, durations) VALUES"
            " (date_bin('5 minutes', now(), 'epoch') - interval '" +
            std::string(age) + "', " + text_of(hook) + ", 10, 0, ARRAY[10])");
    };
    for (auto const* age : {"55 minutes", "60 minutes", "23 hours 55 minutes", "24 hours"})
        at(age);
    auto const now = health();
    EXPECT_EQ(now.hour.delivered, 11);
    EXPECT_EQ(now.day.delivered, 31);
    EXPECT_EQ(now.day.durations[0], 30);
}

TEST_F(history_health_test, what_is_pending_is_counted_up_to_a_bound) {
    waiting();
    publish();
    EXPECT_EQ(health().pending, 2U);
    sql("INSERT INTO deliveries (delivery_id, event_id, webhook_id, account_id) SELECT gen_random_uuid(),"
        " gen_random_uuid(), " +
        text_of(hook) + ", 'a' FROM generate_series(1, 10100)");
    EXPECT_EQ(health().pending, pending_counted_max + 1);
}

TEST_F(history_health_test, a_batch_that_is_told_again_counts_once) {
    auto const daemon = make_uuid_v7();
    auto const tell = [&](uuid by, std::int64_t number) {
        ASSERT_TRUE(run(history->add_health({by, number, {told(hook, 1, 0)}})));
    };
    tell(daemon, 1);
    tell(daemon, 1);
    EXPECT_EQ(health().hour.delivered, 1);
    tell(daemon, 2);
    tell(daemon, 1);
    EXPECT_EQ(health().hour.delivered, 2) << "a late run of an earlier one";
    tell(make_uuid_v7(), 1);
    EXPECT_EQ(health().hour.delivered, 3) << "another daemon's";
    EXPECT_EQ(db.number("SELECT count(*) FROM health_tellers"), 2);
}

TEST_F(history_health_test, an_answer_that_is_lost_counts_nothing_twice) {
    unix_proxy proxy(db.url());
    auto options = db.options();
    options.url = proxy.url();
    auto const own = make_history_store(options, 1);
    auto const daemon = make_uuid_v7();
    for (int cut = 0; cut < 3; ++cut) {
        ASSERT_TRUE(run(own->health("a", hook)));
        proxy.swallow_answer_after(cut);
        auto const done = run(own->add_health({daemon, cut + 1, {told(hook, 1, 2)}}));
        proxy.pass();
        ASSERT_TRUE(done) << cut << ": " << done.error().message;
    }
    EXPECT_EQ(health().hour.delivered, 3);
    EXPECT_EQ(health().hour.failed, 6);
    EXPECT_EQ(health().hour.durations[4], 9);
}

TEST_F(history_health_test, a_batch_that_is_told_many_times_at_once_counts_once) {
    auto const daemon = make_uuid_v7();
    std::vector<std::thread> all;
    for (int i = 0; i < 6; ++i)
        all.emplace_back([&] {
            auto const own = make_history_store(db.options(), 1);
            EXPECT_TRUE(run(own->add_health({daemon, 1, {told(hook, 1, 0)}})));
        });
    for (auto& one : all)
        one.join();
    EXPECT_EQ(health().hour.delivered, 1);
}

TEST_F(history_health_test, daemons_that_tell_at_once_do_not_block_one_another) {
    std::vector<webhook_id> hooks;
    for (int i = 0; i < 20; ++i)
        hooks.push_back(add_webhook(db, "a", {"*"}));
    std::vector<std::thread> all;
    for (int i = 0; i < 4; ++i)
        all.emplace_back([&, i] {
            auto const own = make_history_store(db.options(), 1);
            for (int round = 0; round < 25; ++round) {
                std::vector<health_record> batch;
                for (auto const& one : hooks)
                    batch.push_back(told(one, 1, 1));
                std::ranges::rotate(batch, batch.begin() + std::ptrdiff_t{5} * i);
                auto const done = run(own->add_health({make_uuid_v7(), 1, batch}));
                EXPECT_TRUE(done) << done.error().message;
            }
        });
    for (auto& one : all)
        one.join();
    EXPECT_EQ(db.number("SELECT sum(delivered) FROM webhook_statistics"), 2000);
}

// --- operational events ---------------------------------------------------------------------------------------------

class operational_events_test : public history_fixture {
  protected:
    operational_events_test() {
        auto told = rules();
        told.failing_after = std::chrono::minutes(60);
        told.operational_account = "platform";
        queue = make_delivery_store(db.options(), told);
    }
    webhook_id listen(std::vector<std::string> const& types) { return add_webhook(db, "platform", types); }
    std::vector<operational_event> outbox() { return run(history->operational_events(100)).value(); }
    std::string payload(std::string const& path) {
        return db.value("SELECT payload #>> '{" + path + "}' FROM operational_outbox");
    }
    void fail(bool gone = false) {
        auto what = attempt_of(publish(), decision::retry, error_class::http_status);
        what.verdict.disable_webhook = gone;
        ASSERT_TRUE(run(queue->record(me, {what})));
    }
    void failing_for(std::string const& time) {
        sql("UPDATE webhooks SET failing_since = clock_timestamp() - interval '" + time + "' WHERE account_id = 'a'");
    }
};

TEST_F(operational_events_test, nothing_is_written_when_nobody_listens) {
    failed();
    fail();
    failing_for("2 hours");
    fail();
    fail(true);
    listen({"call.*", "webhook.other"});
    EXPECT_TRUE(outbox().empty());
}

TEST_F(operational_events_test, an_exhausted_delivery_is_told_with_what_it_was) {
    listen({"delivery.*"});
    auto const id = failed("call.failed");
    finish(decision::delivered);
    waiting();
    finish(decision::cancelled, error_class::webhook_deleted);
    auto const all = outbox();
    ASSERT_EQ(all.size(), 1U);
    EXPECT_EQ(all[0].event_type, "delivery.exhausted");
    EXPECT_LT(std::chrono::abs(all[0].created_at - std::chrono::system_clock::now()), std::chrono::minutes(1));
    EXPECT_EQ(payload("delivery,id"), id.text());
    EXPECT_EQ(payload("delivery,webhook_id"), hook.text());
    EXPECT_EQ(payload("delivery,account_id"), "a");
    EXPECT_EQ(payload("delivery,event_type"), "call.failed");
    EXPECT_EQ(payload("delivery,attempts_made"), "1");
    EXPECT_EQ(payload("delivery,error_class"), "http_status");
    EXPECT_EQ(payload("delivery,status"), "500");
    EXPECT_EQ(payload("delivery,event_id").size(), 36U);
    ASSERT_TRUE(run(history->forget_operational({all[0].outbox_id})));
    ASSERT_TRUE(run(history->forget_operational({all[0].outbox_id})));
    EXPECT_TRUE(outbox().empty());
}

TEST_F(operational_events_test, failing_is_told_once_for_a_series) {
    listen({"webhook.*"});
    fail();
    EXPECT_TRUE(outbox().empty());
    failing_for("59 minutes");
    fail();
    EXPECT_TRUE(outbox().empty());
    failing_for("61 minutes");
    fail();
    fail();
    auto const all = outbox();
    ASSERT_EQ(all.size(), 1U);
    EXPECT_EQ(all[0].event_type, "webhook.failing");
    EXPECT_EQ(payload("webhook,id"), hook.text());
    EXPECT_EQ(payload("webhook,name"), "test");
    EXPECT_EQ(payload("webhook,url"), "http://127.0.0.1:1/hook");
    EXPECT_EQ(payload("webhook,failing_since").size(), std::string("2026-01-01T00:00:00.000Z").size());
    auto success = attempt_of(publish(), decision::delivered);
    success.was_failing = true;
    ASSERT_TRUE(run(queue->record(me, {success})));
    EXPECT_EQ(db.value("SELECT failing_reported_at IS NULL FROM webhooks WHERE account_id = 'a'"), "t");
    fail();
    failing_for("61 minutes");
    fail();
    EXPECT_EQ(outbox().size(), 2U); // another series
}

TEST_F(operational_events_test, a_webhook_that_is_disabled_is_told_with_the_reason) {
    listen({"*"});
    fail(true);
    auto all = outbox();
    ASSERT_EQ(all.size(), 1U);
    EXPECT_EQ(all[0].event_type, "webhook.disabled");
    EXPECT_EQ(payload("webhook,disabled_reason"), "gone");
    EXPECT_TRUE(payload("webhook,disabled_at").ends_with("Z"));
    ASSERT_TRUE(run(history->forget_operational({all[0].outbox_id})));
    sql("UPDATE webhooks SET enabled = true, disabled_reason = NULL, disabled_at = NULL");
    failing_for("121 hours");
    fail();
    all = outbox();
    ASSERT_EQ(all.size(), 1U); // that it is failing goes without saying
    EXPECT_EQ(payload("webhook,disabled_reason"), "failing");
}

TEST_F(operational_events_test, the_operational_accounts_own_webhooks_cause_none) {
    auto const listener = listen({"*"});
    auto const own = publish_all("call.ended", "platform").at(0);
    ASSERT_EQ(own.webhook, listener);
    auto what = attempt_of(own, decision::failed, error_class::http_status);
    what.verdict.disable_webhook = true;
    EXPECT_EQ(run(queue->record(me, {what})).value().disabled.size(), 1U);
    EXPECT_TRUE(outbox().empty());
}

TEST_F(operational_events_test, they_come_oldest_first) {
    listen({"*"});
    std::vector<std::string> ids;
    for (int i = 0; i < 3; ++i)
        ids.push_back(failed().text());
    auto const two = run(history->operational_events(2)).value();
    ASSERT_EQ(two.size(), 2U);
    EXPECT_NE(two[0].payload.find(ids[0]), std::string::npos);
    EXPECT_NE(two[1].payload.find(ids[1]), std::string::npos);
}

} // namespace
} // namespace klen::webhooks::store
