#include "api/router.hpp"

#include <gtest/gtest.h>

namespace klen::webhooks::api {
namespace {

task<response> nothing(request, caller) { co_return response{}; }

route made(method verb, std::string path, std::string permission) {
    return {.verb = verb, .path = std::move(path), .permission = std::move(permission), .handle = nothing};
}

router table() {
    return router({made(method::get, "/things", "read"), made(method::post, "/things", "write"),
                   made(method::get, "/things/{id}", "read-one"), made(method::delete_, "/things/{id}", "delete"),
                   made(method::post, "/things/create", "create"),
                   made(method::post, "/things/{id}/parts/{part}", "part")});
}

std::string permission(router const& in, method verb, std::string_view path) {
    auto const found = in.find(verb, path);
    return !found ? "no path" : found->handler == nullptr ? "no method" : found->handler->permission;
}

TEST(router, finds_by_method_and_path) {
    auto const in = table();
    EXPECT_EQ(permission(in, method::get, "/things"), "read");
    EXPECT_EQ(permission(in, method::post, "/things"), "write");
    EXPECT_EQ(permission(in, method::head, "/things"), "read");
    EXPECT_EQ(permission(in, method::get, "/things/7"), "read-one");
    EXPECT_EQ(permission(in, method::post, "/things/create"), "create");
    EXPECT_EQ(permission(in, method::put, "/things"), "no method");
    EXPECT_EQ(permission(in, method::head, "/things/create"), "no method");
    EXPECT_EQ(permission(in, method::other, "/things"), "no method");
    for (char const* path : {"", "/", "*", "/thing", "/things/", "/things//", "/things/7/parts", "/things/7/parts/",
                             "/things/7/parts/8/9", "//things", "things", "/things/7/", "/Things"})
        EXPECT_EQ(permission(in, method::get, path), "no path") << path;
}

TEST(router, parameters_are_taken_from_the_path) {
    auto const in = table();
    auto const found = in.find(method::post, "/things/a b/parts/{id}");
    ASSERT_TRUE(found);
    EXPECT_EQ(found->pattern, "/things/{id}/parts/{part}");
    EXPECT_EQ(found->parameters.at("id"), "a b");
    EXPECT_EQ(found->parameters.at("part"), "{id}");
}

TEST(router, allow_lists_what_the_path_takes) {
    auto const in = table();
    EXPECT_EQ(in.find(method::put, "/things")->allow, "GET, HEAD, POST, OPTIONS");
    EXPECT_EQ(in.find(method::put, "/things/7")->allow, "GET, HEAD, DELETE, OPTIONS");
    EXPECT_EQ(in.find(method::put, "/things/create")->allow, "POST, OPTIONS");
}

TEST(router, what_only_refuses_is_found_and_not_allowed) {
    auto refusal = made(method::put, "/a", "");
    refusal.refuses = true;
    router const in({made(method::patch, "/a", ""), refusal});
    auto const found = in.find(method::put, "/a");
    ASSERT_TRUE(found && found->handler != nullptr);
    EXPECT_EQ(found->allow, "PATCH, OPTIONS");
    EXPECT_EQ(in.allow_anywhere(), "PATCH, OPTIONS");
}

TEST(router, allow_of_the_server_is_what_some_path_takes) {
    EXPECT_EQ(table().allow_anywhere(), "GET, HEAD, POST, DELETE, OPTIONS");
    EXPECT_EQ(router({made(method::patch, "/a", ""), made(method::put, "/b", "")}).allow_anywhere(),
              "PUT, PATCH, OPTIONS");
    EXPECT_EQ(router({}).allow_anywhere(), "OPTIONS");
}

TEST(router_death, a_route_that_is_there_twice_is_a_bug) {
    GTEST_FLAG_SET(death_test_style, "threadsafe");
    std::vector<route> const twice = {made(method::get, "/a", ""), made(method::get, "/a", "")};
    EXPECT_DEATH(router{twice}, "route");
}

} // namespace
} // namespace klen::webhooks::api
