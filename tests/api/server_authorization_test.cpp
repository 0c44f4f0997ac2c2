// What a request is allowed, and what its handler learns of it.
#include "api/raw_client.hpp"
#include "api/running_server.hpp"

#include "klen/webhooks/base/ids.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace klen::webhooks {
namespace {

using namespace testing_support;
using testing::HasSubstr;

std::string get(std::string const& path, std::string const& key) {
    return "GET " + path + " HTTP/1.1\r\nHost: a\r\nX-API-Key: " + key + "\r\n\r\n";
}

/// Answers with what it was told of the request: "route|idempotency key|resource id".
task<api::response> tell(api::request what, api::caller) {
    std::string body(what.route);
    body += '|' + what.idempotency_key.value_or("none") + '|' + what.resource_id.text();
    co_return api::response{.status = 200, .body = std::move(body), .headers = {}};
}

struct authorization : ::testing::Test {
    static std::vector<api::route> routes() {
        auto out = sample_routes();
        auto const add = [&](api::method verb, std::string path, std::string permission) -> api::route& {
            out.push_back({.verb = verb, .path = std::move(path), .permission = std::move(permission), .handle = tell});
            return out.back();
        };
        add(api::method::get, "/read", "read");
        add(api::method::get, "/any", "*");
        add(api::method::get, "/platform", "read").platform_only = true;
        add(api::method::post, "/made/{id}", "").creates = true;
        add(api::method::post, "/limited", "read");
        add(api::method::get, "/made/{id}", "");
        return out;
    }

    authorization() : server(routes()) {
        server.keys.known = {
            {"reader", {.key_id = "1", .account_id = "acme", .permissions = {"read"}}},
            {"nobody", {.key_id = "2", .account_id = "acme", .permissions = {}}},
            {"platform", {.key_id = "3", .account_id = std::nullopt, .permissions = {"read"}}},
            {"platform-nobody", {.key_id = "4", .account_id = std::nullopt, .permissions = {}}},
            {"hasty", {.key_id = "5", .account_id = "acme", .permissions = {"read"}, .retry_after = milliseconds(1)}},
            {"hastier", {.key_id = "6", .account_id = "acme", .permissions = {}, .retry_after = milliseconds(2001)}},
        };
    }

    int status(std::string const& path, std::string const& key) {
        raw_client client(server.port());
        return client.exchange(get(path, key)).status;
    }

