// What goes wrong on this machine is no attempt of the receiver's.
#include "egress/client_fixture.hpp"

namespace klen::webhooks::egress {
namespace {

class local_failures : public client_test {};

TEST_F(local_failures, no_descriptor_for_a_connection) {
    scripted_receiver receiver(script().answer(200));
    client();
    {
        no_descriptors const none;
        auto const r = post(receiver.url());
        EXPECT_EQ(r.error, error_class::local_failure) << r.message;
        EXPECT_EQ(r.status, 0);
        EXPECT_NE(r.message.find("does not count as an attempt"), std::string::npos);
    }
    EXPECT_TRUE(post(receiver.url()).succeeded());
}

TEST_F(local_failures, an_unused_connection_makes_room_for_one_that_is_needed) {
    scripted_receiver one(script().answer(200).again());
    scripted_receiver other(script().answer(200));
    ASSERT_TRUE(post(one.url()).succeeded());
    {
        no_descriptors const none;
        auto const r = post(other.url());
        EXPECT_TRUE(r.succeeded()) << r.message;
        EXPECT_EQ(client().stats().idle_connections, 1U);
    }
    EXPECT_TRUE(one.wait_until_closed());
}

TEST_F(local_failures, no_descriptor_for_a_question) {
    fake_dns server;
    server.tell("name.test", {{dns_answer::kind::addresses, {"127.0.0.1"}, 0, false}});
    config.dns_servers = {server.server()};
    scripted_receiver receiver(script().answer(200));
    client();
    {
        no_descriptors const none;
        auto const r = post(receiver.url("/", "name.test"));
        EXPECT_EQ(r.error, error_class::local_failure) << r.message;
    }
    EXPECT_TRUE(post(receiver.url("/", "name.test")).succeeded()) << "a local failure must not be remembered";
}

} // namespace
} // namespace klen::webhooks::egress
