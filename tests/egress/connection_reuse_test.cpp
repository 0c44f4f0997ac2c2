// When a connection carries another request, and when it must not.
#include "egress/client_fixture.hpp"

namespace klen::webhooks::egress {
namespace {

class connection_reuse : public client_test {};

TEST_F(connection_reuse, requests_to_one_origin_follow_each_other_on_one_connection) {
    scripted_receiver receiver(script().answer(200).again());
    for (int i = 0; i < 5; ++i) {
        auto const r = post(receiver.url("/" + std::to_string(i)));
        EXPECT_TRUE(r.succeeded());
        EXPECT_EQ(r.connection_reused, i > 0);
        EXPECT_FALSE(r.remote_address.empty());
    }
    EXPECT_EQ(receiver.connections(), 1);
    auto const s = client().stats();
    EXPECT_EQ(s.connections_opened, 1U);
    EXPECT_EQ(s.connections_reused, 4U);
    EXPECT_EQ(s.idle_connections, 1U);
}

TEST_F(connection_reuse, failures_keep_a_connection_as_well) {
    scripted_receiver receiver(script().answer(500, "oops").again());
    post(receiver.url());
    EXPECT_TRUE(post(receiver.url()).connection_reused);
}

TEST_F(connection_reuse, chunked_responses_keep_a_connection_as_well) {
    scripted_receiver receiver(
        script()
            .read_request()
            .send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;e=1\r\nabc\r\n0\r\nT: v\r\n\r\n")
            .again());
    EXPECT_EQ(post(receiver.url()).response_body, "abc");
    EXPECT_TRUE(post(receiver.url()).connection_reused);
}

TEST_F(connection_reuse, nothing_is_sent_when_the_caller_says_no_at_the_last_moment) {
    scripted_receiver receiver(script().answer(200).again());
    post(receiver.url()); // a connection is kept
    how never;
    never.may_send = [] { return false; };
    EXPECT_EQ(post(receiver.url(), never).error, error_class::local_failure);
    never.account = "account-2"; // and on a fresh one
    EXPECT_EQ(post(receiver.url(), never).error, error_class::local_failure);
    EXPECT_EQ(receiver.requests().size(), 1U);
}

TEST_F(connection_reuse, accounts_never_share_a_connection) {
    scripted_receiver receiver(script().answer(200).again());
    post(receiver.url(), {.account = "account-1"});
    EXPECT_FALSE(post(receiver.url(), {.account = "account-2"}).connection_reused);
    EXPECT_TRUE(post(receiver.url(), {.account = "account-1"}).connection_reused);
    EXPECT_EQ(receiver.connections(), 2);
}

TEST_F(connection_reuse, origins_never_share_a_connection) {
    scripted_receiver one(script().answer(200).again());
    scripted_receiver other(script().answer(200).again());
    post(one.url());
    EXPECT_FALSE(post(other.url()).connection_reused);
    EXPECT_FALSE(post(one.url("/hook", "localhost")).connection_reused);
}

TEST_F(connection_reuse, a_connection_that_the_peer_wants_closed_is_closed) {
    scripted_receiver receiver(script().answer(200, "ok", "Connection: close\r\n").again());
    post(receiver.url());
    EXPECT_TRUE(receiver.wait_until_closed());
    EXPECT_FALSE(post(receiver.url()).connection_reused);
    EXPECT_EQ(receiver.connections(), 2);
}

TEST_F(connection_reuse, a_connection_that_the_peer_closed_while_idle_is_noticed) {
    scripted_receiver receiver({script().answer(200), script().answer(200)});
    post(receiver.url());
    EXPECT_TRUE(receiver.wait_until_closed());
    auto const r = post(receiver.url());
    EXPECT_TRUE(r.succeeded());
    EXPECT_FALSE(r.connection_reused);
    EXPECT_EQ(client().stats().reused_connection_died, 0U);
}

TEST_F(connection_reuse, bytes_on_an_idle_connection_end_it) {
    scripted_receiver receiver(
        {script().answer(200).pause(30ms).send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").hang(),
         script().answer(202)});
    post(receiver.url());
    run_for(100ms);
    auto const r = post(receiver.url());
    EXPECT_EQ(r.status, 202);
    EXPECT_FALSE(r.connection_reused);
}

TEST_F(connection_reuse, bytes_behind_the_response_end_the_connection) {
    scripted_receiver receiver(
        {script().read_request().send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\n\r\n").hang(),
         script().answer(202)});
    EXPECT_EQ(post(receiver.url()).status, 200);
    EXPECT_EQ(post(receiver.url()).status, 202);
}

TEST_F(connection_reuse, a_request_on_a_connection_that_dies_under_it_is_sent_once_more) {
    for (auto const& dying : {script().answer(200).read_request().reset(), script().answer(200).read_request(),
                              script().answer(200).read(1).reset()}) {
        scripted_receiver receiver({dying, script().answer(202)});
        auto const before = client().stats().reused_connection_died;
        EXPECT_EQ(post(receiver.url()).status, 200);
        auto const r = post(receiver.url());
        EXPECT_EQ(r.status, 202) << r.message;
        EXPECT_FALSE(r.connection_reused);
        EXPECT_EQ(receiver.connections(), 2);
        EXPECT_EQ(client().stats().reused_connection_died, before + 1);
    }
}

TEST_F(connection_reuse, it_is_sent_once_more_and_not_twice) {
    scripted_receiver receiver({script().answer(200).read_request().reset(), script().read_request().reset()});
    post(receiver.url());
    EXPECT_EQ(post(receiver.url()).error, error_class::connection_reset);
    EXPECT_EQ(receiver.connections(), 2);
    EXPECT_EQ(receiver.requests().size(), 3U);
}

TEST_F(connection_reuse, a_request_whose_answer_has_begun_is_not_sent_again) {
    scripted_receiver receiver(
        {script().answer(200).read_request().send("HTTP/1.1 2").pause(30ms).reset(), script().answer(202)});
    post(receiver.url());
    auto const r = post(receiver.url());
    EXPECT_EQ(r.error, error_class::connection_reset);
    EXPECT_TRUE(r.connection_reused);
    EXPECT_EQ(receiver.connections(), 1);
}

TEST_F(connection_reuse, a_time_out_on_a_reused_connection_is_not_repeated) {
    scripted_receiver receiver({script().answer(200).read_request().hang(), script().answer(202)});
    post(receiver.url());
    auto const r = post(receiver.url(), {.within = 300ms});
    EXPECT_EQ(r.error, error_class::timeout);
    EXPECT_TRUE(r.connection_reused);
    EXPECT_LT(r.duration, 2s);
    EXPECT_EQ(receiver.connections(), 1);
}

TEST_F(connection_reuse, a_later_request_has_its_own_deadline) {
    scripted_receiver receiver(script().answer(200).read_request().hang());
    post(receiver.url(), {.within = 5s});
    auto const r = post(receiver.url(), {.within = 300ms}); // sooner than what the connection's timer waits for
    EXPECT_EQ(r.error, error_class::timeout);
    EXPECT_LT(r.duration, 2s);

    scripted_receiver slow(script().answer(200).read_request().pause(500ms).send("HTTP/1.1 204 x\r\n\r\n"));
    post(slow.url(), {.within = 200ms});
    EXPECT_EQ(post(slow.url(), {.within = 5s}).status, 204); // later than that
}

TEST_F(connection_reuse, idle_connections_are_closed_after_the_idle_timeout) {
    config.idle_timeout = 100ms;
    scripted_receiver receiver(script().answer(200).again());
    post(receiver.url());
    run_for(150ms);
    EXPECT_FALSE(post(receiver.url()).connection_reused);
    run_for(1200ms); // the sweep closes what nobody asks for any more
    EXPECT_TRUE(receiver.wait_until_closed(1s));
}

TEST_F(connection_reuse, the_peers_keep_alive_timeout_less_a_second_is_kept) {
    scripted_receiver never(script().answer(200, "", "Keep-Alive: timeout=1\r\n").again());
    post(never.url());
    EXPECT_FALSE(post(never.url()).connection_reused);

    config.idle_timeout = 50ms; // of the next client; this one has its own copy
    scripted_receiver longer(script().answer(200, "", "Keep-Alive: timeout=5\r\n").again());
    post(longer.url());
    EXPECT_TRUE(post(longer.url()).connection_reused);
}

TEST_F(connection_reuse, idle_connections_are_limited_by_origin_and_in_all) {
    config.idle_connections_per_origin_max = 2;
    config.idle_connections_max = 3;
    scripted_receiver one(script().answer(200).again());
    scripted_receiver other(script().answer(200).again());
    post_all({one.url(), one.url(), one.url(), one.url()});
    EXPECT_EQ(client().stats().idle_connections, 2U);
    post_all({other.url(), other.url(), other.url()});
    EXPECT_EQ(client().stats().idle_connections, 3U);
}

TEST_F(connection_reuse, stopping_closes_idle_connections) {
    scripted_receiver receiver(script().answer(200).again());
    post(receiver.url());
    stop();
    EXPECT_EQ(client().stats().idle_connections, 0U);
    EXPECT_TRUE(receiver.wait_until_closed());
    stop();
}

} // namespace
} // namespace klen::webhooks::egress
