#include "app/time_text.hpp"

#include <gtest/gtest.h>

namespace klen::webhooks::app {
namespace {

using namespace std::chrono_literals;

TEST(time_text, durations_are_readable) {
    EXPECT_EQ(readable_duration(0), "0 ms");
    EXPECT_EQ(readable_duration(903), "903 ms");
    EXPECT_EQ(readable_duration(1299), "1.2 s");
    EXPECT_EQ(readable_duration(125'900), "2 min 5 s");
    EXPECT_EQ(readable_duration(3 * 3'600'000 + 4 * 60'000), "3 h 4 min");
}

TEST(time_text, times_lose_their_milliseconds_and_nothing_else) {
    EXPECT_EQ(readable_time("2026-03-02T09:18:41.903Z"), "2026-03-02T09:18:41Z");
    EXPECT_EQ(readable_time("soon"), "soon");
    EXPECT_EQ(readable_time(""), "");
}

TEST(time_text, a_time_is_taken_as_it_is_or_as_how_long_ago) {
    wall_time const now{std::chrono::milliseconds(1'772'443'121'903)}; // 2026-03-02T09:18:41.903Z
    EXPECT_EQ(*time_argument("--since", "2026-03-02T09:00:00+01:00", now), "2026-03-02T09:00:00+01:00");
    EXPECT_EQ(*time_argument("--since", "41s", now), "2026-03-02T09:18:00.903Z");
    EXPECT_EQ(*time_argument("--since", "18m", now), "2026-03-02T09:00:41.903Z");
    EXPECT_EQ(*time_argument("--since", "2h", now), "2026-03-02T07:18:41.903Z");
    EXPECT_EQ(*time_argument("--since", "3d", now), "2026-02-27T09:18:41.903Z");
    for (char const* wrong : {"", "h", "2", "2w", "-2h", "2 h", "yesterday", "2026-03-02", "99999999999999999999h"}) {
        auto const got = time_argument("--since", wrong, now);
        ASSERT_TRUE(got.has_error()) << wrong;
        EXPECT_TRUE(got.error().message.starts_with("--since: ")) << got.error().message;
    }
}

} // namespace
} // namespace klen::webhooks::app
