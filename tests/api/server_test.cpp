// What a well-behaved client sees.
#include "api/raw_client.hpp"
#include "api/running_server.hpp"

#include "klen/webhooks/base/ids.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace klen::webhooks {
namespace {

using namespace testing_support;
using testing::HasSubstr;

constexpr char const* hello = "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n";

TEST(server, answers_and_keeps_the_connection) {
    running_server server(sample_routes());
    raw_client client(server.port());
    for (int i = 0; i < 3; ++i) {
        auto const got = client.exchange(hello);
        EXPECT_EQ(got.status, 200);
        EXPECT_EQ(got.body, "\"hello\"");
        EXPECT_EQ(got.header("Content-Type"), "application/json");
        EXPECT_TRUE(got.header("Date"));
        EXPECT_FALSE(got.header("Server"));
        EXPECT_FALSE(got.header("Connection"));
    }
    EXPECT_EQ(server.stats().requests, 3U);
    EXPECT_EQ(server.stats().responses_by_status.at(200), 3U);
    EXPECT_EQ(server.stats().connections, 1U);
}

TEST(server, closes_when_the_client_says_so) {
    running_server server(sample_routes());
    raw_client client(server.port());
    auto const got = client.exchange("GET /hello HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    EXPECT_EQ(got.header("Connection"), "close");
    EXPECT_TRUE(client.ended());
}

TEST(server, http_1_0_is_closed_unless_it_asks_to_be_kept) {
    running_server server(sample_routes());
    raw_client once(server.port());
    EXPECT_EQ(once.exchange("GET /hello HTTP/1.0\r\n\r\n").header("Connection"), "close");
    EXPECT_TRUE(once.ended());
    raw_client kept(server.port());
    EXPECT_EQ(kept.exchange("GET /hello HTTP/1.0\r\nConnection: keep-alive\r\n\r\n").header("Connection"),
              "keep-alive");
    EXPECT_EQ(kept.exchange(hello).status, 200);
}

TEST(server, requests_sent_ahead_are_answered_in_order) {
    running_server server(sample_routes());
    raw_client client(server.port());
    std::string all;
    for (int i = 0; i < 200; ++i)
        all += i % 2 == 0 ? "GET /things/" + std::to_string(i) + " HTTP/1.1\r\nHost: a\r\n\r\n"
                          : post_echo(std::to_string(i));
    client.send(all);
    for (int i = 0; i < 200; ++i) {
        auto const got = client.receive();
        ASSERT_EQ(got.body, i % 2 == 0 ? "\"" + std::to_string(i) + "\"" : std::to_string(i));
    }
}

TEST(server, a_request_may_come_byte_by_byte) {
    running_server server(sample_routes());
    raw_client client(server.port());
    for (char const c : "\r\n" + post_echo("[1,2]") + "\r\n" + hello)
        client.send(std::string_view(&c, 1));
    EXPECT_EQ(client.receive().body, "[1,2]");
    EXPECT_EQ(client.receive().body, "\"hello\"");
}

TEST(server, bodies_come_whole_with_length_or_in_chunks) {
    running_server server(sample_routes());
    raw_client client(server.port());
    std::string const big(150'000, 'x');
    EXPECT_EQ(client.exchange(post_echo(big)).body, big);
    EXPECT_EQ(client.exchange(post_echo("")).body, "");
    std::string chunked = "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
                          "Transfer-Encoding: chunked\r\n\r\n";
    for (int i = 0; i < 30; ++i)
        chunked += "1388\r\n" + big.substr(0, 5000) + "\r\n";
    EXPECT_EQ(client.exchange(chunked + "0\r\n\r\n" + hello).body, big);
    EXPECT_EQ(client.receive().body, "\"hello\"");
}

TEST(server, a_client_that_asks_first_is_invited) {
    running_server server(sample_routes());
    raw_client client(server.port());
    client.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nExpect: 100-continue\r\n"
                "Content-Length: 2\r\n\r\n");
    EXPECT_EQ(client.receive(true).status, 100);
    EXPECT_EQ(client.exchange("{}").body, "{}");
    EXPECT_EQ(client.exchange(hello).status, 200);
}

TEST(server, a_client_that_asks_first_is_refused_by_its_head) {
    running_server server(sample_routes());
    for (auto const& [request, status] :
         {std::pair{"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nExpect: 100-continue\r\n"
                    "Content-Length: 999999999\r\n\r\n",
                    413},
          {"POST /echo HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n", 415},
          {"POST /none HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n", 404},
          {"POST /echo HTTP/1.1\r\nHost: a\r\nExpect: a-pony\r\nContent-Length: 5\r\n\r\n", 417}}) {
        raw_client client(server.port());
        EXPECT_EQ(client.exchange(request).status, status);
    }
}

TEST(server, head_is_get_without_its_body) {
    running_server server(sample_routes());
    raw_client client(server.port());
    client.send("HEAD /hello HTTP/1.1\r\nHost: a\r\n\r\n");
    auto const got = client.receive(true);
    EXPECT_EQ(got.status, 200);
    EXPECT_EQ(got.header("Content-Length"), "7");
    EXPECT_EQ(client.exchange(hello).body, "\"hello\""); // no body was left in between
}

TEST(server, options_and_405_say_what_is_allowed) {
    running_server server(sample_routes());
    raw_client client(server.port());
    auto const options = client.exchange("OPTIONS /hello HTTP/1.1\r\nHost: a\r\n\r\n");
    EXPECT_EQ(options.status, 204);
    EXPECT_EQ(options.header("Allow"), "GET, HEAD, OPTIONS");
    EXPECT_FALSE(options.header("Content-Length"));
    auto const all = client.exchange("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n");
    EXPECT_EQ(all.status, 204);
    EXPECT_EQ(all.header("Allow"), "GET, HEAD, POST, OPTIONS"); // what the routes have
    for (char const* verb : {"POST", "PUT", "DELETE", "TRACE", "CONNECT", "BREW"}) {
        auto const got = client.exchange(std::string(verb) + " /hello HTTP/1.1\r\nHost: a\r\n\r\n");
        EXPECT_EQ(got.status, 405) << verb;
        EXPECT_EQ(got.header("Allow"), "GET, HEAD, OPTIONS");
    }
    EXPECT_EQ(client.exchange("GET /none HTTP/1.1\r\nHost: a\r\n\r\n").status, 404);
}

TEST(server, a_trailing_slash_makes_no_difference) {
    running_server server(sample_routes());
    raw_client client(server.port());
    EXPECT_EQ(client.exchange("GET /hello/ HTTP/1.1\r\nHost: a\r\n\r\n").status, 200);
    EXPECT_EQ(client.exchange("GET /things/7/?x HTTP/1.1\r\nHost: a\r\n\r\n").body, "\"7\"");
}

TEST(server, a_body_must_be_json) {
    running_server server(sample_routes());
    raw_client client(server.port());
    for (char const* fields : {"", "Content-Type: text/plain\r\n", "Content-Type: application/json; charset=latin1\r\n",
                               "Content-Type: application/json\r\nContent-Encoding: br\r\n"}) {
        auto const got =
            client.exchange(std::string("POST /echo HTTP/1.1\r\nHost: a\r\n") + fields + "Content-Length: 2\r\n\r\n{}");
        EXPECT_EQ(got.status, 415) << fields;
        EXPECT_THAT(got.body, HasSubstr("unsupported_media_type"));
    }
    EXPECT_EQ(client.exchange(post_echo("{}", "X: y\r\n")).status, 200); // and the connection goes on
}

TEST(server, every_answer_has_a_request_id) {
    running_server server(sample_routes());
    raw_client client(server.port());
    auto const made = client.exchange(hello).header("X-Request-ID");
    ASSERT_TRUE(made);
    EXPECT_TRUE(uuid::parse(*made));
    EXPECT_EQ(client.exchange("GET /hello HTTP/1.1\r\nHost: a\r\nX-Request-ID: abc-1\r\n\r\n").header("X-Request-ID"),
              "abc-1");
    auto const insane = client.exchange("GET /hello HTTP/1.1\r\nHost: a\r\nX-Request-ID: a b\"\r\n\r\n");
    EXPECT_TRUE(uuid::parse(insane.header("X-Request-ID").value_or("")));
    EXPECT_TRUE(client.exchange("GET /none HTTP/1.1\r\nHost: a\r\n\r\n").header("X-Request-ID"));
    EXPECT_TRUE(client.exchange("nonsense\r\n\r\n").header("X-Request-ID"));
}

TEST(server, an_exception_in_a_handler_is_a_500_and_the_connection_goes_on) {
    running_server server(sample_routes());
    raw_client client(server.port());
    auto const got = client.exchange("GET /fail HTTP/1.1\r\nHost: a\r\n\r\n");
    EXPECT_EQ(got.status, 500);
    EXPECT_THAT(got.body, HasSubstr("server_error"));
    EXPECT_THAT(got.body, testing::Not(HasSubstr("purpose")));
    EXPECT_EQ(client.exchange(hello).status, 200);
}

TEST(server, many_clients_are_served_at_once) {
    running_server server(sample_routes());
    std::vector<std::thread> clients;
    std::atomic<int> good{0};
    for (int c = 0; c < 16; ++c)
        clients.emplace_back([&] {
            raw_client client(server.port());
            for (int i = 0; i < 100; ++i)
                good += client.exchange(post_echo(std::to_string(i))).body == std::to_string(i) ? 1 : 0;
        });
    for (auto& client : clients)
        client.join();
    EXPECT_EQ(good, 1600);
}

TEST(server, a_taken_port_is_told_in_one_sentence) {
    running_server server(sample_routes());
    asio::io_context context;
    auto const second =
        api::server::create({&context}, running_server::quick_limits(), "127.0.0.1", server.port(), {}, server.keys);
    ASSERT_FALSE(second);
    EXPECT_THAT(second.error().message, HasSubstr("cannot listen on 127.0.0.1 port"));
    auto const nowhere =
        api::server::create({&context}, running_server::quick_limits(), "not-an-address", 0, {}, server.keys);
    ASSERT_FALSE(nowhere);
    EXPECT_THAT(nowhere.error().message, HasSubstr("not an IP address"));
}

} // namespace
} // namespace klen::webhooks
