#include "api/response_head.hpp"

#include "api/errors.hpp"

#include <gtest/gtest.h>

namespace klen::webhooks::api {
namespace {

std::string head_of(response const& what, bool http_1_0 = false, bool keep_alive = true) {
    std::string out;
    append_response_head(out, what, {.date = "D", .request_id = "r", .http_1_0 = http_1_0, .keep_alive = keep_alive});
    return out;
}

TEST(response_head, says_what_the_client_needs_and_no_more) {
    EXPECT_EQ(head_of({.status = 202, .body = "{}", .headers = {}}),
              "HTTP/1.1 202 Accepted\r\nDate: D\r\nX-Request-ID: r\r\nContent-Type: application/json\r\n"
              "Content-Length: 2\r\n\r\n");
}

TEST(response_head, a_204_has_no_length_and_no_type) {
    EXPECT_EQ(head_of({.status = 204, .body = {}, .headers = {{"Allow", "GET"}}}),
              "HTTP/1.1 204 No Content\r\nDate: D\r\nX-Request-ID: r\r\nAllow: GET\r\n\r\n");
}

TEST(response_head, says_what_becomes_of_the_connection_when_the_version_does_not) {
    EXPECT_NE(head_of({}, false, false).find("Connection: close\r\n"), std::string::npos);
    EXPECT_NE(head_of({}, true, true).find("Connection: keep-alive\r\n"), std::string::npos);
    EXPECT_NE(head_of({}, true, false).find("Connection: close\r\n"), std::string::npos);
    EXPECT_EQ(head_of({}).find("Connection"), std::string::npos);
}

TEST(response_head, a_value_with_a_line_end_is_left_out) {
    auto const head =
        head_of({.status = 200, .body = {}, .headers = {{"X-A", "a\r\nSet-Cookie: b"}, {"X-B\n", "c"}, {"X-C", "d"}}});
    EXPECT_EQ(head.find("Set-Cookie"), std::string::npos);
    EXPECT_EQ(head.find("X-B"), std::string::npos);
    EXPECT_NE(head.find("X-C: d"), std::string::npos);
}

TEST(response_head, every_error_has_a_reason_phrase_and_its_headers) {
    for (auto const& e : {validation_error("m"), authentication_required(), invalid_key(), permission_denied("m"),
                          not_found("m"), method_not_allowed("GET"), payload_too_large("m"),
                          unsupported_media_type("m"), rate_limit_exceeded("m"), server_error(), unavailable("m")})
        EXPECT_FALSE(reason_phrase(e.status).empty()) << e.status;
    auto const has = [](response const& in, std::string_view name) {
        return std::ranges::any_of(in.headers, [&](auto const& h) { return h.first == name; });
    };
    EXPECT_TRUE(has(authentication_required(), "WWW-Authenticate"));
    EXPECT_TRUE(has(invalid_key(), "WWW-Authenticate"));
    EXPECT_TRUE(has(method_not_allowed("GET"), "Allow"));
    EXPECT_TRUE(has(rate_limit_exceeded("m"), "Retry-After"));
    EXPECT_TRUE(has(unavailable("m"), "Retry-After"));
}

TEST(date_line, is_an_imf_fixdate) {
    date_line date;
    EXPECT_EQ(date.at(784111777), "Sun, 06 Nov 1994 08:49:37 GMT");
    EXPECT_EQ(date.at(784111777), "Sun, 06 Nov 1994 08:49:37 GMT");
    EXPECT_EQ(date.at(0), "Thu, 01 Jan 1970 00:00:00 GMT");
}

} // namespace
} // namespace klen::webhooks::api
