#include "api/credentials.hpp"

#include <gtest/gtest.h>

namespace klen::webhooks::api {
namespace {

request_head with(std::vector<header_field> fields) {
    request_head out;
    out.fields = std::move(fields);
    return out;
}

TEST(credentials, the_key_comes_as_bearer_or_in_its_own_field) {
    EXPECT_EQ(find_key(with({{"authorization", "Bearer klen_a"}})), "klen_a");
    EXPECT_EQ(find_key(with({{"Authorization", "bearer  klen_a"}})), "klen_a");
    EXPECT_EQ(find_key(with({{"X-API-Key", "klen_a"}})), "klen_a");
    EXPECT_EQ(find_key(with({{"X-API-Key", "klen_a"}, {"Authorization", "Bearer klen_a"}})), "klen_a");
}

TEST(credentials, no_key_another_scheme_or_two_keys_are_none) {
    EXPECT_FALSE(find_key(with({})));
    EXPECT_FALSE(find_key(with({{"Authorization", "Basic a2xlbg=="}})));
    EXPECT_FALSE(find_key(with({{"Authorization", "Bearer "}})));
    EXPECT_FALSE(find_key(with({{"Authorization", "Bearer"}})));
    EXPECT_FALSE(find_key(with({{"Authorization", ""}})));
    EXPECT_FALSE(find_key(with({{"X-API-Key", ""}})));
    EXPECT_FALSE(find_key(with({{"X-API-Key", "klen_a"}, {"Authorization", "Bearer klen_b"}})));
    EXPECT_FALSE(find_key(with({{"X-API-Key", "klen_a"}, {"Authorization", "Basic x"}})));
}

TEST(credentials, only_json_in_utf_8_is_json) {
    for (char const* good : {"application/json", "Application/JSON", "application/json; charset=utf-8",
                             "application/json;charset=\"UTF-8\"", "application/json;"})
        EXPECT_TRUE(is_json_media_type(good)) << good;
    for (char const* bad : {"", "text/plain", "application/jsonx", "application/json; charset=latin-1",
                            "application/x-www-form-urlencoded", "application/json, text/plain"})
        EXPECT_FALSE(is_json_media_type(bad)) << bad;
}

TEST(credentials, a_request_id_that_could_forge_a_log_line_is_not_taken) {
    EXPECT_TRUE(is_sane_request_id("7f3a-9_b.c:d/e+f="));
    EXPECT_TRUE(is_sane_request_id(std::string(128, 'a')));
    EXPECT_FALSE(is_sane_request_id(std::string(129, 'a')));
    for (char const* bad : {"", "a b", "a\tb", "a\"b", "\xc3\xa4", "<a>"})
        EXPECT_FALSE(is_sane_request_id(bad)) << bad;
}

TEST(credentials, a_body_comes_as_it_is_or_with_gzip) {
    EXPECT_EQ(parse_content_coding(with({})), content_coding::identity);
    for (char const* plain : {"", "identity", "Identity"})
        EXPECT_EQ(parse_content_coding(with({{"Content-Encoding", plain}})), content_coding::identity) << plain;
    for (char const* gzip : {"gzip", "GZip", "x-gzip"})
        EXPECT_EQ(parse_content_coding(with({{"content-encoding", gzip}})), content_coding::gzip) << gzip;
    for (char const* other : {"br", "deflate", "gzip, gzip", "gzip,", "identity, gzip", "gzip;q=1", "*"})
        EXPECT_FALSE(parse_content_coding(with({{"Content-Encoding", other}}))) << other;
    EXPECT_FALSE(parse_content_coding(with({{"Content-Encoding", "gzip"}, {"Content-Encoding", "gzip"}})));
}

TEST(credentials, an_idempotency_key_is_visible_and_not_long) {
    EXPECT_TRUE(is_idempotency_key("a"));
    EXPECT_TRUE(is_idempotency_key("\"8e03978e-40d5-43dd-bc93-6894a57f9324\""));
    EXPECT_TRUE(is_idempotency_key(std::string(255, '~')));
    EXPECT_FALSE(is_idempotency_key(std::string(256, 'a')));
    for (char const* bad : {"", "a b", "a\tb", "\x7f", "\xc3\xa4"})
        EXPECT_FALSE(is_idempotency_key(bad)) << bad;
}

} // namespace
} // namespace klen::webhooks::api
