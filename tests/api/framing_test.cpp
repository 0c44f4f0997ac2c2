// What a hostile client gets: 400, and the end of the connection before anything that it hid is read.
#include "api/raw_client.hpp"
#include "api/running_server.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace klen::webhooks {
namespace {

using namespace testing_support;
using testing::HasSubstr;

std::string const smuggled = "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n";

TEST(framing, what_could_be_framed_in_two_ways_is_refused_and_closed) {
    running_server server(sample_routes());
    std::string const start = "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n";
    for (std::string const& fields :
         std::vector<std::string>{"Content-Length: 6\r\nTransfer-Encoding: chunked\r\n",
                                  "Transfer-Encoding: gzip\r\nContent-Length: 6\r\n",
                                  "Transfer-Encoding: chunked, gzip\r\n",
                                  "Transfer-Encoding: xchunked\r\n",
                                  "Transfer-Encoding: chunked\r\ncontent-length: 6\r\n",
                                  "tRANSFER-eNCODING: chunked\r\nContent-Length: 0\r\n",
                                  "Transfer-Encoding:\tgzip\r\n",
                                  "Transfer-Encoding: identity\r\n",
                                  "Transfer-Encoding: chunked;q=1\r\n",
                                  "Transfer-Encoding: \"chunked\"\r\n",
                                  "Transfer-Encoding: chunked,\r\n",
                                  "Transfer-Encoding:\r\n",
                                  "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
                                  "Transfer-Encoding:\r\n chunked\r\n",
                                  "Transfer-Encoding : chunked\r\n",
                                  "Transfer-Encoding\t: chunked\r\n",
                                  "Transfer-Encoding: chunked\x0c\r\n",
                                  "Content-Length: 6\r\nContent-Length: 6\r\n",
                                  "Content-Length: 6\r\nContent-Length: 5\r\n",
                                  "Content-Length: 6, 6\r\n",
                                  "Content-Length: 5, 6\r\n",
                                  "Content-Length: +6\r\n",
                                  "Content-Length: 6\r\n 0\r\n",
                                  "Content-Length: 0x6\r\n",
                                  "Content-Length: 6;\r\n",
                                  "Content-Length: -0\r\n",
                                  "Host: b\r\n",
                                  "host: a\r\n",
                                  "X: a\r\n folded\r\n",
                                  "Content-Length : 6\r\n",
                                  "X: a\rContent-Length: 6\r\n",
                                  "X: a\nContent-Length: 6\r\n",
                                  "Trans\x0b"
                                  "fer: x\r\n"}) {
        raw_client client(server.port());
        client.send(start + fields + "\r\n0\r\n\r\n" + smuggled);
        auto const got = client.receive();
        EXPECT_EQ(got.status, 400) << fields;
        EXPECT_EQ(got.header("Connection"), "close") << fields;
        EXPECT_THAT(got.body, HasSubstr("validation_error")) << fields;
        client.shut_down_sending();
        EXPECT_TRUE(client.ended()) << fields; // neither the smuggled request's answer nor a reset
    }
    EXPECT_EQ(server.stats().responses_by_status.count(200), 0U);
}

TEST(framing, http_1_0_is_never_chunked) {
    running_server server(sample_routes());
    raw_client client(server.port());
    auto const got = client.exchange("POST /echo HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n");
    EXPECT_EQ(got.status, 400);
}

TEST(framing, a_missing_host_is_refused) {
    running_server server(sample_routes());
    raw_client client(server.port());
    EXPECT_EQ(client.exchange("GET /hello HTTP/1.1\r\n\r\n").status, 400);
    client.shut_down_sending();
    EXPECT_TRUE(client.ended());
}

TEST(framing, trailers_and_broken_chunks_are_refused) {
    running_server server(sample_routes());
    for (char const* body : {"0\r\nX: a\r\n\r\n", "5\nhello\r\n0\r\n\r\n", "5\r\nhelloX\r\n0\r\n\r\n", "zz\r\n",
                             "5;a\nb\r\nhello\r\n0\r\n\r\n"}) {
        raw_client client(server.port());
        client.send(std::string("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
                                "Transfer-Encoding: chunked\r\n\r\n") +
                    body + smuggled);
        EXPECT_EQ(client.receive().status, 400) << body;
        client.shut_down_sending();
        EXPECT_TRUE(client.ended()) << body;
    }
}

TEST(framing, what_is_not_http_is_refused_without_waiting) {
    running_server server(sample_routes());
    for (char const* bytes : {"GET /hello\n", "\n", "GET /hello HTTP/1.1\nHost: a\n\n", "\x16\x03\x01\x02\x01\x01\n",
                              "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "GET /hello HTTP/1.2\r\nHost: a\r\n\r\n"}) {
        raw_client client(server.port());
        EXPECT_EQ(client.exchange(bytes).status, 400) << bytes;
    }
}

TEST(framing, a_malformed_target_is_refused_and_the_connection_goes_on) {
    running_server server(sample_routes());
    raw_client client(server.port());
    for (char const* target : {"/%", "/%00", "/a%2Fb", "nonsense", "/a#b"})
        EXPECT_EQ(client.exchange(std::string("GET ") + target + " HTTP/1.1\r\nHost: a\r\n\r\n").status, 400) << target;
}

TEST(framing, odd_but_unambiguous_framing_passes) {
    running_server server(sample_routes());
    raw_client client(server.port());
    std::string const start = "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n";
    EXPECT_EQ(client.exchange(start + "tRANSFER-eNCODING:\t ChUnKeD \r\n\r\n2\r\n{}\r\n0\r\n\r\n").body, "{}");
    EXPECT_EQ(client.exchange(start + "Transfer-Encoding: chunked\r\n\r\n2;a=\"b\"\r\n{}\r\n000\r\n\r\n").body, "{}");
    EXPECT_EQ(client.exchange(start + "content-length:2\r\n\r\n{}").body, "{}");
    EXPECT_EQ(client.exchange("GET /hello HTTP/1.1\r\nHost:\r\n\r\n").status, 200);
}

/// RFC 9112 §3.2.2: the target's host counts then, and Host is ignored. Neither decides anything here.
TEST(framing, the_absolute_form_is_taken_whatever_host_it_names) {
    running_server server(sample_routes());
    raw_client client(server.port());
    for (char const* target :
         {"http://elsewhere/hello", "HTTP://a/hello", "https://a:8443/hello?x", "http://[::1]/hello"})
        EXPECT_EQ(client.exchange(std::string("GET ") + target + " HTTP/1.1\r\nHost: a\r\n\r\n").status, 200) << target;
    for (char const* target : {"http:///hello", "http://user@a/hello", "ftp://a/hello", "//a/hello", "a:80"})
        EXPECT_THAT(client.exchange(std::string("GET ") + target + " HTTP/1.1\r\nHost: a\r\n\r\n").status,
                    testing::AnyOf(400, 404))
            << target;
}

TEST(framing, a_tunnel_is_not_opened) {
    running_server server(sample_routes());
    raw_client client(server.port());
    EXPECT_EQ(client.exchange("CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n").status, 400);
    EXPECT_EQ(
        client.exchange("GET /hello HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n").status,
        200); // an Upgrade may be ignored
}

} // namespace
} // namespace klen::webhooks
