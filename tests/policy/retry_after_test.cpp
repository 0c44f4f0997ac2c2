#include "klen/webhooks/policy/verdict.hpp"

#include <gtest/gtest.h>

namespace klen::webhooks::policy {
namespace {

using namespace std::chrono_literals;
using std::chrono::seconds;

// Sun, 06 Nov 1994 08:49:37 GMT
constexpr std::chrono::system_clock::time_point then{std::chrono::seconds{784'111'777}};

struct retry_after_case {
    std::string_view value;
    std::optional<seconds> expected;
};

TEST(retry_after, takes_seconds_and_the_three_forms_of_a_date) {
    for (auto const& [value, expected] : std::vector<retry_after_case>{
             {"0", 0s},
             {"120", 120s},
             {"  120\t", 120s},
             {"007", 7s},
             {"Sun, 06 Nov 1994 08:50:37 GMT", 60s},
             {"Sunday, 06-Nov-94 08:50:37 GMT", 60s},
             {"Sun Nov  6 08:50:37 1994", 60s},
             {"Wed Nov 16 08:49:37 1994", 10 * 24h},
             {"Sun, 06 Nov 1994 08:49:60 GMT", 23s}, // a leap second
             {"Sun, 06 Nov 1994 08:49:36 GMT", 0s},  // in the past
             {"Thu, 01 Jan 1970 00:00:00 GMT", 0s},
             {"Saturday, 06-Nov-43 08:49:37 GMT", 366 * 24h}, // 2043: far away, so the ceiling
             {"Monday, 06-Nov-45 08:49:37 GMT", 0s},          // more than 50 years ahead: 1945
         })
        EXPECT_EQ(parse_retry_after(value, then), expected) << value;
}

TEST(retry_after, anything_else_is_as_if_absent) {
    for (std::string_view value : {"",
                                   " ",
                                   "-1",
                                   "+1",
                                   "1.5",
                                   "1 2",
                                   "0x10",
                                   "soon",
                                   "1e3",
                                   "Sun, 06 Nov 1994 08:49:37",
                                   "06 Nov 1994 08:49:37 GMT",
                                   "Sun, 6 Nov 1994 08:49:37 GMT",
                                   "Sun, 06 nov 1994 08:49:37 GMT",
                                   "Sun, 31 Feb 1994 08:49:37 GMT",
                                   "Sun, 06 Nov 1994 24:49:37 GMT",
                                   "Sun, 06 Nov 1994 08:60:37 GMT",
                                   "Sun, 06 Nov 1994 08:49:61 GMT",
                                   "Sun, 06 Nov 1994 08:49:37 GMT x",
                                   "Sun, 06 Nov 1994 08:49:37 CET",
                                   "Sun, 06 Nov 19",
                                   "Sun Nov 6 08:49:37 1994"})
        EXPECT_FALSE(parse_retry_after(value, then)) << value;
}

TEST(retry_after, a_huge_number_saturates) {
    EXPECT_EQ(parse_retry_after(std::string(10'000, '9'), then), std::chrono::seconds(366 * 24h));
    EXPECT_EQ(parse_retry_after("18446744073709551616", then), std::chrono::seconds(366 * 24h));
}

} // namespace
} // namespace klen::webhooks::policy
