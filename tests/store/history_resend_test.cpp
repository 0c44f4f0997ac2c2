#include "store/history_fixture.hpp"
#include "store/unix_proxy.hpp"

namespace klen::webhooks::store {
namespace {

class history_resend_test : public history_fixture {
  protected:
    std::string row(std::string const& columns) { return db.value("SELECT " + columns + " FROM deliveries"); }
    void disable(bool deleted = false) {
        sql(deleted ? "UPDATE webhooks SET deleted_at = now()"
                    : "UPDATE webhooks SET enabled = false, disabled_reason = 'requested', disabled_at = now()");
    }
};

TEST_F(history_resend_test, a_finished_delivery_gets_one_attempt_whose_number_goes_on) {
    for (auto const what : {decision::failed, decision::delivered, decision::cancelled}) {
        auto const id = finish(what, what == decision::delivered ? error_class::none : error_class::timeout);
        auto const now = resend(id).value();
        EXPECT_EQ(now.id, id);
        EXPECT_EQ(now.status, delivery_status::pending);
        EXPECT_EQ(now.attempts_made, 1);
        EXPECT_TRUE(now.next_attempt_at);
        auto const got = fetch();
        ASSERT_EQ(got.size(), 1U);
        EXPECT_EQ(got[0].attempts_made, 1);
        EXPECT_TRUE(got[0].manual);
        EXPECT_FALSE(got[0].schedule_goes_on);
        EXPECT_EQ(list({.status = {delivery_status::delivering}}).items.size(), 1U);
        record(got[0], decision::failed, error_class::http_status);
        EXPECT_EQ(state(id).status, delivery_status::failed);
        EXPECT_EQ(state(id).attempts.size(), 2U);
        EXPECT_TRUE(state(id).attempts[1].manual);
        EXPECT_FALSE(state(id).attempts[0].manual);
    }
    EXPECT_EQ(list({.status = {delivery_status::failed}}).items.size(), 3U);
    EXPECT_EQ(list().items.size(), 3U);
}

TEST_F(history_resend_test, the_last_attempt_decides_the_status_everywhere) {
    auto const id = failed();
    ASSERT_TRUE(resend(id));
    EXPECT_TRUE(ids({.status = {delivery_status::failed}}).empty());
    record(fetch().at(0), decision::delivered);
    EXPECT_TRUE(ids({.status = {delivery_status::failed}}).empty());
    EXPECT_EQ(ids({.status = {delivery_status::delivered}}), std::vector{id});
    EXPECT_EQ(ids({.status = {delivery_status::delivered}, .error = error_class::http_status}), std::vector{id});
    ASSERT_TRUE(resend(id));
    record(fetch().at(0), decision::delivered);
    EXPECT_EQ(ids(), std::vector{id});
    EXPECT_EQ(state(id).attempts_made, 3);
    EXPECT_EQ(db.number("SELECT count(*) FROM attempts WHERE NOT superseded AND decision <> 'retry'"), 1);
}

TEST_F(history_resend_test, an_extra_attempt_that_fails_leaves_the_schedule_where_it_was) {
    auto const id = waiting();
    auto const due = row("next_attempt_at");
    auto const now = resend(id).value();
    EXPECT_EQ(now.status, delivery_status::pending);
    EXPECT_EQ(row("resume_at"), due);
    EXPECT_EQ(row("manual AND parked AND next_attempt_at <= clock_timestamp()"), "t");
    auto const got = fetch();
    ASSERT_EQ(got.size(), 1U);
    EXPECT_TRUE(got[0].manual);
    EXPECT_TRUE(got[0].schedule_goes_on);
    EXPECT_EQ(got[0].scheduled_attempt(), 2);
    record(got[0], decision::retry, error_class::timeout);
    EXPECT_EQ(row("next_attempt_at"), due);
    EXPECT_EQ(row("resume_at IS NULL AND NOT manual AND NOT parked AND lease_owner IS NULL"), "t");
    EXPECT_EQ(row("attempts_made || ' ' || schedule_base"), "2 1");
    sql("UPDATE deliveries SET next_attempt_at = clock_timestamp()");
    auto const next = run(queue->claim_due({me, 10, {}})).value().deliveries.at(0);
    EXPECT_FALSE(next.manual);
    EXPECT_EQ(next.attempts_made, 2);
    EXPECT_EQ(next.scheduled_attempt(), 2); // the schedule's own second one is still to come
}

TEST_F(history_resend_test, a_schedule_that_fell_due_meanwhile_goes_on_at_once) {
    resend(waiting()).value();
    auto const got = fetch();
    sql("UPDATE deliveries SET resume_at = clock_timestamp() - interval '1 hour'");
    auto const due = row("resume_at");
    record(got.at(0), decision::retry, error_class::timeout);
    EXPECT_EQ(row("next_attempt_at"), due) << "before what fell due since";
    EXPECT_EQ(run(queue->claim_due({me, 10, {}})).value().deliveries.size(), 1U);
}

TEST_F(history_resend_test, an_extra_attempt_that_succeeds_ends_the_delivery) {
    auto const id = waiting();
    ASSERT_TRUE(resend(id));
    record(fetch().at(0), decision::delivered);
    EXPECT_EQ(state(id).status, delivery_status::delivered);
    EXPECT_EQ(db.number("SELECT count(*) FROM deliveries"), 0);
}

TEST_F(history_resend_test, our_own_failure_leaves_the_extra_attempt_to_be_made) {
    resend(waiting()).value();
    auto const before = row("resume_at");
    record(fetch().at(0), decision::retry, error_class::local_failure);
    EXPECT_EQ(row("resume_at"), before);
    EXPECT_EQ(row("manual"), "t");
    EXPECT_EQ(row("attempts_made || ' ' || schedule_base"), "1 0");
    EXPECT_EQ(row("next_attempt_at > clock_timestamp() + interval '50 minutes'"), "t"); // the wait that was asked for
    resend(state(ids().at(0)).id).value(); // asked for already: nothing changes
    EXPECT_EQ(row("resume_at"), before);
}

TEST_F(history_resend_test, one_that_is_due_or_parked_keeps_its_turn_and_its_place) {
    for (auto const* parked : {"false", "true"}) {
        auto const id = waiting();
        sql(std::string("UPDATE deliveries SET next_attempt_at = clock_timestamp() - interval '1 minute', parked = ") +
            parked);
        auto const due = row("next_attempt_at");
        EXPECT_EQ(resend(id).value().status, delivery_status::pending);
        auto const got = fetch();
        ASSERT_EQ(got.size(), 1U);
        EXPECT_TRUE(got[0].manual && got[0].schedule_goes_on);
        record(got[0], decision::retry, error_class::timeout);
        EXPECT_EQ(row("next_attempt_at"), due);
        EXPECT_EQ(row("attempts_made || ' ' || schedule_base"), "2 1");
        auto const next = run(queue->claim_due({me, 10, {}})).value().deliveries.at(0);
        EXPECT_EQ(next.scheduled_attempt(), 2);
        record(next, decision::delivered);
    }
}

TEST_F(history_resend_test, what_was_asked_for_is_fetched_before_what_waits) {
    std::vector<delivery_id> parked;
    for (int i = 0; i < 6; ++i)
        parked.push_back(waiting());
    sql("UPDATE deliveries SET parked = true, next_attempt_at = clock_timestamp() - interval '1 hour'");
    auto const scheduled = waiting();
    auto const finished = failed();
    auto const others = "SELECT string_agg(next_attempt_at::text || manual || attempts_made, ',' ORDER BY delivery_id)"
                        " FROM deliveries WHERE parked AND NOT manual";
    for (auto const& id : {scheduled, finished, parked[3]}) {
        ASSERT_TRUE(resend(id));
        auto const before = db.value(others);
        auto const got = fetch(1);
        ASSERT_EQ(got.size(), 1U);
        EXPECT_EQ(got[0].id, id);
        record(got[0], got[0].schedule_goes_on ? decision::retry : decision::failed, error_class::timeout);
        EXPECT_EQ(db.value(others), before) << "nothing that waits was touched";
    }
    ASSERT_TRUE(resend(parked[4]));
    auto const got = fetch();
    ASSERT_EQ(got.size(), 5U) << "the one that was tried is due again";
    EXPECT_EQ(std::ranges::count_if(got, [](auto const& one) { return one.manual; }), 1);
}

TEST_F(history_resend_test, what_cannot_be_sent_is_refused) {
    auto const leased = publish();
    EXPECT_EQ(resend(leased.id).error().kind, fault::conflict);
    record(leased, decision::failed, error_class::timeout);
    EXPECT_EQ(resend(leased.id, "b").error().kind, fault::not_found);
    EXPECT_EQ(resend(make_id<delivery_id>()).error().kind, fault::not_found);
    disable();
    EXPECT_EQ(resend(leased.id).error().kind, fault::conflict);
    disable(true);
    EXPECT_EQ(resend(leased.id).error().kind, fault::conflict);
    sql("UPDATE webhooks SET deleted_at = NULL, enabled = true, disabled_reason = NULL, disabled_at = NULL;"
        " DELETE FROM events");
    EXPECT_EQ(resend(leased.id).error().kind, fault::not_found);
    EXPECT_EQ(db.number("SELECT count(*) FROM deliveries"), 0);
}

TEST_F(history_resend_test, what_was_sent_ten_thousand_times_is_sent_no_more) {
    auto const id = failed();
    auto const last = [&](int number) { sql("UPDATE attempts SET attempt = " + std::to_string(number)); };
    last(attempts_of_delivery_max);
    auto const no = resend(id);
    ASSERT_FALSE(no);
    EXPECT_EQ(no.error().kind, fault::conflict);
    ASSERT_TRUE(run(history->begin_recover(
        "a", hook, {make_id<job_id>(), {}, std::chrono::system_clock::now() + hours(1), false})));
    for (bool more = true; more;)
        more = run(history->step_job({.deliveries_max = 10})).value().has_value();
    EXPECT_EQ(state(id).status, delivery_status::failed) << "nor by a job";
    last(attempts_of_delivery_max - 1);
    EXPECT_TRUE(resend(id));
    fetch();
    EXPECT_EQ(state(id).status, delivery_status::delivering);
}

TEST_F(history_resend_test, many_at_once_send_it_once) {
    auto const id = failed();
    std::vector<std::thread> all;
    for (int i = 0; i < 6; ++i)
        all.emplace_back([&] {
            auto const own = make_history_store(db.options(), 1);
            auto const got = run(own->resend("a", id, make_uuid_v7()));
            EXPECT_TRUE(got) << got.error().message;
        });
    for (auto& one : all)
        one.join();
    EXPECT_EQ(db.number("SELECT count(*) FROM deliveries"), 1);
    record(fetch().at(0), decision::delivered);
    EXPECT_EQ(state(id).attempts_made, 2);
}

TEST_F(history_resend_test, an_answer_that_is_lost_repeats_it_without_harm) {
    unix_proxy proxy(db.url());
    auto options = db.options();
    options.url = proxy.url();
    auto const own = make_history_store(options, 1);
    ASSERT_TRUE(run(own->show_delivery("a", failed(), {})));
    for (int cut = 0; cut < 9; ++cut) {
        auto const id = failed();
        proxy.swallow_answer_after(cut);
        auto const sent = run(own->resend("a", id, make_uuid_v7()));
        proxy.pass();
        ASSERT_TRUE(sent) << cut << ": " << sent.error().message;
        EXPECT_EQ(sent->status, delivery_status::pending);
        proxy.swallow_answer_after(cut);
        auto const cancelled = run(own->cancel("a", id));
        proxy.pass();
        ASSERT_TRUE(cancelled) << cut << ": " << cancelled.error().message;
        EXPECT_EQ(cancelled->status, delivery_status::cancelled);
        EXPECT_EQ(state(id).attempts.size(), 2U);
    }
}

TEST_F(history_resend_test, a_call_that_comes_again_sends_nothing_more) {
    auto const id = failed();
    auto const call = make_uuid_v7();
    auto const repeat = [&] { return run(history->resend("a", id, call)); };
    EXPECT_EQ(repeat()->status, delivery_status::pending);
    EXPECT_EQ(repeat()->status, delivery_status::pending);
    auto const one = fetch().at(0);
    EXPECT_EQ(repeat()->status, delivery_status::delivering) << "no conflict: it is this call's own attempt";
    record(one, decision::failed, error_class::timeout);
    sql("UPDATE webhooks SET enabled = false, disabled_reason = 'requested', disabled_at = now()");
    EXPECT_EQ(repeat()->status, delivery_status::failed) << "what was asked for was done";
    sql("UPDATE webhooks SET enabled = true, disabled_reason = NULL, disabled_at = NULL");
    EXPECT_EQ(db.number("SELECT count(*) FROM deliveries"), 0);
    EXPECT_EQ(state(id).attempts_made, 2);
    EXPECT_EQ(run(history->resend("b", id, call)).error().kind, fault::not_found);
    ASSERT_TRUE(resend(id)) << "another call is another attempt";
    record(fetch().at(0), decision::delivered);
    EXPECT_EQ(state(id).attempts_made, 3);
}

TEST_F(history_resend_test, a_call_that_comes_again_interrupts_the_schedule_once) {
    auto const id = waiting();
    auto const call = make_uuid_v7();
    ASSERT_TRUE(run(history->resend("a", id, call)));
    record(fetch().at(0), decision::retry, error_class::timeout);
    ASSERT_TRUE(run(history->resend("a", id, call)));
    EXPECT_TRUE(fetch().empty());
    EXPECT_EQ(state(id).attempts_made, 2);
}

TEST_F(history_resend_test, a_call_that_was_refused_may_come_again) {
    auto const id = failed();
    auto const call = make_uuid_v7();
    sql("UPDATE webhooks SET enabled = false, disabled_reason = 'requested', disabled_at = now()");
    EXPECT_EQ(run(history->resend("a", id, call)).error().kind, fault::conflict);
    sql("UPDATE webhooks SET enabled = true, disabled_reason = NULL, disabled_at = NULL");
    EXPECT_EQ(run(history->resend("a", id, call))->status, delivery_status::pending);
    EXPECT_EQ(fetch().size(), 1U);
}

TEST_F(history_resend_test, a_call_that_is_run_many_times_at_once_is_carried_out_once) {
    auto const id = failed();
    auto const call = make_uuid_v7();
    std::vector<std::thread> all;
    for (int i = 0; i < 6; ++i)
        all.emplace_back([&] {
            auto const own = make_history_store(db.options(), 1);
            auto const sent = run(own->resend("a", id, call));
            EXPECT_TRUE(sent) << sent.error().message;
        });
    for (auto& one : all)
        one.join();
    EXPECT_EQ(db.number("SELECT count(*) FROM resends"), 1);
    EXPECT_EQ(fetch().size(), 1U);
}

// --- cancel ---------------------------------------------------------------------------------------------------------

TEST_F(history_resend_test, a_waiting_delivery_is_cancelled_on_record) {
    auto const id = waiting("call.failed");
    auto const now = run(history->cancel("a", id)).value();
    EXPECT_EQ(now.status, delivery_status::cancelled);
    EXPECT_EQ(now.attempts_made, 2);
    EXPECT_EQ(now.last_attempt->error, error_class::cancelled_by_request);
    EXPECT_EQ(now.event_type, "call.failed");
    EXPECT_EQ(db.number("SELECT count(*) FROM deliveries"), 0);
    EXPECT_EQ(ids({.status = {delivery_status::cancelled}, .event_type = "call.failed"}), std::vector{id});
    EXPECT_EQ(run(history->cancel("a", id)).error().kind, fault::conflict);
    EXPECT_EQ(resend(id).value().status, delivery_status::pending); // and may be sent after all
}

TEST_F(history_resend_test, what_is_under_way_finished_or_anothers_is_not_cancelled) {
    auto const leased = publish();
    EXPECT_EQ(run(history->cancel("a", leased.id)).error().kind, fault::conflict);
    EXPECT_EQ(run(history->cancel("b", leased.id)).error().kind, fault::not_found);
    record(leased, decision::delivered);
    EXPECT_EQ(run(history->cancel("a", leased.id)).error().kind, fault::conflict);
    auto const pending = waiting();
    EXPECT_EQ(run(history->cancel("b", pending)).error().kind, fault::not_found);
    EXPECT_EQ(state(pending).status, delivery_status::pending);
}

} // namespace
} // namespace klen::webhooks::store
