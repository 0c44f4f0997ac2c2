#include "intake/field_rules.hpp"

#include "klen/webhooks/intake/intake.hpp"

#include <gtest/gtest.h>

namespace klen::webhooks::intake {
namespace {

TEST(field_rules, real_times_in_rfc_3339_are_accepted) {
    for (char const* good : {"2026-03-02T09:18:41Z", "2026-03-02T09:18:41.903Z", "2026-03-02t09:18:41.9z",
                             "2024-02-29T00:00:00+02:00", "2026-12-31T23:59:60Z", "2027-01-01T01:29:60+01:30",
                             "1999-01-01T00:00:00.123456789-23:59", "0000-01-01T00:00:00Z"})
        EXPECT_TRUE(is_rfc3339(good)) << good;
}

TEST(field_rules, everything_else_is_no_time) {
    for (char const* bad : {"",
                            "2026-03-02",
                            "2026-03-02T09:18:41",
                            "2026-03-02 09:18:41Z",
                            "2026-02-29T00:00:00Z",
                            "2026-13-01T00:00:00Z",
                            "2026-00-01T00:00:00Z",
                            "2026-01-00T00:00:00Z",
                            "2026-01-32T00:00:00Z",
                            "2026-01-01T24:00:00Z",
                            "2026-01-01T00:60:00Z",
                            "2026-01-01T00:00:61Z",
                            "2026-01-01T12:00:60Z",
                            "2026-01-01T00:00:00.Z",
                            "2026-01-01T00:00:00+24:00",
                            "2026-01-01T00:00:00+0100",
                            "2026-01-01T00:00:00ZZ",
                            "2026-1-1T00:00:00Z",
                            "+2026-01-01T00:00:00Z",
                            "1772443121",
                            "2026-01-01T00:00:00Z\n",
                            "2026-01-01T00:00:00.0000000000000000000000000000000000000000000000000000Z"})
        EXPECT_FALSE(is_rfc3339(bad)) << bad;
}

TEST(field_rules, a_traceparent_is_version_00_in_lower_case_with_ids) {
    EXPECT_TRUE(is_traceparent("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"));
    for (char const* bad : {"", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0",
                            "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
                            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
                            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
                            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
                            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-x",
                            "00-4bf92f3577b34da6a3ce929d0e0e473g-00f067aa0ba902b7-01",
                            "00-4bf92f3577b34da6a3ce929d0e0e4736_00f067aa0ba902b7-01"})
        EXPECT_FALSE(is_traceparent(bad)) << bad;
}

TEST(field_rules, an_idempotency_key_is_counted_in_characters_and_has_no_control_characters) {
    std::string snowmen;
    for (int i = 0; i < 256; ++i)
        snowmen += "\xe2\x98\x83";
    EXPECT_TRUE(is_idempotency_key("order 17"));
    EXPECT_TRUE(is_idempotency_key(snowmen));
    EXPECT_FALSE(is_idempotency_key(snowmen + "x"));
    EXPECT_FALSE(is_idempotency_key(""));
    EXPECT_FALSE(is_idempotency_key("a\nb"));
    EXPECT_FALSE(is_idempotency_key("a\x7f"));
    EXPECT_FALSE(is_idempotency_key("a\xc2\x85"));
    EXPECT_TRUE(is_idempotency_key("a\xc2\xa0"));
}

TEST(field_rules, an_account_id_is_short_and_plain) {
    EXPECT_TRUE(is_account_id("acct_1.eu:7-x"));
    EXPECT_TRUE(is_account_id(std::string(128, 'a')));
    EXPECT_FALSE(is_account_id(std::string(129, 'a')));
    for (char const* bad : {"", "a b", "a/b", "a\"b", "\xc3\xa4", "a\n"})
        EXPECT_FALSE(is_account_id(bad)) << bad;
}

} // namespace
} // namespace klen::webhooks::intake
