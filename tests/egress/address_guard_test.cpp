#include "klen/webhooks/egress/address_guard.hpp"

#include <gtest/gtest.h>

namespace klen::webhooks::egress {
namespace {

address_guard guard(std::vector<std::string> const& allowed = {}, std::vector<std::string> const& refused = {}) {
    return address_guard::create(allowed, refused).value();
}

bool allows(address_guard const& g, std::string const& text) { return g.allows(boost::asio::ip::make_address(text)); }

TEST(address_guard, refuses_every_special_use_ipv4_range_to_its_edges) {
    auto const g = guard();
    for (char const* inside :
         {"0.0.0.0",         "0.255.255.255",   "10.0.0.0",        "10.255.255.255",  "100.64.0.0",
          "100.127.255.255", "127.0.0.1",       "127.255.255.255", "169.254.0.0",     "169.254.169.254",
          "172.16.0.0",      "172.31.255.255",  "192.0.0.0",       "192.0.0.255",     "192.0.2.0",
          "192.0.2.255",     "192.88.99.1",     "192.168.0.0",     "192.168.255.255", "198.18.0.0",
          "198.19.255.255",  "198.51.100.7",    "203.0.113.255",   "224.0.0.0",       "239.255.255.255",
          "240.0.0.0",       "255.255.255.255", "168.63.129.16"}) {
        EXPECT_FALSE(allows(g, inside)) << inside;
        EXPECT_FALSE(allows(g, std::string("::ffff:") + inside)) << inside;
    }
}

TEST(address_guard, allows_the_ipv4_neighbours_of_those_ranges) {
    auto const g = guard();
    for (char const* outside :
         {"1.0.0.0",         "9.255.255.255",   "11.0.0.0",      "100.63.255.255", "100.128.0.0",     "126.255.255.255",
          "128.0.0.0",       "169.253.255.255", "169.255.0.0",   "172.15.255.255", "172.32.0.0",      "191.255.255.255",
          "192.0.1.0",       "192.0.3.0",       "192.88.98.255", "192.88.100.0",   "192.167.255.255", "192.169.0.0",
          "198.17.255.255",  "198.20.0.0",      "198.51.99.255", "198.51.101.0",   "203.0.112.255",   "203.0.114.0",
          "223.255.255.255", "168.63.129.15",   "168.63.129.17", "8.8.8.8"}) {
        EXPECT_TRUE(allows(g, outside)) << outside;
        EXPECT_TRUE(allows(g, std::string("::ffff:") + outside)) << outside;
    }
}

TEST(address_guard, allows_of_ipv6_global_unicast_only_and_not_its_holes) {
    auto const g = guard();
    for (char const* refused : {"::",
                                "::1",
                                "::7f00:1",
                                "::127.0.0.1",
                                "::8.8.8.8",
                                "::ffff:0:8.8.8.8",
                                "64:ff9b::8.8.8.8",
                                "64:ff9b::7f00:1",
                                "64:ff9b:1::1",
                                "100::1",
                                "1fff:ffff::1",
                                "2001::1",
                                "2001:1ff:ffff::1",
                                "2001:db8::1",
                                "2001:db8:ffff::1",
                                "2002::1",
                                "2002:7f00:1::1",
                                "3fff::1",
                                "3fff:fff:ffff::1",
                                "4000::1",
                                "5f00::1",
                                "fc00::1",
                                "fdff::1",
                                "fe80::1",
                                "fec0::1",
                                "ff02::1"})
        EXPECT_FALSE(allows(g, refused)) << refused;
    for (char const* allowed : {"2000::1", "2001:200::1", "2001:db7::1", "2001:db9::1", "2003::1", "2606:4700::1111",
                                "3ffe::1", "3fff:1000::1", "2a00::1"})
        EXPECT_TRUE(allows(g, allowed)) << allowed;
}

TEST(address_guard, config_opens_ranges_and_closes_more_and_closing_wins) {
    auto const g = guard({"127.0.0.0/8", "10.1.0.0/16", "fd00::/8"}, {"127.0.0.2/32", "8.8.8.0/24", "2606:4700::/32"});
    for (char const* allowed : {"127.0.0.1", "::ffff:127.0.0.1", "10.1.2.3", "fd12::1", "9.9.9.9"})
        EXPECT_TRUE(allows(g, allowed)) << allowed;
    for (char const* refused : {"127.0.0.2", "::ffff:127.0.0.2", "10.2.0.0", "8.8.8.8", "::ffff:8.8.8.8",
                                "2606:4700::1111", "fc00::1", "::1"})
        EXPECT_FALSE(allows(g, refused)) << refused;
}

TEST(address_guard, what_is_ours_is_refused_at_its_port_in_a_range_that_is_allowed) {
    auto guard = address_guard::create({"10.0.0.0/8", "127.0.0.0/8", "fd00::/8"}, {}).value();
    ASSERT_TRUE(guard.refuse({{"10.1.2.3", 8080}, {"127.0.0.0/8", 9090}, {"fd00::7", 5433}}));
    auto const allows = [&](char const* address, std::uint16_t port) {
        return guard.allows(boost::asio::ip::make_address(address), port);
    };
    EXPECT_FALSE(allows("10.1.2.3", 8080));
    EXPECT_FALSE(allows("::ffff:10.1.2.3", 8080));
    EXPECT_TRUE(allows("10.1.2.3", 8081));
    EXPECT_TRUE(allows("10.1.2.4", 8080));
    EXPECT_FALSE(allows("127.9.9.9", 9090));
    EXPECT_TRUE(allows("127.9.9.9", 9091));
    EXPECT_FALSE(allows("fd00::7", 5433));
    EXPECT_TRUE(allows("8.8.8.8", 8080));
    EXPECT_FALSE(allows("192.168.0.1", 80)) << "the ranges count as ever";
    EXPECT_FALSE(guard.refuse({{"localhost", 1}}));
}

TEST(address_guard, an_ipv6_range_means_no_ipv4_address) {
    auto const g = guard({"::/0"});
    EXPECT_TRUE(allows(g, "::1"));
    EXPECT_FALSE(allows(g, "127.0.0.1"));
    EXPECT_FALSE(allows(g, "::ffff:127.0.0.1"));
}

TEST(address_guard, knows_whether_something_local_is_open) {
    EXPECT_FALSE(guard().allows_some_local());
    EXPECT_FALSE(guard({"9.9.9.0/24", "2606:4700::/32"}).allows_some_local());
    for (char const* local : {"127.0.0.1/32", "10.0.0.0/8", "0.0.0.0/0", "128.0.0.0/1", "::1/128", "::/0", "fd00::/8",
                              "2000::/3", "127.0.0.1"})
        EXPECT_TRUE(guard({local}).allows_some_local()) << local;
}

TEST(address_guard, a_range_with_a_slip_is_an_error_that_names_it) {
    for (char const* wrong : {"", "/", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.1/8", "10.0.0.0/8 ", "::/129",
                              "fe80::1%1/128", "localhost", "10/8", "10.0.0.0/8/8", "0x0a.0.0.0/8"}) {
        for (bool const as_allowed : {true, false}) {
            auto const made = as_allowed ? address_guard::create({"127.0.0.0/8", wrong}, {})
                                         : address_guard::create({}, {"127.0.0.0/8", wrong});
            ASSERT_FALSE(made) << wrong;
            EXPECT_EQ(made.error().kind, fault::invalid_argument);
            EXPECT_NE(made.error().message.find("\"" + std::string(wrong) + "\""), std::string::npos);
        }
    }
}

} // namespace
} // namespace klen::webhooks::egress
