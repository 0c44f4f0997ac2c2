// Bodies with Content-Encoding: gzip, and the bound on all bodies together.
#include "api/gate.hpp"
#include "api/gzip.hpp"
#include "api/raw_client.hpp"
#include "api/running_server.hpp"

#include <deque>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace klen::webhooks {
namespace {

using namespace testing_support;
using testing::HasSubstr;

constexpr char const* hello = "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n";

std::string post_gzip(std::string const& bytes) { return post_echo(bytes, "Content-Encoding: gzip\r\n"); }

std::string chunked(std::string const& bytes, std::size_t step, std::string const& more = "") {
    std::ostringstream out;
    out << "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
        << more << "Transfer-Encoding: chunked\r\n\r\n";
    for (std::size_t at = 0; at < bytes.size(); at += step) {
        auto const piece = bytes.substr(at, step);
        out << std::hex << piece.size() << "\r\n" << piece << "\r\n";
    }
    out << "0\r\n\r\n";
    return out.str();
}

TEST(gzip_body, is_inflated_before_a_handler_sees_it) {
    running_server server(sample_routes());
    raw_client client(server.port());
    std::string const big(190'000, 'x');
    EXPECT_EQ(client.exchange(post_gzip(gzip("[1,2]"))).body, "[1,2]");
    EXPECT_EQ(client.exchange(post_gzip(gzip(big))).body, big);
    EXPECT_EQ(client.exchange(post_gzip(gzip("[1,") + gzip("2]"))).body, "[1,2]");
    EXPECT_EQ(client.exchange(post_echo(gzip("{}"), "content-encoding: X-GZip\r\n")).body, "{}");
    EXPECT_EQ(client.exchange(chunked(gzip("[1,2]"), 3, "Content-Encoding: gzip\r\n")).body, "[1,2]");
    EXPECT_EQ(client.exchange(post_echo("{}", "Content-Encoding: identity\r\n")).body, "{}");
    EXPECT_EQ(client.exchange(hello).status, 200);
    EXPECT_EQ(server.stats().body_bytes, 0U);
}

TEST(gzip_body, the_next_request_is_found_behind_it) {
    running_server server(sample_routes());
    raw_client client(server.port());
    client.send(post_gzip(gzip("[1]")) + chunked(gzip("[2]"), 1, "Content-Encoding: gzip\r\n") + hello);
    EXPECT_EQ(client.receive().body, "[1]");
    EXPECT_EQ(client.receive().body, "[2]");
    EXPECT_EQ(client.receive().body, "\"hello\"");
}

TEST(gzip_body, may_come_byte_by_byte) {
    running_server server(sample_routes());
    raw_client client(server.port());
    for (char const c : post_gzip(gzip("[1,2]")) + hello)
        client.send(std::string_view(&c, 1));
    EXPECT_EQ(client.receive().body, "[1,2]");
    EXPECT_EQ(client.receive().status, 200);
}

TEST(gzip_body, a_client_that_asks_first_is_invited) {
    running_server server(sample_routes());
    raw_client client(server.port());
    auto const body = gzip("{}");
    client.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nExpect: 100-continue\r\n"
                "Content-Encoding: gzip\r\nContent-Length: " +
                std::to_string(body.size()) + "\r\n\r\n");
    EXPECT_EQ(client.receive(true).status, 100);
    EXPECT_EQ(client.exchange(body).body, "{}");
}

TEST(gzip_body, without_a_body_there_is_nothing_to_inflate) {
    running_server server(sample_routes());
    raw_client client(server.port());
    EXPECT_EQ(client.exchange("GET /hello HTTP/1.1\r\nHost: a\r\nContent-Encoding: gzip\r\n\r\n").status, 200);
    EXPECT_EQ(client.exchange("GET /hello HTTP/1.1\r\nHost: a\r\nContent-Encoding: br\r\n\r\n").status, 200);
    EXPECT_EQ(client.exchange(post_gzip("")).status, 200);
    EXPECT_EQ(client.exchange(chunked("", 1, "Content-Encoding: gzip\r\n")).status, 200);
}

TEST(gzip_body, damage_is_a_400_and_the_end_of_the_connection) {
    running_server server(sample_routes());
    auto const good = gzip("[1,2,3]");
    auto bad_checksum = good;
    bad_checksum[good.size() - 8] = static_cast<char>(bad_checksum[good.size() - 8] ^ 1);
    for (std::string const& body : {std::string("{}"), good.substr(0, good.size() - 1), good + "x", bad_checksum}) {
        for (auto const& request : {post_gzip(body), chunked(body, 5, "Content-Encoding: gzip\r\n")}) {
            raw_client client(server.port());
            auto const got = client.exchange(request + hello);
            EXPECT_EQ(got.status, 400) << testing::PrintToString(request);
            EXPECT_THAT(got.body, HasSubstr("Content-Encoding"));
            EXPECT_EQ(got.header("Connection"), "close");
            client.shut_down_sending();
            EXPECT_TRUE(client.ended());
        }
    }
    EXPECT_EQ(server.stats().responses_by_status.count(200), 0U);
}

TEST(gzip_body, a_bomb_is_a_413) {
    running_server server(sample_routes());
    auto const bomb = gzip(std::string(100'000'000, '\0'));
    ASSERT_LT(bomb.size(), 200'000U); // its size on the wire is allowed
    for (auto const& request : {post_gzip(bomb), chunked(bomb, 1000, "Content-Encoding: gzip\r\n")}) {
        raw_client client(server.port());
        auto const got = client.exchange(request);
        EXPECT_EQ(got.status, 413);
        EXPECT_EQ(got.header("Connection"), "close");
    }
    EXPECT_EQ(server.stats().body_bytes, 0U);
}

TEST(gzip_body, another_coding_is_a_415_that_says_what_is_taken) {
    running_server server(sample_routes());
    raw_client client(server.port());
    for (char const* coding : {"br", "deflate", "gzip, gzip", "identity, gzip"}) {
        auto const got = client.exchange(post_echo("{}", std::string("Content-Encoding: ") + coding + "\r\n"));
        EXPECT_EQ(got.status, 415) << coding;
        EXPECT_EQ(got.header("Accept-Encoding"), "gzip") << coding;
    }
    EXPECT_FALSE(client.exchange("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}")
                     .header("Accept-Encoding")); // that was about the media type
}

// --- all bodies together

server_config small_budget() {
    auto out = running_server::quick_limits();
    out.bodies_bytes_max = 1000;
    return out;
}

TEST(bodies_budget, is_held_until_the_handler_is_done) {
    gate g;
    running_server server(g.routes(api::method::post), small_budget());
    raw_client holder(server.port());
    std::string const body(900, 'x');
    auto request = post_echo(body);
    request.replace(request.find("/echo"), 5, "/wait");
    holder.send(request);
    g.entered.get_future().wait();
    EXPECT_EQ(server.stats().body_bytes, 900U);

    raw_client other(server.port());
    auto const refused = other.exchange(post_echo(std::string(101, 'x')));
    EXPECT_EQ(refused.status, 503);
    EXPECT_THAT(refused.body, HasSubstr("unavailable"));
    EXPECT_EQ(refused.header("Retry-After"), "1");
    EXPECT_EQ(other.exchange(post_echo(std::string(100, 'x'))).status, 200); // the connection goes on
    EXPECT_EQ(other.exchange(hello).status, 200);                            // and what has no body needs none
    g.release.set()(true);
    EXPECT_EQ(holder.receive().status, 200);
    EXPECT_EQ(other.exchange(post_echo(body)).status, 200);
    EXPECT_EQ(server.stats().body_bytes, 0U);
}

TEST(bodies_budget, a_body_whose_size_is_known_is_refused_before_it_is_read) {
    running_server server(sample_routes(), small_budget());
    raw_client client(server.port());
    auto const got = client.exchange("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
                                     "Expect: 100-continue\r\nContent-Length: 1001\r\n\r\n");
    EXPECT_EQ(got.status, 503); // and no 100
    EXPECT_EQ(got.header("Connection"), "close");
}

TEST(bodies_budget, other_bodies_are_refused_while_they_grow) {
    running_server server(sample_routes(), small_budget());
    std::string const body(5000, 'x');
    for (auto const& request :
         {chunked(body, 100), post_gzip(gzip(body)), chunked(gzip(body), 1, "Content-Encoding: gzip\r\n")}) {
        raw_client client(server.port());
        auto const got = client.exchange(request);
        EXPECT_EQ(got.status, 503);
        EXPECT_TRUE(got.header("Retry-After"));
        EXPECT_EQ(got.header("Connection"), "close");
    }
    raw_client client(server.port());
    EXPECT_EQ(client.exchange(post_gzip(gzip(std::string(900, 'x')))).status, 200);
}

TEST(bodies_budget, a_client_that_vanishes_gives_its_part_back) {
    running_server server(sample_routes(), small_budget());
    {
        raw_client client(server.port());
        client.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 900\r\n\r\n[");
        while (server.stats().body_bytes == 0)
            std::this_thread::yield();
    }
    while (server.stats().body_bytes != 0)
        std::this_thread::yield();
    raw_client other(server.port());
    EXPECT_EQ(other.exchange(post_echo(std::string(900, 'x'))).status, 200);
}

/// A POST of `account`'s key whose head promises `size` bytes, of which `sent` follow.
std::string promise(std::string const& key, std::size_t size, std::size_t sent) {
    return "POST /publish HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nAuthorization: Bearer " + key +
           "\r\nContent-Length: " + std::to_string(size) + "\r\n\r\n" + std::string(sent, 'x');
}

/// POST /publish answers, for a key, with the length of its body.
std::vector<api::route> publish_route() {
    auto handle = [](api::request what, api::caller) -> task<api::response> {
        co_return api::response{.status = 200, .body = std::to_string(what.body.size()), .headers = {}};
    };
    auto out = sample_routes();
    out.push_back({.verb = api::method::post, .path = "/publish", .permission = "publish", .handle = handle});
    return out;
}

void add_keys(running_server& server) {
    for (char const* account : {"a", "b"})
        server.keys.known[account] = {.key_id = account, .account_id = account, .permissions = {"publish"}};
}

TEST(bodies_budget, a_promise_takes_no_room) {
    auto config = running_server::quick_limits();
    config.body_bytes_max = 1'000'000;
    config.bodies_bytes_max = 3'000'000;
    running_server server(publish_route(), config);
    add_keys(server);
    std::deque<raw_client> waiting;
    for (int i = 0; i < 20; ++i)
        waiting.emplace_back(server.port()).send(promise("a", 1'000'000, 1000));
    while (server.stats().body_bytes < 20'000) // all of them are being read
        std::this_thread::yield();
    raw_client other(server.port());
    EXPECT_EQ(other.exchange(promise("b", 900'000, 900'000)).body, "900000");
}

TEST(bodies_budget, an_account_that_takes_its_part_hinders_no_other) {
    auto config = running_server::quick_limits();
    config.body_bytes_max = 300'000;
    config.bodies_bytes_max = 800'000;
    config.account_share_percent = 50;
    running_server server(publish_route(), config);
    add_keys(server);
    raw_client holder(server.port());
    holder.send(promise("a", 300'000, 299'999));
    while (server.stats().body_bytes < 300'000)
        std::this_thread::yield();
    raw_client more(server.port());
    auto const refused = more.exchange(promise("a", 200'000, 200'000));
    EXPECT_EQ(refused.status, 429);
    EXPECT_THAT(refused.body, HasSubstr("this account"));
    EXPECT_EQ(refused.header("Retry-After"), "1");
    raw_client other(server.port());
    EXPECT_EQ(other.exchange(promise("b", 300'000, 300'000)).body, "300000");
    EXPECT_EQ(holder.exchange("x").body, "300000");
    raw_client again(server.port());
    EXPECT_EQ(again.exchange(promise("a", 200'000, 200'000)).body, "200000");
}

TEST(bodies_budget, what_nobody_wants_takes_no_room) {
    running_server server(sample_routes(), small_budget());
    raw_client dripping(server.port());
    dripping.send("GET /hello HTTP/1.1\r\nHost: a\r\nContent-Length: 60000\r\n\r\n" + std::string(30'000, 'x'));
    raw_client other(server.port());
    EXPECT_EQ(other.exchange(post_echo(std::string(1000, 'x'))).status, 200);
    EXPECT_EQ(dripping.exchange(std::string(30'000, 'x') + hello).status, 200);
    EXPECT_EQ(dripping.receive().status, 200) << "the connection goes on";
    raw_client endless(server.port());
    auto const got = endless.exchange("GET /hello HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabc");
    EXPECT_EQ(got.status, 200);
    EXPECT_EQ(got.header("Connection"), "close");
}

TEST(bodies, of_a_call_have_the_calls_own_limit) {
    auto routes = publish_route();
    for (auto& one : routes)
        one.body_bytes_max = one.path == "/publish" ? 1000 : 0;
    running_server server(std::move(routes));
    add_keys(server);
    raw_client client(server.port());
    EXPECT_EQ(client.exchange(promise("a", 1000, 1000)).status, 200);
    EXPECT_EQ(client.exchange(post_echo(std::string(100'000, 'x'))).status, 200);
    auto const refused = client.exchange(promise("a", 1001, 1001));
    EXPECT_EQ(refused.status, 413);
    EXPECT_THAT(refused.body, HasSubstr("1000 bytes"));
    raw_client packed(server.port());
    auto request = post_gzip(gzip(std::string(1001, 'x')));
    request.replace(request.find("/echo"), 5, "/publish");
    request.insert(request.find("Content-Length"), "Authorization: Bearer a\r\n");
    EXPECT_EQ(packed.exchange(request).status, 413);
}

} // namespace
} // namespace klen::webhooks
