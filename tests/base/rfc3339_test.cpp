#include "klen/webhooks/base/clock.hpp"

#include <gtest/gtest.h>

namespace klen::webhooks {
namespace {

std::string again(std::string_view text) {
    auto const read = parse_rfc3339(text);
    return read ? rfc3339_ms(*read) : "none";
}

TEST(rfc3339, a_time_is_read_with_its_fraction_and_offset) {
    EXPECT_EQ(again("2026-03-02T09:18:41Z"), "2026-03-02T09:18:41.000Z");
    EXPECT_EQ(again("2026-03-02t09:18:41.903z"), "2026-03-02T09:18:41.903Z");
    EXPECT_EQ(again("2026-03-02T09:18:41.9+02:00"), "2026-03-02T07:18:41.900Z");
    EXPECT_EQ(again("2026-03-02T23:30:00-05:30"), "2026-03-03T05:00:00.000Z");
    EXPECT_EQ(again("1969-12-31T23:59:59.5Z"), "1969-12-31T23:59:59.500Z");
    EXPECT_EQ(again("2024-02-29T00:00:00.1239999999999999999Z"), "2024-02-29T00:00:00.123Z");
    EXPECT_EQ(again("2016-12-31T23:59:60Z"), "2017-01-01T00:00:00.000Z");
}

TEST(rfc3339, what_is_no_date_time_with_an_offset_is_not_read) {
    for (char const* bad : {"", "2026-03-02", "2026-03-02T09:18:41", "2026-02-30T09:18:41Z", "2026-03-02T24:00:00Z",
                            "2026-03-02T09:18:41.Z", "2026-03-02T09:18:41+0200", "2026-03-02T09:18:41Z ", "1772443121",
                            "2026-03-02 09:18:41Z", "2026-03-02T09:18:60Z"})
        EXPECT_EQ(again(bad), "none") << bad;
    EXPECT_EQ(again("2026-03-02T09:18:41." + std::string(64, '1') + "Z"), "none");
}

TEST(rfc3339, a_time_out_of_range_is_the_nearest_there_is) {
    EXPECT_EQ(parse_rfc3339("0000-01-01T00:00:00Z"), wall_time::min());
    EXPECT_EQ(parse_rfc3339("9999-12-31T23:59:59Z"), wall_time::max());
    EXPECT_LT(parse_rfc3339("2262-04-11T00:00:00Z"), wall_time::max());
    EXPECT_GT(parse_rfc3339("1677-09-22T00:00:00Z"), wall_time::min());
}

} // namespace
} // namespace klen::webhooks