    running_server server;
};

TEST_F(authorization, a_permission_is_needed) {
    EXPECT_EQ(status("/read", "reader"), 200);
    EXPECT_EQ(status("/read", "platform"), 200);
    EXPECT_EQ(status("/read", "nobody"), 403);
    EXPECT_EQ(status("/read", "unknown"), 401);
}

TEST_F(authorization, a_star_is_for_any_key_but_not_for_none) {
    for (char const* key : {"reader", "nobody", "platform", "platform-nobody"})
        EXPECT_EQ(status("/any", key), 200) << key;
    EXPECT_EQ(status("/any", "unknown"), 401);
    raw_client client(server.port());
    EXPECT_EQ(client.exchange("GET /any HTTP/1.1\r\nHost: a\r\n\r\n").status, 401);
}

TEST_F(authorization, an_accounts_key_does_not_get_at_what_is_the_platforms) {
    EXPECT_EQ(status("/platform", "platform"), 200);
    EXPECT_EQ(status("/platform", "platform-nobody"), 403);
    raw_client client(server.port());
    auto const got = client.exchange(get("/platform", "reader"));
    EXPECT_EQ(got.status, 403);
    EXPECT_THAT(got.body, HasSubstr("permission_denied"));
}

TEST_F(authorization, a_key_over_its_limit_is_told_when_to_come_back) {
    raw_client client(server.port());
    auto const soon = client.exchange(get("/read", "hasty"));
    EXPECT_EQ(soon.status, 429);
    EXPECT_EQ(soon.header("Retry-After"), "1"); // never 0
    EXPECT_THAT(soon.body, HasSubstr("rate_limit_exceeded"));
    EXPECT_EQ(client.exchange(get("/any", "hastier")).header("Retry-After"), "3"); // never too early
    EXPECT_EQ(client.exchange(get("/read", "hastier")).status, 429);               // before it is 403
}

TEST_F(authorization, who_is_over_the_limit_is_told_before_the_body_is_read) {
    raw_client client(server.port());
    auto const got = client.exchange("POST /limited HTTP/1.1\r\nHost: a\r\nX-API-Key: hasty\r\nExpect: 100-continue\r\n"
                                     "Content-Type: application/json\r\nContent-Length: 100\r\n\r\n");
    EXPECT_EQ(got.status, 429); // not 100
}

std::string post_made(std::string const& fields) { return "POST /made/7 HTTP/1.1\r\nHost: a\r\n" + fields + "\r\n"; }

TEST_F(authorization, a_handler_learns_its_route_and_the_idempotency_key) {
    raw_client client(server.port());
    EXPECT_THAT(client.exchange(post_made("")).body, HasSubstr("/made/{id}|none|"));
    EXPECT_THAT(client.exchange(post_made("Idempotency-Key: \"a-1\"\r\n")).body, HasSubstr("|\"a-1\"|"));
    std::string const longest(255, 'k');
    EXPECT_THAT(client.exchange(post_made("idempotency-key: " + longest + "\r\n")).body, HasSubstr(longest));
    // It means nothing to a call that creates nothing, however it looks.
    auto const read = client.exchange("GET /made/7 HTTP/1.1\r\nHost: a\r\nIdempotency-Key: a b\r\n\r\n");
    EXPECT_THAT(read.body, HasSubstr("|none|"));
}

TEST_F(authorization, each_request_gets_an_id_for_what_it_makes) {
    raw_client client(server.port());
    std::set<std::string> ids;
    for (int i = 0; i < 5; ++i) {
        auto const body = client.exchange(post_made("")).body;
        auto const id = body.substr(body.rfind('|') + 1);
        ASSERT_TRUE(uuid::parse(id)) << body;
        EXPECT_EQ(id[14], '7'); // the version
        ids.insert(id);
    }
    EXPECT_EQ(ids.size(), 5U);
}

TEST_F(authorization, an_idempotency_key_that_cannot_be_one_is_a_400) {
    for (std::string const& value :
         {std::string(), std::string(256, 'k'), std::string("a b"), std::string("\xc3\xa4")}) {
        raw_client client(server.port());
        auto const got = client.exchange(post_made("Idempotency-Key: " + value + "\r\n"));
        EXPECT_EQ(got.status, 400) << value;
        EXPECT_THAT(got.body, HasSubstr("Idempotency-Key")) << value;
    }
    raw_client client(server.port());
    auto const two = client.exchange(post_made("Idempotency-Key: a\r\nIdempotency-Key: a\r\n"));
    EXPECT_EQ(two.status, 400);
    EXPECT_THAT(two.body, HasSubstr("Idempotency-Key"));
}

TEST_F(authorization, head_answers_like_every_get) {
    raw_client client(server.port());
    for (auto const& r : routes()) {
        if (r.verb != api::method::get)
            continue;
        auto const path = r.path.substr(0, r.path.find('{')) + (r.path.find('{') == std::string::npos ? "" : "7");
        auto const request = get(path, "platform");
        auto const got = client.exchange(request);
        client.send("HEAD" + request.substr(3));
        auto const head = client.receive(true);
        EXPECT_EQ(head.status, got.status) << path;
        EXPECT_EQ(head.header("Content-Length"), got.header("Content-Length")) << path;
        EXPECT_EQ(head.header("Content-Type"), got.header("Content-Type")) << path;
    }
    client.send("HEAD /none HTTP/1.1\r\nHost: a\r\n\r\n" + get("/any", "reader"));
    EXPECT_EQ(client.receive(true).status, 404);
    EXPECT_EQ(client.receive().status, 200); // nothing of a body was in between
    client.send("HEAD /hello HTTP/1.1\r\n\r\n");
    EXPECT_EQ(client.receive(true).status, 400);
    client.shut_down_sending();
    EXPECT_TRUE(client.ended());
}

TEST_F(authorization, two_keys_that_differ_are_told_apart_from_none) {
    auto const both = [](std::string const& first, std::string const& second) {
        return "GET /read HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer " + first + "\r\nX-API-Key: " + second +
               "\r\n\r\n";
    };
    raw_client client(server.port());
    EXPECT_EQ(client.exchange(both("reader", "reader")).status, 200);
    auto const differ = client.exchange(both("reader", "nobody"));
    EXPECT_EQ(differ.status, 401);
    EXPECT_THAT(differ.body, HasSubstr("do not hold the same key"));
    auto const none = client.exchange("GET /read HTTP/1.1\r\nHost: a\r\n\r\n");
    EXPECT_EQ(none.status, 401);
    EXPECT_THAT(none.body, HasSubstr("send a key"));
}

} // namespace
} // namespace klen::webhooks
