#include "store/clock_watch.hpp"

#include <gtest/gtest.h>

namespace klen::webhooks::store {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::seconds;

class clock_watch_test : public testing::Test {
  protected:
    /// A heartbeat that takes `time`, while the database's clock is `ahead` of where it was at first.
    std::optional<milliseconds> beat(milliseconds ahead, milliseconds time = milliseconds(1)) {
        auto const asked = now;
        now += time;
        return watch.seen(hours(500'000) + now.time_since_epoch() / milliseconds(1) * milliseconds(1) + ahead, asked,
                          now);
    }
    clock_watch watch;
    boot_time now{hours(1)};
};

TEST_F(clock_watch_test, a_jump_is_told_once_and_how_far_it_went) {
    EXPECT_EQ(beat(seconds(0)), std::nullopt) << "the first one tells nothing";
    now += seconds(5);
    EXPECT_EQ(beat(seconds(0)), std::nullopt);
    now += seconds(5);
    EXPECT_EQ(beat(hours(1)), milliseconds(hours(1)));
    now += seconds(5);
    EXPECT_EQ(beat(hours(1)), std::nullopt);
    EXPECT_EQ(beat(seconds(0)), milliseconds(-hours(1))) << "and back";
}

TEST_F(clock_watch_test, drift_and_slow_answers_are_no_jump) {
    beat(seconds(0));
    for (int i = 1; i < 100; ++i) {
        now += seconds(5);
        EXPECT_EQ(beat(milliseconds(i)), std::nullopt) << "200 ppm";
    }
    EXPECT_EQ(beat(seconds(-20), seconds(30)), std::nullopt)
        << "it may have looked at the clock at any time of the 30 s";
    EXPECT_EQ(beat(seconds(0)), std::nullopt);
}

} // namespace
} // namespace klen::webhooks::store
