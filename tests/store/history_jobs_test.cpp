#include "store/history_fixture.hpp"

namespace klen::webhooks::store {
namespace {

class history_jobs_test : public history_fixture {
  protected:
    result<webhook_job> recover(recover_request what, std::string const& account = "a") {
        if (what.id.value.is_nil())
            what.id = make_id<job_id>();
        if (what.until == wall_time{})
            what.until = std::chrono::system_clock::now() + seconds(1);
        return run(history->begin_recover(account, hook, what));
    }
    webhook_job begin_recover(bool never_attempted = false) {
        return recover({.since = std::chrono::system_clock::now() - hours(1), .never_attempted = never_attempted})
            .value();
    }
    webhook_job begin_cancel() { return run(history->begin_cancel("a", hook, make_id<job_id>())).value(); }
    std::optional<history_store::job_step> step(std::uint32_t max = 100) {
        auto got = run(history->step_job({.deliveries_max = max}));
        EXPECT_TRUE(got) << got.error().message;
        return got ? *got : std::nullopt;
    }
    /// Steps until the job is no longer running.
    webhook_job finish_job(job_id id, std::uint32_t max = 100) {
        EXPECT_TRUE(eventually([&] {
            step(max);
            return run(history->show_job("a", id)).value().state != "running";
        }));
        return run(history->show_job("a", id)).value();
    }
    std::int64_t queued() { return db.number("SELECT count(*) FROM deliveries"); }
};

TEST_F(history_jobs_test, what_failed_starts_its_schedule_anew_and_nothing_else_does) {
    std::set<delivery_id> wanted{failed(), failed("call.failed"), failed("odd.type")};
    finish(decision::delivered);
    finish(decision::cancelled, error_class::webhook_deleted);
    auto const sent_since = failed();
    resend(sent_since).value();
    record(fetch().at(0), decision::delivered); // failed once, delivered later
    auto const pending = waiting();
    auto const job = begin_recover();
    EXPECT_EQ(job.state, "running");
    EXPECT_EQ(job.kind, job_kind::recover);
    auto const done = finish_job(job.id);
    EXPECT_EQ(done.state, "done");
    EXPECT_EQ(done.changed, 3U);
    EXPECT_EQ(done.examined, 3U);
    EXPECT_TRUE(done.finished_at);
    std::set<delivery_id> got;
    for (auto const& one : fetch()) {
        got.insert(one.id);
        EXPECT_FALSE(one.manual);
        EXPECT_EQ(one.attempts_made, 1);
        EXPECT_EQ(one.scheduled_attempt(), 1);
    }
    EXPECT_EQ(got, wanted);
    EXPECT_EQ(state(pending).status, delivery_status::pending);
}

TEST_F(history_jobs_test, a_second_recovery_finds_nothing_to_do) {
    for (int i = 0; i < 3; ++i)
        failed();
    EXPECT_EQ(finish_job(begin_recover(true).id).changed, 3U);
    EXPECT_EQ(finish_job(begin_recover(true).id).changed, 0U); // they wait
    for (auto const& one : fetch())
        record(one, decision::delivered);
    EXPECT_EQ(finish_job(begin_recover(true).id).changed, 0U); // they are delivered
    EXPECT_FALSE(step());
}

TEST_F(history_jobs_test, one_that_failed_again_is_recovered_again) {
    auto const id = failed();
    EXPECT_EQ(finish_job(begin_recover().id).changed, 1U);
    record(fetch().at(0), decision::failed, error_class::timeout);
    EXPECT_EQ(finish_job(begin_recover().id).changed, 1U);
    EXPECT_EQ(state(id).attempts_made, 2);
    EXPECT_EQ(queued(), 1);
}

TEST_F(history_jobs_test, times_bound_what_is_recovered) {
    auto const before = failed();
    ASSERT_TRUE(eventually([&] { return make_uuid_v7().bytes[5] != before.value.bytes[5]; }));
    auto const from = std::chrono::system_clock::now();
    auto const inside = failed();
    ASSERT_TRUE(eventually([&] { return make_uuid_v7().bytes[5] != inside.value.bytes[5]; }));
    auto const to = std::chrono::system_clock::now();
    failed();
    auto const job = recover({.since = from, .until = to}).value();
    EXPECT_EQ(finish_job(job.id).changed, 1U);
    EXPECT_EQ(fetch().at(0).id, inside);
}

TEST_F(history_jobs_test, what_matches_now_and_was_never_sent_is_sent_when_asked_for) {
    sql("UPDATE webhooks SET subscribed_events = ARRAY['call.ended']");
    EXPECT_TRUE(publish_all("call.failed").empty());
    EXPECT_TRUE(publish_all("calendar.created").empty());
    auto const had = finish(decision::delivered);
    auto const has = waiting();
    publish_all("call.ended", "b");
    sql("UPDATE webhooks SET subscribed_events = ARRAY['call.*']");
    EXPECT_EQ(finish_job(begin_recover(false).id).changed, 0U);
    auto const job = begin_recover(true);
    EXPECT_TRUE(job.never_attempted);
    EXPECT_EQ(finish_job(job.id).changed, 1U);
    auto const got = fetch();
    ASSERT_EQ(got.size(), 1U);
    EXPECT_EQ(got[0].event->event_type, "call.failed");
    EXPECT_EQ(got[0].attempts_made, 0);
    EXPECT_EQ(got[0].scheduled_attempt(), 1);
    EXPECT_EQ(db.value("SELECT event_type FROM deliveries WHERE delivery_id = '" + got[0].id.text() + "'"),
              "call.failed");
    EXPECT_EQ(finish_job(begin_recover(true).id).changed, 0U);
    EXPECT_EQ((std::set{had, has, got[0].id}.size()), 3U);
}

TEST_F(history_jobs_test, an_event_past_its_retention_is_passed_over) {
    failed();
    sql("DELETE FROM events");
    auto const done = finish_job(begin_recover().id);
    EXPECT_EQ(done.examined, 1U);
    EXPECT_EQ(done.changed, 0U);
    EXPECT_EQ(list({.status = {delivery_status::failed}}).items.size(), 1U);
}

TEST_F(history_jobs_test, steps_are_bounded_and_say_how_far_they_came) {
    for (int i = 0; i < 5; ++i)
        failed(i % 2 ? "call.ended" : "call.failed");
    auto const job = begin_recover();
    auto const first = step(2);
    ASSERT_TRUE(first);
    EXPECT_TRUE(first->parked);
    EXPECT_EQ(first->job.id, job.id);
    EXPECT_EQ(first->job.examined, 2U);
    EXPECT_EQ(first->job.changed, 2U);
    EXPECT_EQ(first->job.state, "running");
    EXPECT_EQ(queued(), 2);
    EXPECT_EQ(step(2)->job.changed, 4U);
    auto const last = step(2);
    EXPECT_EQ(last->job.state, "done");
    EXPECT_EQ(last->job.changed, 5U);
    EXPECT_FALSE(step(2));
}

TEST_F(history_jobs_test, a_job_goes_on_where_a_killed_daemon_left_it) {
    for (int i = 0; i < 6; ++i)
        failed();
    auto const job = begin_recover();
    ASSERT_TRUE(step(2));
    auto const turn = "(hashtextextended('" + hook.text() + "', 7236284118013))";
    sql("SELECT pg_advisory_lock" + turn); // the next step waits in the middle
    auto dying = make_history_store(db.options(), 1);
    result<std::optional<history_store::job_step>> got{std::nullopt};
    std::thread stepper([&] { got = run(dying->step_job({.deliveries_max = 2})); });
    EXPECT_TRUE(eventually([&] {
        return db.number("SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity"
                         " WHERE datname = current_database() AND wait_event = 'advisory'") == 1;
    }));
    stepper.join();
    ASSERT_TRUE(got && *got && (*got)->failed) << "and it is known which job's step it was";
    EXPECT_EQ((*got)->job.id, job.id);
    EXPECT_EQ(run(history->show_job("a", job.id)).value().changed, 2U);
    EXPECT_EQ(queued(), 2);
    sql("SELECT pg_advisory_unlock" + turn);
    auto const done = finish_job(job.id, 2);
    EXPECT_EQ(done.changed, 6U);
    EXPECT_EQ(done.examined, 6U);
    EXPECT_EQ(queued(), 6);
}

TEST_F(history_jobs_test, several_steppers_do_everything_once) {
    for (int i = 0; i < 40; ++i)
        failed(i % 2 ? "call.ended" : "call.failed");
    sql("INSERT INTO events (event_id, account_id, event_type, body) SELECT delivery_id_of(uuid_v7_floor(now())), 'a',"
        " 'call.started', '' FROM generate_series(1, 40)");
    std::vector<job_id> jobs;
    for (int i = 0; i < 3; ++i)
        jobs.push_back(begin_recover(true).id);
    std::vector<std::thread> all;
    for (int i = 0; i < 3; ++i)
        all.emplace_back([&] {
            auto const own = make_history_store(db.options(), 1);
            for (;;) {
                auto const got = run(own->step_job({.deliveries_max = 3}));
                if (!got || !*got)
                    break;
            }
        });
    for (auto& one : all)
        one.join();
    std::uint64_t changed = 0;
    for (auto const& id : jobs)
        changed += finish_job(id).changed;
    EXPECT_EQ(changed, 80U);
    EXPECT_EQ(queued(), 80);
    EXPECT_EQ(db.number("SELECT count(DISTINCT event_id) FROM deliveries"), 80);
}

TEST_F(history_jobs_test, jobs_take_turns) {
    for (int i = 0; i < 4; ++i)
        failed();
    auto const first = begin_recover();
    auto const other = add_webhook(db, "a", {"*"});
    auto const second = run(history->begin_cancel("a", other, make_id<job_id>())).value();
    EXPECT_EQ(step(1)->job.id, first.id);
    EXPECT_EQ(step(1)->job.id, second.id);
    EXPECT_EQ(step(1)->job.id, first.id);
}

TEST_F(history_jobs_test, a_job_that_fails_or_rests_keeps_no_other_from_its_turn) {
    for (int i = 0; i < 6; ++i)
        failed();
    auto const broken = begin_recover();
    auto const other = add_webhook(db, "a", {"*"});
    auto const works = run(history->begin_cancel("a", other, make_id<job_id>())).value();
    sql("CREATE FUNCTION refuse_many() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        " IF (SELECT count(*) FROM added) > 2 THEN RAISE EXCEPTION 'too many'; END IF; RETURN NULL; END $$");
    sql("CREATE TRIGGER few AFTER INSERT ON deliveries REFERENCING NEW TABLE AS added"
        " FOR EACH STATEMENT EXECUTE FUNCTION refuse_many()");
    auto const first = step();
    ASSERT_TRUE(first && first->failed);
    EXPECT_EQ(first->job.id, broken.id);
    EXPECT_EQ(first->job.changed, 0U);
    EXPECT_EQ(step()->job.id, works.id);

    job_plan plan{.deliveries_max = 100, .resting = {broken.id}};
    EXPECT_FALSE(run(history->step_job(plan)).value()) << "nothing but what rests";
    plan.resting.clear();
    plan.smaller.emplace(broken.id, 2);
    auto const smaller = run(history->step_job(plan)).value();
    ASSERT_TRUE(smaller && !smaller->failed);
    EXPECT_EQ(smaller->job.examined, 2U);
}

TEST_F(history_jobs_test, a_job_is_refused_where_it_makes_no_sense_and_found_when_repeated) {
    auto const job = begin_recover();
    EXPECT_EQ(recover({.id = job.id}).value().created_at, job.created_at);
    EXPECT_EQ(recover({}, "b").error().kind, fault::not_found);
    EXPECT_EQ(run(history->begin_cancel("b", hook, make_id<job_id>())).error().kind, fault::not_found);
    EXPECT_EQ(run(history->show_job("b", job.id)).error().kind, fault::not_found);
    EXPECT_EQ(run(history->list_jobs("b", hook, 10)).error().kind, fault::not_found);
    auto const cancel = begin_cancel();
    auto const all = run(history->list_jobs("a", hook, 10)).value();
    ASSERT_EQ(all.size(), 2U);
    EXPECT_EQ(all[0].id, cancel.id);
    EXPECT_EQ(run(history->list_jobs("a", hook, 1)).value().size(), 1U);
    sql("UPDATE webhooks SET enabled = false, disabled_reason = 'requested', disabled_at = now()");
    EXPECT_EQ(recover({}).error().kind, fault::conflict);
    EXPECT_TRUE(run(history->begin_cancel("a", hook, make_id<job_id>())));
    sql("UPDATE webhooks SET deleted_at = now()");
    EXPECT_EQ(recover({}).error().kind, fault::not_found);
}

TEST_F(history_jobs_test, a_webhook_and_an_account_have_so_many_jobs_running) {
    auto const begin = [&](webhook_id of, std::string const& account = "a") {
        return run(history->begin_cancel(account, of, make_id<job_id>()));
    };
    std::vector<webhook_id> hooks{hook};
    while (hooks.size() < 5)
        hooks.push_back(add_webhook(db, "a", {"*"}));
    for (std::size_t i = 0; i < 20; ++i)
        ASSERT_TRUE(begin(hooks[i / 5]));
    EXPECT_EQ(begin(hook).error().message, "this webhook has 5 jobs running already; wait until one has ended");
    auto const no = begin(hooks[4]);
    ASSERT_FALSE(no);
    EXPECT_EQ(no.error().kind, fault::conflict);
    EXPECT_EQ(no.error().message, "this account has 20 jobs running already; wait until one has ended");
    EXPECT_TRUE(begin(add_webhook(db, "b", {"*"}), "b")) << "another account has its own";
    sql("UPDATE webhook_jobs SET state = 'done', finished_at = now() WHERE webhook_id = " + text_of(hook));
    EXPECT_TRUE(begin(hooks[4]));
}

TEST_F(history_jobs_test, a_recovery_stops_when_its_webhook_is_deleted) {
    failed();
    auto const job = begin_recover();
    sql("UPDATE webhooks SET deleted_at = now()");
    auto const done = finish_job(job.id);
    EXPECT_EQ(done.state, "stopped");
    EXPECT_FALSE(done.message.empty());
    EXPECT_EQ(queued(), 0);
}

// --- cancel ---------------------------------------------------------------------------------------------------------

TEST_F(history_jobs_test, everything_that_waits_is_cancelled_on_record) {
    auto const other = add_webhook(db, "a", {"nothing.else"});
    for (int i = 0; i < 5; ++i)
        waiting(i % 2 ? "call.ended" : "odd.type");
    sql("UPDATE deliveries SET parked = true WHERE event_type = 'odd.type'");
    sql("INSERT INTO deliveries (delivery_id, event_id, webhook_id, account_id) VALUES (gen_random_uuid(),"
        " gen_random_uuid(), " +
        text_of(other) + ", 'a')");
    auto const done = finish_job(begin_cancel().id, 2);
    EXPECT_EQ(done.state, "done");
    EXPECT_EQ(done.changed, 5U);
    EXPECT_EQ(queued(), 1); // another webhook's
    EXPECT_EQ(list({.status = {delivery_status::cancelled}, .error = error_class::cancelled_by_request}).items.size(),
              5U);
}

TEST_F(history_jobs_test, what_came_after_the_call_is_left_alone) {
    auto const job = begin_cancel();
    ASSERT_TRUE(eventually([&] { return std::chrono::system_clock::now() > job.until + milliseconds(2); }));
    auto const later = waiting();
    EXPECT_EQ(finish_job(job.id).changed, 0U);
    EXPECT_EQ(state(later).status, delivery_status::pending);
}

TEST_F(history_jobs_test, what_is_under_way_is_waited_for_and_cancelled_when_it_comes_back) {
    auto const ends = publish();
    auto const comes_back = publish();
    auto const job = begin_cancel();
    auto const first = step();
    ASSERT_TRUE(first);
    EXPECT_EQ(first->job.state, "running");
    EXPECT_EQ(first->job.changed, 0U);
    EXPECT_FALSE(step()); // it rests: whoever asks again at once gets nothing to do
    record(ends, decision::delivered);
    record(comes_back, decision::retry, error_class::timeout);
    auto const done = finish_job(job.id);
    EXPECT_EQ(done.state, "done");
    EXPECT_EQ(done.changed, 1U);
    EXPECT_EQ(state(comes_back.id).status, delivery_status::cancelled);
    EXPECT_EQ(state(ends.id).status, delivery_status::delivered);
}

} // namespace
} // namespace klen::webhooks::store
