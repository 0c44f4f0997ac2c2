// Attempts that were asked for by hand, and deliveries whose schedule begins anew.
#include "dispatch/virtual_node.hpp"

#include "klen/webhooks/dispatch/test_sender.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <string>
#include <vector>

namespace klen::webhooks::testing {
namespace {

using policy::decision;
using std::chrono::minutes;

class manual : public ::testing::Test {
  protected:
    manual() {
        hook = c.add_webhook("a.example");
        c.outside.script["a.example"] = [this](seen_request const&) {
            return scripted_answer{status, {}, milliseconds(5)};
        };
        auto options = usual_options();
        options.dispatch.poll_interval = seconds(45); // what is due is found without it
        node = &c.start_node(options);
    }
    model_delivery const& delivery(delivery_id id) const { return c.database.deliveries.at(id); }
    std::vector<seen_request> seen(delivery_id id) const { return c.outside.of(id.text()); }
    bool resend(delivery_id id) { return c.database.resend(node->dispatcher.get(), id); }
    delivery_id publish() { return c.database.publish(node->dispatcher.get(), hook); }
    void answer(int with) { status = with; }
    /// What the receiver was told of each attempt, and what is on record of it.
    void expect_numbered(delivery_id id) const {
        auto const requests = seen(id);
        auto const& d = delivery(id);
        ASSERT_EQ(requests.size(), d.attempts.size());
        for (std::size_t i = 0; i < requests.size(); ++i) {
            EXPECT_EQ(requests[i].header("X-Klen-Attempt"), std::to_string(i + 1));
            EXPECT_EQ(d.attempts[i].attempt, static_cast<int>(i) + 1);
        }
    }

