#include "klen/webhooks/policy/attempt_result.hpp"

#include <gtest/gtest.h>

#include <set>

namespace klen::webhooks::policy {
namespace {

TEST(error_class, every_name_is_its_own_and_reads_back) {
    std::set<std::string_view> names;
    for (int i = 0; i <= static_cast<int>(error_class::cancelled_by_request); ++i) {
        auto const value = static_cast<error_class>(i);
        auto const name = to_string(value);
        EXPECT_NE(name, "unknown") << i;
        EXPECT_TRUE(names.insert(name).second) << name;
        EXPECT_EQ(parse_error_class(name), value) << name;
    }
}

TEST(error_class, an_unknown_name_is_none_of_them) {
    EXPECT_FALSE(parse_error_class(""));
    EXPECT_FALSE(parse_error_class("unknown"));
    EXPECT_FALSE(parse_error_class("TIMEOUT"));
    EXPECT_EQ(to_string(static_cast<error_class>(200)), "unknown");
}

} // namespace
} // namespace klen::webhooks::policy
