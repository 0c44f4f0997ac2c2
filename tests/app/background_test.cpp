// The work beside the deliveries, on a real database and a thread of its own; only dispatch is played.
#include "app/background.hpp"

#include "app/blocking.hpp"
#include "app/io_threads.hpp"
#include "store/session.hpp"
#include "store/store_support.hpp"
#include "store/unix_proxy.hpp"

#include "klen/webhooks/base/settings.hpp"
#include "klen/webhooks/signing/api_key.hpp"

#include <gtest/gtest.h>

namespace klen::webhooks::app {
namespace {

using namespace test;

class played_dispatcher final : public dispatch::dispatcher {
  public:
    task<result<void>> start() override { co_return result<void>{}; }
    task<void> stop() override { co_return; }
    void database_ended() override {}
    void webhook_changed(webhook_id) override {}
    void attempt_asked(webhook_id) override {}
    dispatch::circuit_status circuit_of(webhook_id) const override { return {}; }
    dispatch::dispatch_stats stats() const override { return {}; }
    bool healthy() const override { return true; }
    grant current_grant(std::span<std::string_view const> /*accounts*/) override { return {}; }
    void take(instance_id, std::vector<store::claimed_delivery>) override {}

    void note_parked(std::vector<webhook_id> webhooks) override {
        std::lock_guard lock(mutex_);
        parked_.insert(parked_.end(), webhooks.begin(), webhooks.end());
    }
    std::vector<store::health_record> take_health() override {
        std::lock_guard lock(mutex_);
        return std::exchange(health_, {});
    }

    void happened(store::health_record what) {
        std::lock_guard lock(mutex_);
        health_.push_back(what);
    }
    bool taken() {
        std::lock_guard lock(mutex_);
        return health_.empty();
    }
    std::vector<webhook_id> parked() {
        std::lock_guard lock(mutex_);
        return parked_;
    }

  private:
    std::mutex mutex_;
    std::vector<store::health_record> health_;
    std::vector<webhook_id> parked_;
};

class background_test : public testing::Test {
  protected:
    background_test() {
        times.watch = times.catalogue = times.maintenance = hours(1);
        times.jobs = times.operational = times.key_use = times.health = times.queue = hours(1);
        times.events_kept = hours(240);
        times.idempotency_window = hours(24);
        thread.start();
    }
    ~background_test() override {
        stop();
        writer->stop();
        thread.stop();
    }

    background& work() {
        if (!work_) {
            background_parts const parts{store.get(), history.get(), &dispatcher, &keys, &catalogue, &events};
            work_ = std::make_unique<background>(thread.at(0), parts, times, "platform");
            asio::post(thread.at(0), [this] { work_->start(); });
        }
        return *work_;
    }
    void stop() {
        if (work_)
            wait_for<void>(thread.at(0), [this] { return work_->stop(); });
    }
    void write_rest(milliseconds bound = seconds(5)) {
        wait_for<void>(thread.at(0), [this, bound] { return work_->write_rest(bound); });
    }
    store::health_record success_of(webhook_id hook) {
        store::health_record out;
        out.webhook = hook;
        out.delivered = 1;
        out.durations[4] = 1;
        out.last_success_at = std::chrono::system_clock::now();
        return out;
    }
    std::int64_t delivered(webhook_id hook) {
        return db.number("SELECT coalesce(sum(delivered), 0) FROM webhook_statistics WHERE webhook_id = '" +
                         hook.text() + "'");
    }

    test_database db;
    unix_proxy proxy{db.url()};
    store::connection_options through_proxy = [this] {
        auto out = db.options();
        out.url = proxy.url();
        return out;
    }();
    config settings = default_config();
    background_times times;
    intake::event_catalogue catalogue{{}};
    api::key_cache keys;
    fake_gate gate;
    played_dispatcher dispatcher;
    std::unique_ptr<store::api_store> store = store::make_api_store(db.options(), 1);
    std::unique_ptr<store::history_store> history = store::make_history_store(through_proxy, 1);
    std::unique_ptr<store::event_writer> writer = store::event_writer::create(db.options(), settings.intake, gate);
    intake::intake events{settings.intake, *writer, catalogue};
    io_threads thread{"background", 1};