    virtual_cluster c;
    webhook_id hook;
    virtual_node* node = nullptr;
    int status = 500;
};

milliseconds between(steady_time from, steady_time to) { return std::chrono::round<milliseconds>(to - from); }
constexpr milliseconds moment{300};

TEST_F(manual, failed_attempt_leaves_the_schedule_as_it_was) {
    auto const id = publish();
    c.world.run_for(minutes(3)); // failed at 0 and 1 min; the third is due at 6 min
    ASSERT_EQ(seen(id).size(), 2U);
    ASSERT_TRUE(resend(id));
    c.world.run_for(moment);
    ASSERT_EQ(seen(id).size(), 3U) << "at once";
    EXPECT_TRUE(delivery(id).attempts.back().manual);
    EXPECT_EQ(delivery(id).attempts.back().decision, decision::retry);

    ASSERT_TRUE(c.run_until_done(hours(1)));
    auto const at = seen(id);
    ASSERT_EQ(at.size(), 5U) << "four of the schedule and the manual one";
    EXPECT_NEAR(static_cast<double>(between(at[1].at, at[3].at).count()), 300'000, 300);
    EXPECT_NEAR(static_cast<double>(between(at[3].at, at[4].at).count()), 1'800'000, 300);
    EXPECT_EQ(delivery(id).ended_as(), decision::failed);
    EXPECT_FALSE(delivery(id).attempts[3].manual);
    expect_numbered(id);
}

TEST_F(manual, schedule_goes_on_in_time_however_soon_that_is) {
    auto const id = publish();
    c.world.run_for(seconds(59));
    ASSERT_TRUE(resend(id));
    c.world.run_for(seconds(2));
    auto const at = seen(id);
    ASSERT_EQ(at.size(), 3U);
    EXPECT_NEAR(static_cast<double>(between(at[0].at, at[2].at).count()), 60'000, 300);
}

TEST_F(manual, attempt_that_lasts_beyond_the_schedules_time_delays_it_until_its_end) {
    c.outside.script["a.example"] = [](seen_request const& r) {
        return scripted_answer{500, {}, r.header("X-Klen-Attempt") == "2" ? seconds(8) : seconds(0)};
    };
    auto const id = publish();
    c.world.run_for(seconds(57));
    ASSERT_TRUE(resend(id));
    c.world.run_for(seconds(15));
    auto const at = seen(id);
    ASSERT_EQ(at.size(), 3U);
    EXPECT_GE(at[2].at - at[1].at, seconds(8)) << "never two at once";
    EXPECT_LT(at[2].at - at[1].at, seconds(8) + moment);
    EXPECT_EQ(c.outside.open_most["a.example"], 1);
}

TEST_F(manual, several_in_a_row_take_nothing_from_the_schedule) {
    auto const id = publish();
    c.world.run_for(seconds(70));
    for (int i = 0; i < 4; ++i) {
        ASSERT_TRUE(resend(id));
        c.world.run_for(seconds(10));
    }
    ASSERT_TRUE(c.run_until_done(hours(1)));
    EXPECT_EQ(seen(id).size(), 8U);
    EXPECT_NEAR(static_cast<double>(between(seen(id)[1].at, seen(id)[6].at).count()), 300'000, 300);
    expect_numbered(id);
}

TEST_F(manual, asking_twice_before_it_is_sent_sends_once) {
    auto const id = publish();
    c.world.run_for(seconds(10));
    ASSERT_TRUE(resend(id));
    ASSERT_TRUE(resend(id));
    c.world.run_for(seconds(10));
    EXPECT_EQ(seen(id).size(), 2U);
}

TEST_F(manual, success_ends_the_schedule) {
    auto const id = publish();
    c.world.run_for(seconds(30));
    answer(200);
    ASSERT_TRUE(resend(id));
    c.world.run_for(hours(2));
    EXPECT_EQ(seen(id).size(), 2U);
    EXPECT_EQ(delivery(id).ended_as(), decision::delivered);
    EXPECT_EQ(c.database.unfinished(), 0U);
}

TEST_F(manual, finished_delivery_gets_one_attempt) {
    auto const failed = publish();
    ASSERT_TRUE(c.run_until_done(hours(1)));
    answer(200);
    auto const delivered = publish();
    ASSERT_TRUE(c.run_until_done(seconds(1)));

    answer(500);
    for (auto const& id : {failed, delivered}) {
        auto const before = seen(id).size();
        ASSERT_TRUE(resend(id));
        c.world.run_for(hours(2));
        EXPECT_EQ(seen(id).size(), before + 1);
        EXPECT_EQ(delivery(id).ended_as(), decision::failed) << "the last attempt decides";
        EXPECT_TRUE(delivery(id).attempts.back().manual);
        expect_numbered(id);
    }
    answer(200);
    ASSERT_TRUE(resend(failed));
    ASSERT_TRUE(c.run_until_done(seconds(1)));
    EXPECT_EQ(delivery(failed).ended_as(), decision::delivered);
    EXPECT_EQ(seen(failed).back().header("X-Klen-Attempt"), "6");
}

TEST_F(manual, other_deliveries_keep_their_times) {
    auto const first = publish();
    auto const second = publish();
    c.world.run_for(seconds(20));
    ASSERT_TRUE(resend(first));
    c.world.run_for(seconds(45));
    ASSERT_EQ(seen(second).size(), 2U);
    EXPECT_NEAR(static_cast<double>(between(seen(second)[0].at, seen(second)[1].at).count()), 60'000, 300);
}

TEST_F(manual, gone_disables_the_webhook_and_the_schedule_waits) {
    auto const id = publish();
    c.world.run_for(seconds(10));
    answer(410);
    ASSERT_TRUE(resend(id));
    c.world.run_for(minutes(10));
    EXPECT_FALSE(c.database.webhooks.at(hook).enabled);
    EXPECT_EQ(seen(id).size(), 2U);
    EXPECT_FALSE(delivery(id).finished);

    answer(200);
    c.database.webhooks.at(hook).enabled = true;
    node->dispatcher->webhook_changed(hook);
    ASSERT_TRUE(c.run_until_done(minutes(1)));
    EXPECT_FALSE(delivery(id).attempts.back().manual);
}

TEST_F(manual, failure_of_this_machine_keeps_it_manual) {
    auto const id = publish();
    c.world.run_for(seconds(10));
    bool broken = true;
    c.outside.script["a.example"] = [&](seen_request const&) {
        return broken ? scripted_answer{0, policy::error_class::local_failure, milliseconds(1)}
                      : scripted_answer{500, {}, milliseconds(1)};
    };
    ASSERT_TRUE(resend(id));
    c.world.run_for(seconds(8));
    ASSERT_EQ(delivery(id).attempts.size(), 1U);
    broken = false;
    c.world.run_for(seconds(12));
    ASSERT_EQ(delivery(id).attempts.size(), 2U);
    EXPECT_TRUE(delivery(id).attempts.back().manual);
    ASSERT_TRUE(c.run_until_done(hours(1)));
    EXPECT_NEAR(static_cast<double>(between(seen(id).front().at, delivery(id).attempts[2].at).count()), 60'000, 300);
    EXPECT_EQ(delivery(id).attempts.size(), 5U);
}

TEST_F(manual, crash_during_the_attempt_repeats_it_as_manual) {
    auto const id = publish();
    c.world.run_for(seconds(5));
    c.outside.script["a.example"] = [](seen_request const&) { return scripted_answer{500, {}, seconds(3)}; };
    ASSERT_TRUE(resend(id));
    c.world.run_for(seconds(1));
    ASSERT_EQ(c.outside.open["a.example"], 1);
    c.kill(*node);
    auto& other = c.start_node();
    c.world.run_for(seconds(40));
    ASSERT_EQ(delivery(id).attempts.size(), 2U);
    EXPECT_TRUE(delivery(id).attempts.back().manual);
    auto const at = seen(id);
    ASSERT_EQ(at.size(), 3U) << "the first, the one that was cut off, its repeat";
    EXPECT_EQ(at[1].header("X-Klen-Attempt"), "2");
    EXPECT_EQ(at[2].header("X-Klen-Attempt"), "2");
    ASSERT_TRUE(c.run_until_done(hours(1)));
    EXPECT_EQ(delivery(id).attempts.size(), 5U);
    EXPECT_NEAR(static_cast<double>(between(at[0].at, seen(id)[3].at).count()), 60'000, 300);
    c.world.run_for(seconds(1)); // the last answer arrives
    EXPECT_EQ(other.dispatcher->stats().deliveries_failed, 1U);
}

TEST_F(manual, record_whose_fate_is_unknown_counts_once) {
    auto const id = publish();
    c.world.run_for(seconds(10));
    auto const lost = std::make_shared<bool>(false); // the node's last calls come when this test's frame is gone
    node->store->decide = [lost](call which) {
        return which == call::record && !std::exchange(*lost, true) ? fate::lost_after : fate::done;
    };
    ASSERT_TRUE(resend(id));
    ASSERT_TRUE(c.run_until_done(hours(1)));
    EXPECT_TRUE(*lost);
    EXPECT_EQ(seen(id).size(), 5U);
    EXPECT_NEAR(static_cast<double>(between(seen(id)[0].at, seen(id)[2].at).count()), 60'000, 300);
}

TEST_F(manual, recovered_delivery_gets_the_whole_schedule_again) {
    auto const id = publish();
    ASSERT_TRUE(c.run_until_done(hours(1)));
    ASSERT_TRUE(c.database.recover(node->dispatcher.get(), id));
    EXPECT_FALSE(c.database.recover(node->dispatcher.get(), id)) << "it is pending now";
    ASSERT_TRUE(c.run_until_done(hours(1)));
    auto const at = seen(id);
    ASSERT_EQ(at.size(), 8U);
    for (auto const& [attempt, wait] : std::vector<std::pair<std::size_t, int>>{{5, 60}, {6, 300}, {7, 1800}})
        EXPECT_NEAR(static_cast<double>(between(at[attempt - 1].at, at[attempt].at).count()), wait * 1000, 300);
    EXPECT_EQ(delivery(id).ended_as(), decision::failed);
    for (auto const& a : delivery(id).attempts)
        EXPECT_FALSE(a.manual);
    expect_numbered(id);
}

TEST_F(manual, recovered_delivery_can_be_resent_beside_its_new_schedule) {
    auto const id = publish();
    ASSERT_TRUE(c.run_until_done(hours(1)));
    ASSERT_TRUE(c.database.recover(node->dispatcher.get(), id));
    c.world.run_for(seconds(30));
    ASSERT_TRUE(resend(id));
    ASSERT_TRUE(c.run_until_done(hours(1)));
    EXPECT_EQ(seen(id).size(), 9U);
    EXPECT_NEAR(static_cast<double>(between(seen(id)[4].at, seen(id)[6].at).count()), 60'000, 300);
}

TEST_F(manual, url_that_is_refused_now_is_not_asked_again) {
    auto const id = publish();
    ASSERT_TRUE(c.run_until_done(hours(1)));
    auto const before = seen(id).size();
    c.database.webhooks.at(hook).url = "http://a.example/hook"; // plain http is not allowed any more
    node->dispatcher->webhook_changed(hook);
    ASSERT_TRUE(resend(id));
    ASSERT_TRUE(c.run_until_done(seconds(5)));
    auto const& last = delivery(id).attempts.back();
    EXPECT_TRUE(last.manual);
    EXPECT_EQ(last.decision, decision::failed);
    EXPECT_EQ(last.error, policy::error_class::url_not_allowed);
    EXPECT_EQ(seen(id).size(), before) << "nothing was sent";
}

TEST_F(manual, deleted_webhook_or_expired_event_cancels_it_and_the_schedule) {
    auto const id = publish();
    c.world.run_for(seconds(10));
    c.database.deliveries.at(id).event_gone = true;
    ASSERT_TRUE(resend(id));
    ASSERT_TRUE(c.run_until_done(seconds(5)));
    auto const& last = delivery(id).attempts.back();
    EXPECT_EQ(last.decision, decision::cancelled);
    EXPECT_TRUE(last.manual);
    EXPECT_EQ(last.signed_at, 0);
    EXPECT_EQ(last.event_type, "");
}

// --- what is kept of an attempt's headers ----------------------------------------------------------------------------

TEST_F(manual, record_says_what_the_headers_were_made_of) {
    auto const id = publish();
    c.world.run_for(seconds(10));
    c.outside.script["a.example"] = [](seen_request const&) {
        return scripted_answer{0, policy::error_class::connect_refused, milliseconds(1)};
    };
    c.set_secrets(hook, {signing::secret::generate()});
    node->dispatcher->webhook_changed(hook);
    c.world.run_for(minutes(1));
    auto const& d = delivery(id);
    ASSERT_EQ(d.attempts.size(), 2U);
    EXPECT_EQ(std::to_string(d.attempts[0].signed_at), seen(id)[0].header("X-Klen-Timestamp"));
    EXPECT_EQ(d.attempts[0].event_type, "call.ended");
    EXPECT_EQ(d.attempts[0].webhook_revision + 1, d.attempts[1].webhook_revision);
    EXPECT_EQ(d.attempts[1].signed_at, 0) << "nothing was sent";
}

TEST_F(manual, recorded_attempt_is_written_again_as_it_was_sent) {
    auto const first = signing::secret::generate();
    auto const second = signing::secret::generate();
    c.set_secrets(hook, {second, first});
    auto& w = c.database.webhooks.at(hook);
    w.headers = {{"X-Team", "blue"}, {"Authorization", "Basic eA=="}};
    // The old secret ends within the second of the second attempt, before it.
    auto const second_attempt = c.world.wall() + seconds(60);
    w.secrets[1].expires_at = std::chrono::floor<seconds>(second_attempt) + milliseconds(1);
    node->dispatcher->webhook_changed(hook);
    auto const id = publish();
    ASSERT_TRUE(c.run_until_done(hours(1)));

    auto const& d = delivery(id);
    store::request_origin const origin{w.url, w.headers, "X-Klen-", usual_options().delivery.user_agent, w.secrets};
    store::delivery_row of;
    of.id = id;
    of.account_id = w.account_id;
    store::event_row event;
    event.event_type = d.event->event_type;
    event.body = d.event->body;
    auto const requests = seen(id);
    ASSERT_EQ(requests.size(), 4U);
    for (std::size_t i = 0; i < requests.size(); ++i) {
        store::attempt_row attempt;
        attempt.attempt = d.attempts[i].attempt;
        attempt.signed_at = d.attempts[i].signed_at;
        auto const again = dispatch::written_again(origin, attempt, of, event, c.seals());
        ASSERT_TRUE(again.has_value());
        EXPECT_EQ(*again, "Host: a.example\r\nContent-Length: 2\r\n" + requests[i].headers);
    }
    auto const signatures = [&](std::size_t i) { return requests[i].header("webhook-signature"); };
    EXPECT_NE(signatures(0).find(' '), std::string::npos) << "two secrets sign";
    EXPECT_EQ(signatures(3).find(' '), std::string::npos) << "one is over";
}

} // namespace
} // namespace klen::webhooks::testing
