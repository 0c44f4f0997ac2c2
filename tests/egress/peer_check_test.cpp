// The address that was judged is the one that is talked to: who answers a connection is looked at before a byte is
// sent. The kernel itself leads elsewhere here: what is dialled at 0.0.0.0 or :: arrives at this machine's loopback.
#include "egress/client_fixture.hpp"
#include "support/socket_audit.hpp"

#include <gmock/gmock.h>

namespace klen::webhooks::egress {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

class peer_check : public client_test {
  protected:
    peer_check() {
        config.allowed_ranges = {"0.0.0.0/32", "::/128"}; // and not where they lead
        config.dns_servers = {server.server()};
        config.ca_file = ca.file();
        server.tell("elsewhere.test", {{dns_answer::kind::addresses, {"0.0.0.0"}, 0, false}});
        server.tell("first.test", {{dns_answer::kind::addresses, {"0.0.0.0", "127.0.0.2"}, 0, false}});
    }

    fake_dns server;
    test_ca ca;
};

TEST_F(peer_check, a_connection_that_leads_elsewhere_is_closed_before_a_byte_is_sent) {
    for (bool const tls : {false, true}) {
        scripted_receiver::options options;
        if (tls)
            options.identity = ca.issue({.names = {"elsewhere.test"}, .addresses = {"0.0.0.0"}});
        scripted_receiver inside(script().answer(200, "secret").again(), options);
        testing::socket_audit audit;
        for (std::string const host : {"0.0.0.0", "elsewhere.test"}) {
            ::testing::internal::CaptureStderr();
            auto const r = post(inside.url("/hook", host));
            auto const logged = ::testing::internal::GetCapturedStderr();
            EXPECT_EQ(r.error, error_class::address_not_allowed) << r.message;
            EXPECT_EQ(r.message, post("http://10.0.0.1/").message) << "as for every refused address";
            EXPECT_EQ(r.status, 0);
            EXPECT_EQ(r.response_body, "");
            EXPECT_EQ(r.response_headers, "");
            EXPECT_EQ(r.remote_address, "");
            if (!tls && host == "0.0.0.0") // the operator is told, not again and again
                EXPECT_THAT(logged, AllOf(HasSubstr("led to another address"), HasSubstr("account-1"),
                                          HasSubstr("0.0.0.0:"), HasSubstr("127.0.0.1")));
            else
                EXPECT_THAT(logged, Not(HasSubstr("led to another address")));
        }
        EXPECT_TRUE(inside.wait_for_connections(2)) << "they were made, or this test shows nothing";
        EXPECT_TRUE(inside.wait_until_closed());
        EXPECT_TRUE(inside.requests().empty());
        EXPECT_EQ(inside.connections(), 2);
        EXPECT_EQ(audit.bytes_read_from(inside.port()), 0U);
    }
    EXPECT_EQ(client().stats().idle_connections, 0U);
}

TEST_F(peer_check, the_attempt_is_over_and_no_other_address_is_tried) {
    config.allowed_ranges = {"0.0.0.0/32", "127.0.0.2/32"};
    scripted_receiver inside(script().answer(200).again());
    scripted_receiver outside(script().answer(200).again(), {.address = "127.0.0.2", .port = inside.port()});
    EXPECT_EQ(post(inside.url("/", "first.test")).error, error_class::address_not_allowed);
    EXPECT_EQ(outside.connections(), 0);
}

TEST_F(peer_check, where_the_peer_is_allowed_as_well_it_is_still_not_the_one_that_was_judged) {
    config.allowed_ranges = {"0.0.0.0/32", "127.0.0.0/8"};
    scripted_receiver inside(script().answer(200).again());
    EXPECT_EQ(post(inside.url("/", "0.0.0.0")).error, error_class::address_not_allowed);
    EXPECT_TRUE(inside.requests().empty());
    EXPECT_TRUE(post(inside.url()).succeeded());
}

} // namespace
} // namespace klen::webhooks::egress
