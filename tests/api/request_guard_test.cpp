#include "api/request_guard.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace klen::webhooks::api {
namespace {

using testing::HasSubstr;
using outcome = head_scanner::outcome;

/// All three steps, as the server takes them: the reason of the first that refuses, or "".
std::string refused(std::string const& raw) {
    if (auto const why = refuse_raw_head(raw))
        return std::string(*why);
    request_head head;
    if (auto const why = parse_request_head(raw, head))
        return "grammar: " + *why;
    auto const framed = judge_framing(head);
    if (auto const* why = std::get_if<std::string_view>(&framed))
        return std::string(*why);
    return {};
}

framing framed(std::string const& raw) {
    request_head head;
    EXPECT_FALSE(parse_request_head(raw, head)) << raw;
    auto const out = judge_framing(head);
    if (auto const* why = std::get_if<std::string_view>(&out)) {
        ADD_FAILURE() << *why << "\n" << raw;
        return {};
    }
    return std::get<framing>(out);
}

std::string post(std::string const& lines) { return "POST / HTTP/1.1\r\nHost: a\r\n" + lines + "\r\n"; }

TEST(request_guard, ordinary_requests_pass) {
    for (std::string const& raw :
         {std::string("GET / HTTP/1.1\r\nHost: a\r\n\r\n"), std::string("GET / HTTP/1.0\r\n\r\n"),
          post("Content-Length: 5\r\n"), post("Transfer-Encoding: chunked\r\n"), post("Transfer-Encoding: Chunked\r\n"),
          post("X-Empty:\r\nX-Tab:\ta\tb\r\nX-Obs: \xe4\r\n"), std::string("GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n"),
          std::string("GET / HTTP/1.1\r\nHost:\r\n\r\n")})
        EXPECT_EQ(refused(raw), "") << raw;
}

TEST(request_guard, whatever_could_be_framed_in_two_ways_is_refused) {
    struct smuggle {
        std::string raw;
        char const* why;
    };
    for (auto const& [raw, why] : {
             smuggle{post("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n"), ""},
             smuggle{post("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"), ""},
             smuggle{post("Transfer-Encoding: gzip\r\nContent-Length: 5\r\n"), "together with Content-Length"},
             smuggle{post("Transfer-Encoding: chunked, gzip\r\n"), "other than chunked"},
             smuggle{post("Transfer-Encoding: gzip, chunked\r\n"), "other than chunked"},
             smuggle{post("Transfer-Encoding: chunked, chunked\r\n"), "other than chunked"},
             smuggle{post("Transfer-Encoding: xchunked\r\n"), "other than chunked"},
             smuggle{post("Transfer-Encoding: identity\r\n"), "other than chunked"},
             smuggle{post("Transfer-Encoding:\r\n"), ""},
             smuggle{post("Transfer-Encoding: chunked;q=1\r\n"), "other than chunked"},
             smuggle{post("Transfer-Encoding: \x0b"
                          "chunked\r\n"),
                     "control character"},
             smuggle{post("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"), ""},
             smuggle{post("Transfer-Encoding: chunked\r\nTransfer-encoding: identity\r\n"), ""},
             smuggle{"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", "HTTP/1.0"},
             smuggle{post("Content-Length: 5\r\nContent-Length: 5\r\n"), ""},
             smuggle{post("Content-Length: 5\r\nContent-length: 6\r\n"), ""},
             smuggle{post("Content-Length: 5, 5\r\n"), ""},
             smuggle{post("Content-Length: +5\r\n"), ""},
             smuggle{post("Content-Length: -5\r\n"), ""},
             smuggle{post("Content-Length: 0x5\r\n"), ""},
             smuggle{post("Content-Length: 5 5\r\n"), ""},
             smuggle{post("Content-Length:\r\n"), ""},
             smuggle{post("Content-Length: 99999999999999999999999\r\n"), ""},
             smuggle{"GET / HTTP/1.1\r\n\r\n", "Host field is missing"},
             smuggle{"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", "more than one Host"},
             smuggle{"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", "Host field is malformed"},
             smuggle{"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", "Host field is malformed"},
             smuggle{"GET / HTTP/1.1\r\nHost: a,b\r\n\r\n", "Host field is malformed"},
             smuggle{post("X: a\r\n b\r\n"), "obs-fold"},
             smuggle{post("X: a\r\n\tb\r\n"), "obs-fold"},
             smuggle{"GET / HTTP/1.1\r\n Host: a\r\n\r\n", "obs-fold"},
             smuggle{post("X : a\r\n"), "before the colon"},
             smuggle{post("Content-Length\t: 5\r\n"), "before the colon"},
             smuggle{post("no colon\r\n"), "without a colon"},
             smuggle{post(": a\r\n"), "without a name"},
             smuggle{post("X: a\rY: b\r\n"), "bare carriage return"},
             smuggle{post("X: a\nY: b\r\n"), "bare line feed"},
             smuggle{"GET / HTTP/1.1\nHost: a\r\n\r\n", "bare line feed"},
             smuggle{post(std::string("X: a\0b\r\n", 8)), "control character"},
             smuggle{post("X\x01: a\r\n"), "control character"},
             smuggle{"GET /\x7f HTTP/1.1\r\nHost: a\r\n\r\n", "control character"},
             smuggle{post("X(: a\r\n"), "grammar"},
             smuggle{"GET  / HTTP/1.1\r\nHost: a\r\n\r\n", "grammar"},
             smuggle{"GET / HTTP/1.1 \r\nHost: a\r\n\r\n", "grammar"},
             smuggle{"GET / HTTP/2.0\r\nHost: a\r\n\r\n", "grammar"},
             smuggle{"GET /\r\n\r\n", "grammar"},
             smuggle{"GET / HTTP/1.1\r\nHost: a\r\n\r\nX", "more than one head"},
             smuggle{post("Authorization: Bearer a\r\nauthorization: Bearer b\r\n"), "more than one Authorization"},
             smuggle{post("X-API-Key: a\r\nX-Api-Key: b\r\n"), "more than one X-API-Key"},
             smuggle{post("Content-Type: a/b\r\nContent-Type: a/b\r\n"), "more than one Content-Type"},
         }) {
        EXPECT_NE(refused(raw), "") << raw;
        EXPECT_THAT(refused(raw), HasSubstr(why)) << raw;
    }
}

/// Some of the above is refused by this version of Beast before the guard sees it: the guard does not rely on that.
TEST(request_guard, framing_is_judged_whatever_the_parser_let_through) {
    auto const judged = [](std::vector<header_field> fields, int version = 11) {
        request_head head;
        head.version = version;
        head.fields = std::move(fields);
        auto const out = judge_framing(head);
        auto const* why = std::get_if<std::string_view>(&out);
        return why == nullptr ? std::string() : std::string(*why);
    };
    EXPECT_THAT(judged({{"Host", "a"}, {"Transfer-Encoding", "chunked"}, {"Content-Length", "5"}}),
                HasSubstr("together with Content-Length"));
    EXPECT_THAT(judged({{"Host", "a"}, {"Transfer-Encoding", "chunked"}, {"transfer-encoding", "chunked"}}),
                HasSubstr("more than one Transfer-Encoding"));
    EXPECT_THAT(judged({{"Host", "a"}, {"Content-Length", "5"}, {"content-length", "5"}}),
                HasSubstr("more than one Content-Length"));
    EXPECT_THAT(judged({{"Transfer-Encoding", "chunked"}}, 10), HasSubstr("HTTP/1.0"));
    for (char const* bad : {"", "+5", "-5", "0x5", "5,5", "5 5", "99999999999999999999x"})
        EXPECT_THAT(judged({{"Host", "a"}, {"Content-Length", bad}}), HasSubstr("not a number")) << bad;
}

TEST(request_guard, a_content_length_of_any_size_is_a_length) {
    auto const length = [](std::string const& digits) {
        request_head head;
        head.version = 11;
        head.fields = {{"Host", "a"}, {"Content-Length", digits}};
        auto const got = judge_framing(head);
        auto const* frame = std::get_if<framing>(&got);
        return frame ? frame->content_length : std::uint64_t{1};
    };
    EXPECT_EQ(length("999999999999999999"), content_length_max);
    for (char const* huge : {"1000000000000000000", "18446744073709551616", "18446744073709551621"})
        EXPECT_EQ(length(huge), content_length_max) << huge;
    EXPECT_EQ(length(std::string(1000, '9')), content_length_max);
    EXPECT_EQ(length(std::string(1000, '0') + "5"), 5U);
    EXPECT_EQ(length("000"), 0U);
    EXPECT_EQ(framed(post("Content-Length: 18446744073709551615\r\n")).content_length, content_length_max)
        << "the largest that Beast takes";
}

TEST(request_guard, more_than_a_hundred_fields_are_refused) {
    std::string many;
    for (std::size_t i = 0; i + 1 < header_fields_max; ++i)
        many += "X: a\r\n";
    EXPECT_EQ(refused(post(many)), "");
    EXPECT_THAT(refused(post(many + "X: a\r\n")), HasSubstr("more than 100"));
}

TEST(request_guard, framing_is_read_from_the_fields) {
    EXPECT_TRUE(framed(post("Transfer-Encoding: chunked\r\n")).chunked);
    EXPECT_EQ(framed(post("Content-Length: 007\r\n")).content_length, 7U);
    EXPECT_FALSE(framed(post("")).has_body());
    EXPECT_TRUE(framed(post("Expect: 100-Continue\r\n")).expects_continue);
    EXPECT_TRUE(framed(post("Expect: miracles\r\n")).unknown_expectation);
    EXPECT_FALSE(framed("GET / HTTP/1.0\r\nExpect: 100-continue\r\n\r\n").expects_continue);
}

TEST(request_guard, a_connection_is_kept_as_its_version_and_fields_say) {
    EXPECT_TRUE(framed(post("")).keep_alive);
    EXPECT_FALSE(framed(post("Connection: close\r\n")).keep_alive);
    EXPECT_FALSE(framed(post("Connection: X, Close\r\n")).keep_alive);
    EXPECT_FALSE(framed(post("Connection: keep-alive\r\nConnection: close\r\n")).keep_alive);
    EXPECT_TRUE(framed(post("Connection: closed\r\n")).keep_alive);
    EXPECT_FALSE(framed("GET / HTTP/1.0\r\n\r\n").keep_alive);
    EXPECT_TRUE(framed("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n").keep_alive);
}

TEST(head_scanner, finds_the_end_however_the_bytes_come) {
    std::string const raw = "GET / HTTP/1.1\r\nHost: a\r\n\r\nbody";
    head_scanner whole;
    EXPECT_EQ(whole.scan(raw), outcome::complete);
    EXPECT_EQ(whole.size(), raw.size() - 4);
    head_scanner dripped;
    for (std::size_t n = 1; n < raw.size() - 4; ++n)
        ASSERT_EQ(dripped.scan(std::string_view(raw).substr(0, n)), outcome::need_more) << n;
    EXPECT_EQ(dripped.scan(std::string_view(raw).substr(0, raw.size() - 4)), outcome::complete);
    EXPECT_EQ(dripped.size(), raw.size() - 4);
}

TEST(head_scanner, a_line_feed_alone_is_noticed_at_once) {
    EXPECT_EQ(head_scanner().scan("GET / HTTP/1.1\n"), outcome::bare_line_feed);
    EXPECT_EQ(head_scanner().scan("\n"), outcome::bare_line_feed);
    EXPECT_EQ(head_scanner().scan("GET / HTTP/1.1\r\n\n"), outcome::bare_line_feed);
}

} // namespace
} // namespace klen::webhooks::api
