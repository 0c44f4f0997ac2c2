// What is sent, and what the plain outcomes of an attempt are.
#include "egress/client_fixture.hpp"

namespace klen::webhooks::egress {
namespace {

class posting : public client_test {};

TEST_F(posting, never_reaches_what_is_ours_though_its_range_is_allowed) {
    scripted_receiver receiver(script().answer(200).again());
    ours = {{"127.0.0.1", receiver.port()}};
    auto const r = post(receiver.url());
    EXPECT_EQ(r.error, error_class::address_not_allowed);
    EXPECT_NE(r.message.find("this service itself"), std::string::npos) << r.message;
    EXPECT_EQ(receiver.connections(), 0);
}

TEST_F(posting, the_request_is_written_as_the_contract_says) {
    scripted_receiver receiver(script().answer(200, "thanks", "X-Answer: 1\r\n"));
    auto const r = post(receiver.url("/hook?x=%20y&z"));
    EXPECT_TRUE(r.succeeded());
    EXPECT_EQ(r.status, 200);
    EXPECT_TRUE(r.message.empty());
    EXPECT_EQ(r.response_headers, "X-Answer: 1\r\nContent-Length: 6\r\n");
    EXPECT_EQ(r.response_body, "thanks");
    EXPECT_EQ(r.remote_address, "127.0.0.1:" + std::to_string(receiver.port()));
    EXPECT_FALSE(r.connection_reused);
    EXPECT_GT(r.duration, 0us);
    EXPECT_LT(r.duration, 5s);
    ASSERT_EQ(receiver.requests().size(), 1U);
    auto const request = receiver.requests().front();
    EXPECT_EQ(request.head, "POST /hook?x=%20y&z HTTP/1.1\r\nHost: 127.0.0.1:" + std::to_string(receiver.port()) +
                                "\r\nContent-Length: 27\r\nContent-Type: application/json\r\nX-Test: 1\r\n");
    EXPECT_EQ(request.body, R"({"event_type":"call.ended"})");
}

TEST_F(posting, a_large_body_arrives_whole) {
    scripted_receiver receiver(script().answer(200));
    std::string body(3'000'000, 'x');
    body.front() = '{';
    body.back() = '}';
    EXPECT_TRUE(post(receiver.url(), {.body = body}).succeeded());
    EXPECT_EQ(receiver.requests().front().body, body);
}

TEST_F(posting, every_2xx_and_nothing_else_is_delivered) {
    for (int const status : {200, 201, 202, 204, 299, 300, 304, 400, 404, 410, 429, 500, 503, 599}) {
        scripted_receiver receiver(script().answer(status, status == 204 || status == 304 ? "" : "body"));
        auto const r = post(receiver.url());
        bool const success = status < 300;
        EXPECT_EQ(r.status, status);
        EXPECT_EQ(r.error, success ? error_class::none : error_class::http_status) << status;
        EXPECT_EQ(r.message.empty(), success) << r.message;
    }
}

TEST_F(posting, a_redirect_is_a_failure_and_is_not_followed) {
    scripted_receiver elsewhere(script().answer(200));
    scripted_receiver receiver(script().answer(307, "", "Location: " + elsewhere.url() + "\r\n"));
    auto const r = post(receiver.url());
    EXPECT_EQ(r.error, error_class::http_status);
    EXPECT_EQ(r.status, 307);
    EXPECT_NE(r.response_headers.find("Location: " + elsewhere.url()), std::string::npos);
    EXPECT_EQ(elsewhere.connections(), 0);
}

TEST_F(posting, retry_after_counts_on_429_and_503_only) {
    for (int const status : {429, 503, 500, 200}) {
        scripted_receiver receiver(script().answer(status, "", "Retry-After: 120\r\n"));
        auto const r = post(receiver.url());
        if (status == 429 || status == 503)
            EXPECT_EQ(r.retry_after, 120s) << status;
        else
            EXPECT_FALSE(r.retry_after) << status;
    }
}

TEST_F(posting, a_closed_port_is_refused) {
    closed_port const nobody;
    auto const r = post("http://127.0.0.1:" + std::to_string(nobody.port()) + "/");
    EXPECT_EQ(r.error, error_class::connect_refused);
    EXPECT_EQ(r.message, "The connection to 127.0.0.1:" + std::to_string(nobody.port()) +
                             " was refused. Is the server running and the port open?");
    EXPECT_EQ(r.status, 0);
    EXPECT_EQ(r.remote_address, "");
}

TEST_F(posting, an_address_without_a_route_is_a_connect_failure) {
    EXPECT_EQ(post("http://127.255.255.255:8080/").error, error_class::connect_failure);
}

TEST_F(posting, a_port_that_never_accepts_times_out_at_the_connect_timeout) {
    config.connect_timeout = 200ms;
    black_hole const nowhere;
    auto const r = post("http://127.0.0.1:" + std::to_string(nowhere.port()) + "/");
    EXPECT_EQ(r.error, error_class::connect_timeout);
    EXPECT_GE(r.duration, 180ms);
    EXPECT_LT(r.duration, 2s);
}

TEST_F(posting, a_connect_never_outlasts_the_deadline) {
    black_hole const nowhere;
    auto const r = post("http://127.0.0.1:" + std::to_string(nowhere.port()) + "/", {.within = 200ms});
    EXPECT_EQ(r.error, error_class::connect_timeout);
    EXPECT_GE(r.duration, 180ms);
    EXPECT_LT(r.duration, 2s);
}

TEST_F(posting, a_receiver_that_hangs_times_out_at_the_deadline) {
    for (auto const& what : {script().hang(), script().read_request().hang()}) {
        scripted_receiver receiver(what);
        auto const r = post(receiver.url(), {.within = 300ms});
        EXPECT_EQ(r.error, error_class::timeout);
        EXPECT_GE(r.duration, 280ms);
        EXPECT_LT(r.duration, 2s);
        EXPECT_TRUE(receiver.wait_until_closed());
    }
}

TEST_F(posting, a_receiver_that_does_not_read_times_out_at_the_deadline) {
    scripted_receiver receiver(script().pause(10s));
    auto const r = post(receiver.url(), {.within = 300ms, .body = std::string(20'000'000, 'x')});
    EXPECT_EQ(r.error, error_class::timeout);
    EXPECT_GE(r.duration, 280ms);
    EXPECT_LT(r.duration, 2s);
}

TEST_F(posting, headers_one_byte_at_a_time_do_not_move_the_deadline) {
    scripted_receiver receiver(
        script().read_request().trickle("HTTP/1.1 200 OK\r\nX: " + std::string(5000, 'x'), 20ms));
    auto const r = post(receiver.url(), {.within = 400ms});
    EXPECT_EQ(r.error, error_class::timeout);
    EXPECT_NE(r.message.find("began to answer"), std::string::npos);
    EXPECT_GE(r.duration, 380ms);
    EXPECT_LT(r.duration, 2s);
}

TEST_F(posting, a_body_one_byte_at_a_time_is_cut_at_the_deadline_and_the_2xx_stands) {
    scripted_receiver receiver(script()
                                   .read_request()
                                   .send("HTTP/1.1 200 OK\r\nContent-Length: 4000\r\n\r\n")
                                   .trickle(std::string(4000, 'x'), 20ms));
    auto const r = post(receiver.url(), {.within = 400ms});
    EXPECT_TRUE(r.succeeded());
    EXPECT_GT(r.response_body.size(), 0U);
    EXPECT_LT(r.response_body.size(), 4000U);
    EXPECT_LT(r.duration, 2s);
}

TEST_F(posting, a_passed_deadline_ends_at_once) {
    scripted_receiver receiver(script().answer(200));
    auto const r = post(receiver.url(), {.within = 0ms});
    EXPECT_FALSE(r.succeeded());
    EXPECT_LT(r.duration, 1s);
}

TEST_F(posting, fifty_at_once_are_answered_each_with_its_own) {
    scripted_receiver receiver(script().answer(200).again());
    std::vector<std::string> urls;
    for (int i = 0; i < 50; ++i)
        urls.push_back(receiver.url("/" + std::to_string(i)));
    for (auto const& r : post_all(urls))
        EXPECT_TRUE(r.succeeded()) << r.message;
    EXPECT_EQ(receiver.requests().size(), 50U);
    EXPECT_EQ(client().stats().requests, 50U);
    EXPECT_EQ(client().stats().idle_connections, config.idle_connections_per_origin_max);
}

TEST_F(posting, one_that_hangs_delays_no_other) {
    scripted_receiver hanging(script().hang());
    scripted_receiver receiver(script().answer(200));
    auto const r = post_all({hanging.url(), receiver.url()}, {.within = 800ms});
    EXPECT_EQ(r[0].error, error_class::timeout);
    EXPECT_TRUE(r[1].succeeded());
    EXPECT_LT(r[1].duration, r[0].duration);
}

TEST_F(posting, special_use_addresses_are_refused_unless_config_allows_them) {
    config.allowed_ranges = {};
    scripted_receiver receiver(script().answer(200));
    auto const port = std::to_string(receiver.port());
    std::string message;
    for (std::string const host : {"127.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "10.0.0.1", "169.254.169.254",
                                   "[fd00::1]", "[64:ff9b::7f00:1]", "localhost"}) {
        auto const r = post("http://" + host + ":" + port + "/");
        EXPECT_EQ(r.error, error_class::address_not_allowed) << host;
        EXPECT_EQ(r.remote_address, "");
        if (message.empty())
            message = r.message;
        EXPECT_EQ(r.message, message) << "the text tells refused ranges apart";
    }
    EXPECT_EQ(receiver.connections(), 0);
}

TEST_F(posting, a_mapped_address_is_judged_as_the_ipv4_address_that_it_is) {
    config.allowed_ranges = {"::/0"};
    EXPECT_EQ(post("http://[::ffff:127.0.0.1]:8080/").error, error_class::address_not_allowed);
}

TEST_F(posting, proxy_variables_are_ignored) {
    scripted_receiver proxy(script().answer(502));
    scripted_receiver receiver(script().answer(200));
    ::setenv("http_proxy", proxy.url().c_str(), 1);
    ::setenv("ALL_PROXY", proxy.url().c_str(), 1);
    EXPECT_EQ(post(receiver.url()).status, 200);
    ::unsetenv("http_proxy");
    ::unsetenv("ALL_PROXY");
    EXPECT_EQ(proxy.connections(), 0);
}

} // namespace
} // namespace klen::webhooks::egress