  private:
    std::unique_ptr<background> work_;
};

/// A delivery that failed for good, as the database has it.
void add_failed(test_database& db, webhook_id hook) {
    auto const event = make_id<event_id>().text();
    db.query("INSERT INTO events (event_id, account_id, event_type, body) VALUES ('" + event +
             "', 'a', 'call.ended', '{}')");
    db.query("INSERT INTO deliveries (delivery_id, event_id, webhook_id, account_id, event_type, next_attempt_at)"
             " VALUES (delivery_id_of('" +
             event + "'), '" + event + "', '" + hook.text() + "', 'a', 'call.ended', clock_timestamp())");
}

store::api_key_row row_of(signing::api_key const& made) {
    store::api_key_row out;
    out.id = make_id<api_key_id>();
    out.name = "k";
    out.hash = made.hash;
    out.permissions = {"read"};
    return out;
}

TEST_F(background_test, a_job_that_was_just_begun_is_worked_at_without_waiting) {
    auto const hook = add_webhook(db, "a", {"*"});
    add_failed(db, hook);
    auto queue = store::make_delivery_store(db.options(), settings.delivery);
    auto const me = run(queue->register_instance("test")).value();
    auto const claimed = run(queue->claim_due({me, 1, {}})).value().deliveries.at(0);
    store::attempt_record failed;
    failed.delivery = claimed.id;
    failed.event = claimed.event_of;
    failed.webhook = claimed.webhook;
    failed.account_id = claimed.account_id;
    failed.attempt = 1;
    failed.started = failed.ended = std::chrono::steady_clock::now();
    failed.result.error = policy::error_class::http_status;
    failed.result.status = 500;
    failed.verdict.what = policy::decision::failed;
    failed.event_type = "call.ended";
    run(queue->record(me, {failed})).value();

    auto& it = work();
    store::recover_request const since_ever{make_id<job_id>(), wall_time(), std::chrono::system_clock::now(), false};
    run(history->begin_recover("a", hook, since_ever)).value();
    it.job_begun();
    EXPECT_TRUE(eventually([&] { return db.value("SELECT state FROM webhook_jobs") == "done"; }));
    EXPECT_TRUE(eventually([&] { return dispatcher.parked() == std::vector{hook}; })) << "dispatch was told";
    EXPECT_EQ(db.number("SELECT count(*) FROM deliveries WHERE parked"), 1);
    EXPECT_GE(it.stats().job_steps, 1U);
    EXPECT_TRUE(eventually([&] { return !it.stats().job_under_way; }));
}

TEST_F(background_test, a_step_that_is_too_much_for_the_database_is_taken_in_smaller_ones) {
    times.jobs = milliseconds(20);
    auto const hook = add_webhook(db, "a", {"*"});
    for (int i = 0; i < 9; ++i)
        add_failed(db, hook);
    db.query("CREATE FUNCTION refuse_many() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
             " IF (SELECT count(*) FROM gone) > 2 THEN RAISE EXCEPTION 'too many'; END IF; RETURN NULL; END $$");
    db.query("CREATE TRIGGER few AFTER DELETE ON deliveries REFERENCING OLD TABLE AS gone"
             " FOR EACH STATEMENT EXECUTE FUNCTION refuse_many()");
    run(history->begin_cancel("a", hook, make_id<job_id>())).value();
    work();
    EXPECT_TRUE(eventually([&] { return db.value("SELECT state FROM webhook_jobs") == "done"; }));
    EXPECT_EQ(db.number("SELECT changed FROM webhook_jobs"), 9);
}

TEST_F(background_test, a_job_that_fails_slows_no_other_down) {
    times.jobs = seconds(2); // how long one rests that failed
    auto const broken = add_webhook(db, "a", {"*"});
    auto const works = add_webhook(db, "a", {"*"});
    add_failed(db, broken);
    for (int i = 0; i < 600; ++i)
        add_failed(db, works);
    db.query("CREATE FUNCTION refuse_one() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
             " IF OLD.webhook_id = '" +
             broken.text() +
             "' THEN PERFORM nextval('failures'); RAISE EXCEPTION 'never'; END IF; RETURN NULL; END $$");
    db.query("CREATE SEQUENCE failures");
    db.query("CREATE TRIGGER never AFTER DELETE ON deliveries FOR EACH ROW EXECUTE FUNCTION refuse_one()");
    run(history->begin_cancel("a", broken, make_id<job_id>())).value();
    auto const other = run(history->begin_cancel("a", works, make_id<job_id>())).value();
    auto& it = work();
    it.job_begun();
    auto const state = [&] {
        return db.value("SELECT state FROM webhook_jobs WHERE job_id = '" + other.id.text() + "'");
    };
    EXPECT_TRUE(eventually([&] { return state() == "done"; }));
    EXPECT_EQ(db.number("SELECT last_value FROM failures"), 1) << "it rests meanwhile";
    EXPECT_LE(it.stats().job_steps, 3U) << "the other's steps are as big as ever";
    EXPECT_TRUE(eventually([&] { return db.number("SELECT last_value FROM failures") >= 2; })) << "and is tried again";
}

TEST(job_turns, each_job_has_a_size_of_its_own_and_rests_after_a_failure) {
    job_turns turns({100, 2, seconds(1), seconds(5)});
    auto const one = make_id<job_id>(), two = make_id<job_id>(), three = make_id<job_id>();
    steady_time const now{hours(1)};
    EXPECT_EQ(turns.plan(now).deliveries_max, 100U);
    turns.failed(one, now);
    EXPECT_EQ(turns.plan(now).smaller, (std::unordered_map<job_id, std::uint32_t>{{one, 25}}));
    EXPECT_EQ(turns.plan(now).resting, std::vector{one});
    EXPECT_TRUE(turns.plan(now + seconds(1)).resting.empty());
    turns.succeeded(two);
    EXPECT_EQ(turns.known(), 1U) << "nothing is kept of a job without trouble";

    turns.succeeded(one);
    EXPECT_EQ(turns.plan(now).smaller.at(one), 50U);
    EXPECT_TRUE(turns.plan(now).resting.empty());
    turns.succeeded(one);
    EXPECT_EQ(turns.known(), 0U);

    turns.failed(one, now);
    turns.failed(two, now + seconds(1));
    turns.failed(three, now + seconds(2));
    EXPECT_EQ(turns.known(), 2U);
    EXPECT_FALSE(turns.plan(now).smaller.contains(one)) << "the one whose trouble is the oldest";
    turns.ended(two);
    turns.ended(three);
    EXPECT_EQ(turns.known(), 0U);
}

TEST(job_turns, job_that_fails_with_the_smallest_of_steps_rests_longer_and_longer) {
    job_turns turns({10, 2, seconds(1), seconds(5)});
    auto const id = make_id<job_id>();
    auto const rests = [&] {
        int out = 0;
        while (!turns.plan(steady_time(seconds(out))).resting.empty())
            ++out;
        return out;
    };
    for (auto const expected : {1, 1, 2, 4, 5, 5}) {
        turns.failed(id, {});
        EXPECT_EQ(rests(), expected);
    }
    turns.succeeded(id);
    EXPECT_EQ(rests(), 0);
}

TEST(step_size, falls_by_four_and_doubles_up_to_where_it_began) {
    step_size size(10);
    EXPECT_EQ(size.now(), 10U);
    for (auto const expected : {2U, 1U, 1U}) {
        size.failed();
        EXPECT_EQ(size.now(), expected);
    }
    for (auto const expected : {2U, 4U, 8U, 10U, 10U}) {
        size.succeeded();
        EXPECT_EQ(size.now(), expected);
    }
}

TEST_F(background_test, jobs_of_another_daemon_are_found_by_themselves) {
    times.jobs = milliseconds(20);
    auto const hook = add_webhook(db, "a", {"*"});
    run(history->begin_cancel("a", hook, make_id<job_id>())).value();
    work();
    EXPECT_TRUE(eventually([&] { return db.value("SELECT state FROM webhook_jobs") == "done"; }));
}

TEST_F(background_test, health_is_written_at_its_interval) {
    times.health = milliseconds(20);
    auto const hook = add_webhook(db, "a", {"*"});
    work();
    dispatcher.happened(success_of(hook));
    EXPECT_TRUE(eventually([&] { return delivered(hook) == 1; }));
    dispatcher.happened(success_of(hook));
    EXPECT_TRUE(eventually([&] { return delivered(hook) == 2; }));
}

TEST_F(background_test, health_that_cannot_be_written_is_kept_until_it_can) {
    times.health = milliseconds(20);
    auto const hook = add_webhook(db, "a", {"*"});
    proxy.refuse();
    work();
    for (int i = 0; i < 3; ++i) {
        dispatcher.happened(success_of(hook));
        EXPECT_TRUE(eventually([&] { return dispatcher.taken(); }));
    }
    EXPECT_EQ(delivered(hook), 0);
    proxy.admit();
    EXPECT_TRUE(eventually([&] { return delivered(hook) == 3; }));
}

TEST_F(background_test, health_whose_answer_was_lost_counts_once) {
    auto const hook = add_webhook(db, "a", {"*"});
    work();
    stop();
    dispatcher.happened(success_of(hook));
    write_rest();
    dispatcher.happened(success_of(hook));
    proxy.swallow_next_answer(); // of the background's writes this one is the first
    proxy.refuse_new();          // and it cannot be repeated at once
    write_rest();
    EXPECT_TRUE(proxy.swallowed());
    dispatcher.happened(success_of(hook));
    proxy.admit();
    EXPECT_TRUE(eventually([&] {
        write_rest();
        return delivered(hook) == 3;
    }));
    write_rest();
    EXPECT_EQ(delivered(hook), 3);
}

TEST_F(background_test, what_is_known_at_the_end_is_written_after_the_stop) {
    auto const hook = add_webhook(db, "a", {"*"});
    work();
    stop();
    dispatcher.happened(success_of(hook));
    write_rest();
    EXPECT_EQ(delivered(hook), 1);
}

TEST_F(background_test, the_end_does_not_wait_for_a_database_that_is_away) {
    auto const hook = add_webhook(db, "a", {"*"});
    work();
    stop();
    proxy.refuse();
    dispatcher.happened(success_of(hook));
    auto const begun = std::chrono::steady_clock::now();
    write_rest(milliseconds(200));
    EXPECT_LT(std::chrono::steady_clock::now() - begun, seconds(5));
}

TEST_F(background_test, operational_events_are_published) {
    times.operational = milliseconds(20);
    db.query("INSERT INTO operational_outbox (event_type, payload) SELECT 'webhook.failing', '{\"webhook\":{}}'"
             " FROM generate_series(1, 250)");
    auto& it = work();
    EXPECT_TRUE(eventually([&] { return db.number("SELECT count(*) FROM operational_outbox") == 0; }));
    EXPECT_EQ(db.number("SELECT count(*) FROM events WHERE account_id = 'platform'"), 250);
    EXPECT_TRUE(eventually([&] { return it.stats().operational_published == 250; }));
}

TEST_F(background_test, an_event_type_that_another_daemon_made_becomes_known) {
    times.catalogue = milliseconds(20);
    work();
    EXPECT_FALSE(catalogue.knows("order.paid"));
    db.query("INSERT INTO event_types (event_type, description) VALUES ('order.paid', '')");
    EXPECT_TRUE(eventually([&] { return catalogue.knows("order.paid"); }));
}

TEST_F(background_test, a_key_that_another_daemon_makes_or_revokes_is_known_or_refused) {
    times.watch = milliseconds(20);
    auto const elsewhere = store::make_api_store(db.options(), 1);
    auto const made = signing::api_key::generate();
    work();
    auto const row = run(elsewhere->create_api_key(row_of(made))).value();
    EXPECT_TRUE(eventually([&] { return keys.find(made.text).has_value(); }));
    ASSERT_TRUE(run(elsewhere->revoke_api_key({}, row.id)));
    EXPECT_TRUE(eventually([&] { return !keys.find(made.text).has_value(); }));
}

TEST_F(background_test, the_use_of_a_key_is_written) {
    times.key_use = milliseconds(20);
    auto const made = signing::api_key::generate();
    keys.apply({run(store->create_api_key(row_of(made))).value()});
    work();
    EXPECT_TRUE(keys.find(made.text).has_value());
    EXPECT_TRUE(
        eventually([&] { return db.number("SELECT count(*) FROM api_keys WHERE last_used_at IS NOT NULL") == 1; }));
}

TEST_F(background_test, what_was_seen_of_the_queue_is_told_while_it_is_fresh) {
    times.queue = milliseconds(20);
    auto const hook = add_webhook(db, "a", {"*"});
    add_failed(db, hook);
    auto& it = work();
    EXPECT_TRUE(eventually([&] {
        auto const seen = it.stats().queue;
        return seen && seen->oldest_due > milliseconds(0);
    }));
    store::session other(db.options(), {.name = "other"});
    ASSERT_TRUE(other.run_text("BEGIN; LOCK TABLE deliveries IN ACCESS EXCLUSIVE MODE"));
    EXPECT_TRUE(eventually([&] { return !it.stats().queue; })) << "the database does not answer";
    ASSERT_TRUE(other.run_text("COMMIT"));
    EXPECT_TRUE(eventually([&] { return it.stats().queue.has_value(); }));
}

} // namespace
} // namespace klen::webhooks::app
