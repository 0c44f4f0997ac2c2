#include "klen/webhooks/policy/circuit.hpp"

#include "klen/webhooks/policy/verdict.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace klen::webhooks::policy {
namespace {

using namespace std::chrono_literals;

constexpr steady_time start{1000h};

circuit_policy usual() {
    circuit_policy out;
    out.failures = 5;
    out.failure_percent = 80;
    out.attempts_min = 20;
    out.window = 60s;
    out.wait = 4s;
    out.wait_max = 10s;
    out.ramp_end = 8;
    return out;
}

attempt_result answered(int status, std::optional<std::chrono::seconds> retry_after = {}) {
    attempt_result out;
    out.status = status;
    out.error = is_success(status) ? error_class::none : error_class::http_status;
    out.retry_after = retry_after;
    return out;
}

attempt_result failed_with(error_class what) {
    attempt_result out;
    out.error = what;
    return out;
}

class circuit_test : public ::testing::Test {
  protected:
    circuit_cause end(attempt_result const& result, double chance = 0) {
        return c.ended({c.era()}, result, now, chance);
    }
    circuit_cause fail() { return end(answered(500)); }
    void succeed(int times = 1) {
        for (int i = 0; i < times; ++i)
            EXPECT_EQ(end(answered(200)), circuit_cause::none);
    }
    void open() {
        for (int i = 0; i < 5; ++i)
            fail();
        ASSERT_EQ(c.state(), circuit_state::open);
    }
    void half_open() {
        now = c.open_until();
        ASSERT_TRUE(c.half_open_if_due(now));
    }
    circuit_policy how = usual();
    circuit c{how};
    steady_time now = start;
};

TEST(endpoint, its_answers_are_signs_of_life_but_for_429_and_5xx) {
    for (int status = 100; status <= 599; ++status) {
        auto const wanted = status == 429 || status >= 500 ? endpoint_sign::failed : endpoint_sign::alive;
        EXPECT_EQ(sign_of(answered(status)), wanted) << status;
    }
}

TEST(endpoint, silence_is_a_failure_and_what_never_asked_it_says_nothing) {
    for (auto const e : {error_class::timeout, error_class::dns_not_found, error_class::dns_failure,
                         error_class::dns_timeout, error_class::address_not_allowed, error_class::connect_refused,
                         error_class::connect_timeout, error_class::connect_failure, error_class::tls_failure,
                         error_class::connection_reset, error_class::malformed_response})
        EXPECT_EQ(sign_of(failed_with(e)), endpoint_sign::failed) << to_string(e);
    for (auto const e : {error_class::local_failure, error_class::url_not_allowed, error_class::webhook_deleted,
                         error_class::event_expired, error_class::cancelled_by_request})
        EXPECT_EQ(sign_of(failed_with(e)), endpoint_sign::none) << to_string(e);
}

TEST_F(circuit_test, failures_in_a_row_open_it) {
    for (int i = 0; i < 4; ++i)
        EXPECT_EQ(fail(), circuit_cause::none);
    EXPECT_EQ(c.limit(), circuit::no_limit);
    EXPECT_EQ(fail(), circuit_cause::failures_in_a_row);
    EXPECT_EQ(c.state(), circuit_state::open);
    EXPECT_EQ(c.limit(), 0U);
    EXPECT_EQ(c.open_until(), now + 4s);
}

TEST_F(circuit_test, any_sign_of_life_between_begins_the_row_anew) {
    for (int round = 0; round < 4; ++round) {
        for (int i = 0; i < 4; ++i)
            EXPECT_EQ(fail(), circuit_cause::none);
        EXPECT_EQ(end(answered(round % 2 == 0 ? 200 : 422)), circuit_cause::none);
    }
    EXPECT_EQ(c.state(), circuit_state::closed);
}

TEST_F(circuit_test, local_failure_neither_opens_it_nor_ends_a_row) {
    for (int i = 0; i < 50; ++i)
        end(failed_with(error_class::local_failure));
    EXPECT_EQ(c.state(), circuit_state::closed);
    for (int i = 0; i < 4; ++i)
        fail();
    end(failed_with(error_class::local_failure));
    EXPECT_EQ(fail(), circuit_cause::failures_in_a_row);
}

TEST_F(circuit_test, share_of_failures_opens_it_when_there_were_enough_attempts) {
    // Four of five fail, and never five in a row.
    circuit_cause why = circuit_cause::none;
    int attempts = 0;
    while (why == circuit_cause::none && attempts < 100) {
        ++attempts;
        why = attempts % 5 == 1 ? end(answered(200)) : fail();
        now += 100ms;
    }
    EXPECT_EQ(why, circuit_cause::failure_ratio);
    EXPECT_EQ(attempts, 20);
}

TEST_F(circuit_test, share_below_the_limit_or_long_ago_does_not_open_it) {
    for (int i = 0; i < 200; ++i) // three of four
        EXPECT_EQ(i % 4 == 0 ? end(answered(200)) : fail(), circuit_cause::none);
    c.reset();
    for (int i = 0; i < 200; ++i) { // four of five, too rarely
        EXPECT_EQ(i % 5 == 0 ? end(answered(200)) : fail(), circuit_cause::none);
        now += 4s;
    }
}

TEST_F(circuit_test, nothing_opens_it_where_both_rules_are_off) {
    how.failures = 0;
    how.failure_percent = 0;
    for (int i = 0; i < 1000; ++i)
        EXPECT_EQ(fail(), circuit_cause::none);
}

TEST_F(circuit_test, opens_half_when_its_time_has_come_and_not_before) {
    EXPECT_FALSE(c.half_open_if_due(now));
    EXPECT_FALSE(c.half_open_now()) << "it is closed";
    open();
    EXPECT_FALSE(c.half_open_if_due(c.open_until() - 1ns));
    EXPECT_TRUE(c.half_open_if_due(c.open_until()));
    EXPECT_EQ(c.state(), circuit_state::half_open);
    EXPECT_EQ(c.limit(), 1U);
    EXPECT_FALSE(c.half_open_now());
}

TEST_F(circuit_test, does_not_wait_for_its_time_when_asked) {
    open();
    EXPECT_TRUE(c.half_open_now());
    EXPECT_EQ(c.limit(), 1U);
}

TEST_F(circuit_test, waits_twice_as_long_after_each_probe_that_fails_up_to_its_maximum) {
    open();
    for (auto const wait : {8s, 10s, 10s}) {
        half_open();
        EXPECT_EQ(fail(), circuit_cause::probe_failed);
        EXPECT_EQ(c.state(), circuit_state::open);
        EXPECT_EQ(c.open_until(), now + wait);
    }
}

TEST_F(circuit_test, chance_moves_a_wait_by_a_quarter_at_most_and_never_below_the_first) {
    for (int i = 0; i < 4; ++i)
        fail();
    end(answered(500), 0.5);
    EXPECT_EQ(c.open_until(), now + 4500ms);
    half_open();
    end(answered(500), 0.999999); // 8 s and a quarter is the maximum
    EXPECT_GT(c.open_until(), now + 9900ms);
    EXPECT_LE(c.open_until(), now + 10s);
    half_open();
    end(answered(500), 0.999999); // a quarter more than 10 s would be over it
    EXPECT_GE(c.open_until(), now + 7500ms);
    EXPECT_LT(c.open_until(), now + 7600ms);
}

TEST_F(circuit_test, probe_that_says_nothing_leaves_it_half_open) {
    open();
    half_open();
    EXPECT_EQ(end(failed_with(error_class::local_failure)), circuit_cause::none);
    EXPECT_EQ(c.state(), circuit_state::half_open);
    EXPECT_EQ(c.limit(), 1U);
}

TEST_F(circuit_test, probe_that_succeeds_closes_it_for_one_then_two_then_four_at_once) {
    open();
    half_open();
    succeed();
    EXPECT_EQ(c.state(), circuit_state::closed);
    std::vector<std::uint32_t> limits{c.limit()};
    for (int i = 0; i < 7; ++i) {
        succeed();
        limits.push_back(c.limit());
    }
    EXPECT_EQ(limits, (std::vector<std::uint32_t>{1, 2, 2, 4, 4, 4, 4, circuit::no_limit}));
    EXPECT_FALSE(c.recovering());
}

TEST_F(circuit_test, refusal_of_one_delivery_is_a_probe_that_succeeds) {
    open();
    half_open();
    EXPECT_EQ(end(answered(400)), circuit_cause::none);
    EXPECT_EQ(c.state(), circuit_state::closed);
}

TEST_F(circuit_test, while_it_recovers_a_row_as_long_as_its_limit_opens_it_again_and_the_wait_goes_on_growing) {
    open();
    half_open();
    succeed();
    EXPECT_EQ(fail(), circuit_cause::failures_in_a_row);
    EXPECT_EQ(c.open_until(), now + 8s);
    half_open();
    succeed(2);
    EXPECT_EQ(c.limit(), 2U);
    EXPECT_EQ(fail(), circuit_cause::none);
    EXPECT_EQ(fail(), circuit_cause::failures_in_a_row);
    EXPECT_EQ(c.open_until(), now + 10s);
}

TEST_F(circuit_test, once_recovered_it_begins_with_the_first_wait_again) {
    open();
    half_open();
    fail();
    half_open();
    succeed(8);
    EXPECT_EQ(c.limit(), circuit::no_limit);
    open();
    EXPECT_EQ(c.open_until(), now + 4s);
}

TEST_F(circuit_test, what_began_before_a_change_of_state_changes_nothing) {
    auto const before = c.era();
    open();
    EXPECT_EQ(c.ended({before}, answered(200), now, 0), circuit_cause::none);
    EXPECT_EQ(c.state(), circuit_state::open);
    half_open();
    EXPECT_EQ(c.ended({before}, answered(200), now, 0), circuit_cause::none);
    EXPECT_EQ(c.ended({before}, answered(500), now, 0), circuit_cause::none);
    EXPECT_EQ(c.state(), circuit_state::half_open);
    succeed();
    EXPECT_EQ(c.ended({before}, answered(500), now, 0), circuit_cause::none);
    EXPECT_EQ(c.state(), circuit_state::closed);
}

TEST_F(circuit_test, retry_after_opens_it_for_as_long_but_not_longer_than_the_maximum) {
    EXPECT_EQ(end(answered(503, 3s)), circuit_cause::retry_after);
    EXPECT_EQ(c.open_until(), now + 3s);
    half_open();
    succeed(8);
    EXPECT_EQ(end(answered(429, 3600s)), circuit_cause::retry_after);
    EXPECT_EQ(c.open_until(), now + 10s);
    EXPECT_EQ(end(answered(200)), circuit_cause::none) << "an era of its own";
}

TEST_F(circuit_test, retry_after_of_those_under_way_makes_it_wait_longer_and_never_shorter) {
    auto const before = c.era();
    end(answered(429, 3s));
    c.ended({before}, answered(429, 7s), now, 0);
    EXPECT_EQ(c.open_until(), now + 7s);
    c.ended({before}, answered(429, 1s), now, 0);
    EXPECT_EQ(c.open_until(), now + 7s);
    half_open();
    c.ended({before}, answered(429, 9s), now, 0);
    EXPECT_EQ(c.state(), circuit_state::half_open);
    EXPECT_EQ(end(answered(429, 9s)), circuit_cause::probe_failed);
    EXPECT_EQ(c.open_until(), now + 9s) << "the longer one of what it asked for and its own wait";
}

TEST_F(circuit_test, retry_after_of_nothing_pauses_nothing) {
    EXPECT_EQ(end(answered(503, 0s)), circuit_cause::none);
    how.wait_max = 0s;
    how.failures = 0;
    EXPECT_EQ(end(answered(503, 30s)), circuit_cause::none);
}

TEST_F(circuit_test, probe_by_hand_that_fails_leaves_the_next_one_and_its_pauses_as_they_were) {
    open();
    auto const due = c.open_until();
    for (int i = 0; i < 3; ++i) {
        now += 100ms;
        ASSERT_TRUE(c.half_open_now());
        EXPECT_EQ(c.ended({c.era(), true}, answered(503, 9s), now, 0), circuit_cause::probe_failed);
        EXPECT_EQ(c.state(), circuit_state::open);
        EXPECT_EQ(c.open_until(), due);
    }
    ASSERT_TRUE(c.half_open_now());
    EXPECT_EQ(end(answered(503, 9s)), circuit_cause::probe_failed) << "another's turn, when it was asked for one";
    EXPECT_EQ(c.open_until(), now + 9s) << "but that the endpoint asks for time is heeded";
    half_open();
    fail();
    EXPECT_EQ(c.open_until(), now + 8s) << "the first of the schedule's own probes that failed";
}

TEST_F(circuit_test, probe_by_hand_that_nobody_makes_leaves_it_as_it_was) {
    EXPECT_FALSE(c.open_again(now)) << "it is closed";
    open();
    EXPECT_FALSE(c.only_asked(now) || c.open_again(now)) << "it is open";
    auto const due = c.open_until();
    ASSERT_TRUE(c.half_open_now());
    EXPECT_TRUE(c.only_asked(now));
    auto const before = c.era();
    ASSERT_TRUE(c.open_again(now));
    EXPECT_EQ(c.state(), circuit_state::open);
    EXPECT_EQ(c.limit(), 0U);
    EXPECT_EQ(c.open_until(), due);
    EXPECT_NE(c.era(), before);
    half_open();
    EXPECT_FALSE(c.only_asked(now) || c.open_again(now)) << "its time has come";
    fail();
    EXPECT_EQ(c.open_until(), now + 8s) << "the first of the schedule's own probes that failed";
}

TEST_F(circuit_test, probe_by_hand_that_succeeds_closes_it) {
    open();
    ASSERT_TRUE(c.half_open_now());
    EXPECT_EQ(c.ended({c.era(), true}, answered(200), now, 0), circuit_cause::none);
    EXPECT_EQ(c.state(), circuit_state::closed);
}

TEST_F(circuit_test, failures_by_hand_open_nothing_and_pause_nothing) {
    for (int i = 0; i < 50; ++i)
        EXPECT_EQ(c.ended({c.era(), true}, answered(503, 9s), now, 0), circuit_cause::none);
    EXPECT_EQ(c.state(), circuit_state::closed);
    for (int i = 0; i < 4; ++i)
        EXPECT_EQ(fail(), circuit_cause::none) << "its row is its own";
    auto const before = c.era();
    fail();
    auto const due = c.open_until();
    EXPECT_EQ(c.ended({before, true}, answered(429, 9s), now, 0), circuit_cause::none);
    EXPECT_EQ(c.open_until(), due);
}

TEST_F(circuit_test, new_endpoint_is_tried_with_few_at_once_and_needs_the_whole_row_to_open) {
    how.slow_start = 2;
    c.reset();
    EXPECT_EQ(c.limit(), 2U);
    EXPECT_FALSE(c.recovering());
    for (int i = 0; i < 4; ++i)
        EXPECT_EQ(fail(), circuit_cause::none);
    succeed(2);
    EXPECT_EQ(c.limit(), 4U);
    succeed(4);
    EXPECT_EQ(c.limit(), circuit::no_limit);
}

TEST_F(circuit_test, another_endpoint_begins_closed) {
    open();
    auto const before = c.era();
    c.reset();
    EXPECT_EQ(c.state(), circuit_state::closed);
    EXPECT_NE(c.era(), before);
    for (int i = 0; i < 4; ++i)
        EXPECT_EQ(fail(), circuit_cause::none) << "its row is its own";
}

TEST_F(circuit_test, limit_of_one_at_once_needs_no_ramp) {
    how.ramp_end = 1;
    open();
    half_open();
    succeed();
    EXPECT_EQ(c.limit(), circuit::no_limit);
    EXPECT_FALSE(c.recovering());
}

} // namespace
} // namespace klen::webhooks::policy
