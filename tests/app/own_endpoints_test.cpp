#include "app/own_endpoints.hpp"

#include <gtest/gtest.h>

namespace klen::webhooks::app {
namespace {

egress::address_guard guard_of(server_config const& server, std::string const& database) {
    auto guard = egress::address_guard::create({"0.0.0.0/0", "::/0"}, {}).value();
    EXPECT_TRUE(guard.refuse(own_endpoints(server, {.url = database})));
    return guard;
}

bool allows(egress::address_guard const& guard, char const* address, std::uint16_t port) {
    return guard.allows(boost::asio::ip::make_address(address), port);
}

TEST(own_endpoints, are_the_listeners_and_the_database) {
    server_config server;
    server.listen_address = "127.0.0.1";
    server.listen_port = 8080;
    server.operations_address = "::1";
    server.operations_port = 9090;
    auto const guard = guard_of(server, "postgresql://u@127.0.0.5:5499/d");
    EXPECT_FALSE(allows(guard, "127.0.0.1", 8080));
    EXPECT_FALSE(allows(guard, "::ffff:127.0.0.1", 8080));
    EXPECT_FALSE(allows(guard, "::1", 9090));
    EXPECT_FALSE(allows(guard, "127.0.0.5", 5499));
    EXPECT_TRUE(allows(guard, "127.0.0.1", 9090));
    EXPECT_TRUE(allows(guard, "127.0.0.2", 8080));
}

TEST(own_endpoints, a_database_is_found_by_its_name) {
    auto const guard = guard_of({}, "postgresql://u@localhost:5499/d");
    EXPECT_FALSE(allows(guard, "127.0.0.1", 5499));
    EXPECT_TRUE(allows(guard, "127.0.0.1", 5498));
}

TEST(own_endpoints, of_a_listener_on_every_address_are_all_of_this_machines) {
    server_config server;
    server.listen_address = "0.0.0.0";
    server.listen_port = 8080;
    auto const guard = guard_of(server, "host=/run/postgresql");
    for (auto const* address : {"127.0.0.1", "127.7.7.7", "0.0.0.0", "::"})
        EXPECT_FALSE(allows(guard, address, 8080)) << address;
    EXPECT_TRUE(allows(guard, "203.0.113.77", 8080)) << "another machine";
    EXPECT_TRUE(allows(guard, "127.0.0.1", 8081));
}

TEST(own_endpoints, are_none_where_the_system_chooses_the_port) {
    server_config server;
    server.listen_address = "127.0.0.1";
    server.listen_port = 0;
    EXPECT_TRUE(own_endpoints(server, {.url = "host=/run/postgresql"}).empty());
}

} // namespace
} // namespace klen::webhooks::app
