#include "app/listen/response_plan.hpp"

#include <gtest/gtest.h>

namespace klen::webhooks::app::listen {
namespace {

TEST(response_plan, answers_each_attempt_with_its_status_and_goes_on_with_the_last) {
    response_plan plan;
    plan.statuses = {500, 503, 200};
    EXPECT_EQ(plan.status_for(1), 500);
    EXPECT_EQ(plan.status_for(2), 503);
    EXPECT_EQ(plan.status_for(3), 200);
    EXPECT_EQ(plan.status_for(40), 200);
    EXPECT_EQ(plan.status_for(0), 500);
    EXPECT_EQ(plan.status_for(-7), 500);
}

TEST(response_plan, reads_lists_of_statuses) {
    EXPECT_EQ(*parse_statuses("204"), std::vector{204});
    EXPECT_EQ(*parse_statuses("500,500,200"), (std::vector{500, 500, 200}));
}

TEST(response_plan, refuses_what_is_no_list_of_statuses) {
    for (char const* text : {"", ",", "200,", ",200", "2oo", "199", "600", "100", "-200", "200;500", "99999999999"})
        EXPECT_TRUE(parse_statuses(text).has_error()) << text;
}

TEST(response_plan, reads_durations) {
    using std::chrono::milliseconds;
    EXPECT_EQ(*parse_duration("500ms"), milliseconds(500));
    EXPECT_EQ(*parse_duration("2s"), milliseconds(2000));
    EXPECT_EQ(*parse_duration("2"), milliseconds(2000));
    EXPECT_EQ(*parse_duration("1m"), milliseconds(60'000));
    EXPECT_EQ(*parse_duration("0"), milliseconds(0));
    for (char const* text : {"", "s", "ms", "-1s", "1h", "1.5s", "2 s", "9223372036854775807", "86401s"})
        EXPECT_TRUE(parse_duration(text).has_error()) << text;
}

} // namespace
} // namespace klen::webhooks::app::listen
