#include "klen/webhooks/policy/claim_pace.hpp"

#include <gtest/gtest.h>

namespace klen::webhooks::policy {
namespace {

using std::chrono::milliseconds;
using std::chrono::nanoseconds;

/// Publishers whose commits take what the backlog's rate makes them take, and a backlog without end.
struct claim_pace_test : testing::Test {
    claim_pace pace{{.slowdown_percent = 100, .least_per_second = 500}};
    steady_time now{std::chrono::hours(1)};

    /// Milliseconds in which a batch is committed every 5 ms, each having waited `wait`. Claims as much as may be.
    std::uint32_t herd(milliseconds time, milliseconds wait) {
        std::uint32_t out = 0;
        for (auto const end = now + time; now < end; now += milliseconds(1)) {
            if (now.time_since_epoch() % milliseconds(5) == nanoseconds(0))
                pace.published(wait, now);
            if (pace.next(now) > now)
                continue;
            auto const got = pace.room(500, now);
            EXPECT_GT(got, 0U);
            pace.claimed(got, now);
            out += got;
        }
        return out;
    }
    void quiet(milliseconds time, milliseconds wait) {
        for (auto const end = now + time; now < end; now += milliseconds(5))
            pace.published(wait, now);
    }
};

TEST_F(claim_pace_test, nobody_publishes_and_everything_may_be_fetched) {
    EXPECT_EQ(pace.next(now), now);
    EXPECT_EQ(pace.room(10'000, now), 10'000U);
    pace.claimed(10'000, now);
    EXPECT_EQ(pace.next(now), now);
    quiet(milliseconds(100), milliseconds(2));
    herd(milliseconds(200), milliseconds(50));
    now += std::chrono::seconds(1); // the publishers have gone
    EXPECT_EQ(pace.room(10'000, now), 10'000U);
}

TEST_F(claim_pace_test, a_herd_speeds_up_while_publishers_notice_nothing) {
    quiet(std::chrono::seconds(2), milliseconds(4));
    auto const first = herd(std::chrono::seconds(1), milliseconds(6));
    auto const second = herd(std::chrono::seconds(1), milliseconds(6));
    EXPECT_GE(first, 1500U);
    EXPECT_GT(second, first * 3 / 2);
}

TEST_F(claim_pace_test, a_herd_slows_down_to_the_least_while_publishers_wait_longer) {
    quiet(std::chrono::seconds(2), milliseconds(4));
    herd(std::chrono::seconds(2), milliseconds(12));
    auto const later = herd(std::chrono::seconds(2), milliseconds(12));
    EXPECT_LE(later, 1100U);
    EXPECT_GE(later, 900U) << "it goes on, whatever publishers wait";
    auto const better = herd(std::chrono::seconds(4), milliseconds(6));
    EXPECT_GT(better, 4000U) << "and speeds up again";
}

TEST_F(claim_pace_test, what_is_usual_is_learned_without_a_backlog_alone) {
    quiet(std::chrono::seconds(5), milliseconds(40)); // a slow disk
    herd(std::chrono::seconds(1), milliseconds(60));
    EXPECT_GT(pace.rate(), 2000) << "60 ms are no slowdown there";
    herd(std::chrono::seconds(20), milliseconds(200));
    EXPECT_LE(pace.rate(), 500) << "however long it takes, it does not become usual";
}

TEST_F(claim_pace_test, small_claims_leave_room_between_them) {
    quiet(std::chrono::seconds(2), milliseconds(4));
    herd(std::chrono::seconds(3), milliseconds(12));
    ASSERT_EQ(pace.next(now) > now ? 0U : pace.room(500, now), 0U);
    auto const at = pace.next(now);
    EXPECT_LE(at - now, milliseconds(20));
    EXPECT_LE(pace.room(500, at), 10U);
}

TEST_F(claim_pace_test, without_a_bound_everything_may_be_fetched_at_once) {
    claim_pace free({.slowdown_percent = 0, .least_per_second = 500});
    free.published(std::chrono::seconds(5), now);
    EXPECT_EQ(free.next(now), now);
    EXPECT_EQ(free.room(500, now), 500U);
}

} // namespace
} // namespace klen::webhooks::policy
