#include "klen/webhooks/policy/verdict.hpp"

#include <gtest/gtest.h>

namespace klen::webhooks::policy {
namespace {

using namespace std::chrono_literals;

retry_policy usual() { return {{60s, 300s, 1800s}, 0, 3600s}; }

attempt_result answered(int status) {
    attempt_result out;
    out.status = status;
    out.error = is_success(status) ? error_class::none : error_class::http_status;
    return out;
}

attempt_result failed_with(error_class what) {
    attempt_result out;
    out.error = what;
    return out;
}

TEST(verdict, every_2xx_is_delivered_and_nothing_else_is) {
    for (int status = 100; status <= 599; ++status) {
        auto const v = decide(usual(), {1}, answered(status), 0.5);
        bool const success = status >= 200 && status < 300;
        EXPECT_EQ(v.what, success ? decision::delivered : decision::retry) << status;
        EXPECT_EQ(v.disable_webhook, status == 410) << status;
    }
}

TEST(verdict, failures_are_repeated_after_1_5_and_30_minutes_and_then_no_more) {
    struct row {
        int attempt;
        decision what;
        std::chrono::milliseconds wait;
    };
    for (auto const& [attempt, what, wait] : std::vector<row>{{0, decision::retry, 60s},
                                                              {1, decision::retry, 60s},
                                                              {2, decision::retry, 300s},
                                                              {3, decision::retry, 1800s},
                                                              {4, decision::failed, 0s},
                                                              {5, decision::failed, 0s}}) {
        for (auto e : {error_class::timeout, error_class::dns_not_found, error_class::dns_failure,
                       error_class::dns_timeout, error_class::url_not_allowed, error_class::address_not_allowed,
                       error_class::connect_refused, error_class::connect_timeout, error_class::connect_failure,
                       error_class::tls_failure, error_class::connection_reset, error_class::malformed_response}) {
            auto const v = decide(usual(), {attempt}, failed_with(e), 0.99);
            EXPECT_EQ(v.what, what) << attempt << ' ' << to_string(e);
            EXPECT_EQ(v.wait, wait) << attempt << ' ' << to_string(e);
            EXPECT_FALSE(v.disable_webhook);
        }
    }
}

TEST(verdict, without_a_schedule_there_is_one_attempt) {
    EXPECT_EQ(decide({{}, 0, 0s}, {1}, answered(500), 0).what, decision::failed);
}

TEST(verdict, gone_disables_and_keeps_what_attempts_are_left) {
    auto const first = decide(usual(), {1}, answered(410), 0);
    EXPECT_TRUE(first.disable_webhook);
    EXPECT_EQ(first.what, decision::retry);
    auto const last = decide(usual(), {4}, answered(410), 0);
    EXPECT_TRUE(last.disable_webhook);
    EXPECT_EQ(last.what, decision::failed);
}

TEST(verdict, jitter_only_ever_adds) {
    auto p = usual();
    p.jitter_percent = 20;
    EXPECT_EQ(decide(p, {1}, answered(500), 0.0).wait, 60s);
    EXPECT_EQ(decide(p, {1}, answered(500), 0.5).wait, 66s);
    EXPECT_LT(decide(p, {1}, answered(500), 0.999999).wait, 72s);
    p.jitter_percent = 100;
    EXPECT_EQ(decide(p, {2}, answered(500), 0.5).wait, 450s);
}

TEST(verdict, retry_after_moves_a_429_or_503_later_up_to_the_cap_and_never_earlier) {
    struct row {
        int status;
        std::chrono::seconds asked;
        std::chrono::milliseconds wait;
    };
    for (auto const& [status, asked, wait] : std::vector<row>{{429, 600s, 600s},
                                                              {503, 600s, 600s},
                                                              {429, 10s, 60s},
                                                              {429, 0s, 60s},
                                                              {503, 86'400s, 3600s},
                                                              {500, 600s, 60s},
                                                              {301, 600s, 60s}}) {
        auto r = answered(status);
        r.retry_after = asked;
        EXPECT_EQ(decide(usual(), {1}, r, 0).wait, wait) << status << ' ' << asked.count();
    }
}

TEST(verdict, retry_after_adds_no_attempt) {
    auto r = answered(503);
    r.retry_after = 10s;
    EXPECT_EQ(decide(usual(), {4}, r, 0).what, decision::failed);
}

TEST(verdict, a_local_failure_uses_up_no_attempt) {
    for (int attempt : {1, 4, 9}) {
        auto const v = decide(usual(), {attempt}, failed_with(error_class::local_failure), 0.5);
        EXPECT_EQ(v.what, decision::retry);
        EXPECT_GE(v.wait, local_failure_wait);
        EXPECT_LE(v.wait, 2 * local_failure_wait);
    }
}

TEST(verdict, what_nobody_can_send_or_wants_any_more_is_cancelled) {
    for (auto const e : {error_class::webhook_deleted, error_class::event_expired, error_class::cancelled_by_request})
        for (auto const& which : {attempt_place{1}, attempt_place{4}, attempt_place{2, true, true}})
            EXPECT_EQ(decide(usual(), which, failed_with(e), 0).what, decision::cancelled) << to_string(e);
}

TEST(verdict, a_manual_attempt_ends_the_delivery_or_leaves_the_schedule_as_it_was) {
    struct row {
        int scheduled;
        bool goes_on;
        attempt_result result;
        decision what;
        std::chrono::milliseconds wait;
        bool disable;
    };
    auto later = answered(503);
    later.retry_after = 3000s;
    auto p = usual();
    p.jitter_percent = 100;
    std::vector<row> const rows{
        {1, false, answered(200), decision::delivered, 0s, false},
        {3, true, answered(204), decision::delivered, 0s, false},
        // Over: failed again, at whatever number the schedule had come to (it may be shorter now than it was).
        {1, false, answered(500), decision::failed, 0s, false},
        {2, false, failed_with(error_class::timeout), decision::failed, 0s, false},
        {5, false, answered(500), decision::failed, 0s, false},
        // Goes on: also where a scheduled attempt of that number would have been the last one.
        {1, true, answered(500), decision::retry, 0s, false},
        {2, true, answered(500), decision::retry, 60s, false},
        {3, true, failed_with(error_class::url_not_allowed), decision::retry, 300s, false},
        {4, true, answered(500), decision::retry, 1800s, false},
        {9, true, answered(500), decision::retry, 1800s, false},
        // The receiver's wish for a pause does not move the schedule.
        {2, true, later, decision::retry, 60s, false},
        {2, true, answered(410), decision::retry, 60s, true},
        {5, false, answered(410), decision::failed, 0s, true},
    };
    for (auto const& r : rows) {
        auto const v = decide(p, {r.scheduled, true, r.goes_on}, r.result, 0.5);
        auto const about =
            std::to_string(r.scheduled) + (r.goes_on ? " goes on, " : " over, ") + std::to_string(r.result.status);
        EXPECT_EQ(v.what, r.what) << about;
        EXPECT_EQ(v.wait, r.wait) << about;
        EXPECT_EQ(v.disable_webhook, r.disable) << about;
    }
    EXPECT_EQ(decide({{}, 0, 0s}, {3, true, true}, answered(500), 0).what, decision::retry) << "no schedule any more";
}

TEST(verdict, a_manual_attempt_that_this_machine_spoiled_is_made_again) {
    for (bool const goes_on : {false, true}) {
        auto const v = decide(usual(), {5, true, goes_on}, failed_with(error_class::local_failure), 0.5);
        EXPECT_EQ(v.what, decision::retry);
        EXPECT_GE(v.wait, local_failure_wait);
    }
}

} // namespace
} // namespace klen::webhooks::policy
