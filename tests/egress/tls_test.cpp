// TLS: who is trusted, what is said when not, and sessions that are resumed.
#include "egress/client_fixture.hpp"

#include <boost/asio/write.hpp>

#include <openssl/ssl.h>

#include <array>

namespace klen::webhooks::egress {
namespace {

class tls : public client_test {
  protected:
    tls() { config.ca_file = ca.file(); }

    static scripted_receiver::options with(testing::tls_identity identity) {
        scripted_receiver::options out;
        out.identity = std::move(identity);
        return out;
    }

    test_ca ca;
};

TEST_F(tls, a_certificate_for_the_host_is_accepted) {
    scripted_receiver receiver(script().answer(200).again(), with(ca.issue()));
    auto const r = post(receiver.url("/hook", "localhost"));
    EXPECT_TRUE(r.succeeded()) << r.message;
    EXPECT_EQ(r.response_body, "ok");
    EXPECT_EQ(receiver.requests().front().body, R"({"event_type":"call.ended"})");
    EXPECT_TRUE(post(receiver.url("/hook", "localhost")).connection_reused);
}

TEST_F(tls, a_certificate_for_the_address_is_accepted) {
    scripted_receiver receiver(script().answer(200), with(ca.issue({.names = {}, .addresses = {"127.0.0.1"}})));
    EXPECT_TRUE(post(receiver.url()).succeeded());
}

// RFC 6066 §3. Many receivers share an address, and choose their certificate by it.
TEST_F(tls, the_server_is_asked_for_by_the_name_in_the_url_and_never_by_an_address) {
    scripted_receiver receiver(script().answer(200),
                               with(ca.issue({.names = {"localhost"}, .addresses = {"127.0.0.1"}})));
    ASSERT_TRUE(post(receiver.url("/hook", "localhost")).succeeded());
    ASSERT_TRUE(post(receiver.url("/hook", "127.0.0.1")).succeeded());
    ASSERT_EQ(receiver.requests().size(), 2U);
    EXPECT_EQ(receiver.requests()[0].server_name, "localhost");
    EXPECT_EQ(receiver.requests()[1].server_name, "");
}

TEST_F(tls, a_large_body_arrives_whole) {
    scripted_receiver receiver(script().answer(200), with(ca.issue()));
    std::string const body(3'000'000, 'x');
    EXPECT_TRUE(post(receiver.url(), {.body = body}).succeeded());
    EXPECT_EQ(receiver.requests().front().body, body);
}

TEST_F(tls, each_bad_certificate_is_told_apart) {
    test_ca const other;
    struct row {
        testing::tls_identity identity;
        std::string host;
        std::string expected;
    };
    for (auto const& [identity, host, expected] : std::vector<row>{
             {testing::self_signed(), "localhost", "self-signed"},
             {ca.issue({.valid_from = -48h, .valid_until = -24h}), "localhost", "expired"},
             {ca.issue({.valid_from = 24h, .valid_until = 48h}), "localhost", "not valid yet"},
             {ca.issue({.names = {"example.com"}}), "localhost", "host name mismatch"},
             {ca.issue({.names = {"localhost"}, .addresses = {"127.0.0.9"}}), "127.0.0.1", "IP address mismatch"},
             {other.issue(), "localhost", "unknown authority"},
         }) {
        scripted_receiver receiver(script().answer(200), with(identity));
        auto const r = post(receiver.url("/", host));
        EXPECT_EQ(r.error, error_class::tls_failure) << expected;
        EXPECT_NE(r.message.find(expected), std::string::npos) << r.message;
        EXPECT_NE(r.message.find(host), std::string::npos) << r.message;
        EXPECT_TRUE(receiver.requests().empty());
        EXPECT_FALSE(r.remote_address.empty());
    }
}

TEST_F(tls, old_protocol_versions_are_refused) {
    for (int const version : {TLS1_VERSION, TLS1_1_VERSION}) {
        auto options = with(ca.issue());
        options.tls_version_max = version;
        scripted_receiver receiver(script().answer(200), options);
        auto const r = post(receiver.url());
        EXPECT_EQ(r.error, error_class::tls_failure);
        EXPECT_NE(r.message.find("TLS 1.2 or later"), std::string::npos) << r.message;
    }
}

TEST_F(tls, version_1_2_is_accepted) {
    auto options = with(ca.issue());
    options.tls_version_max = TLS1_2_VERSION;
    scripted_receiver receiver(script().answer(200), options);
    EXPECT_TRUE(post(receiver.url()).succeeded());
}

TEST_F(tls, a_port_that_speaks_no_tls_is_told) {
    scripted_receiver receiver(script().read(1).send("HTTP/1.1 400 Bad Request\r\n\r\n"));
    auto const r = post("https://127.0.0.1:" + std::to_string(receiver.port()) + "/");
    EXPECT_EQ(r.error, error_class::tls_failure);
    EXPECT_NE(r.message.find("does not speak TLS"), std::string::npos) << r.message;
}

TEST_F(tls, a_close_or_reset_in_the_handshake_is_a_reset) {
    for (auto const& what : {script().read(1).reset(), script().read(1)}) {
        scripted_receiver receiver(what);
        auto const r = post("https://127.0.0.1:" + std::to_string(receiver.port()) + "/");
        EXPECT_EQ(r.error, error_class::connection_reset) << r.message;
        EXPECT_NE(r.message.find("TLS handshake"), std::string::npos);
    }
}

TEST_F(tls, a_hang_in_the_handshake_times_out_at_the_deadline) {
    scripted_receiver receiver(script().hang());
    auto const r = post("https://127.0.0.1:" + std::to_string(receiver.port()) + "/", {.within = 300ms});
    EXPECT_EQ(r.error, error_class::timeout);
    EXPECT_NE(r.message.find("during the TLS handshake"), std::string::npos);
    EXPECT_GE(r.duration, 280ms);
    EXPECT_LT(r.duration, 2s);
}

TEST_F(tls, a_hang_after_the_handshake_times_out_at_the_deadline) {
    scripted_receiver receiver(script().read_request().hang(), with(ca.issue()));
    auto const r = post(receiver.url(), {.within = 400ms});
    EXPECT_EQ(r.error, error_class::timeout);
    EXPECT_LT(r.duration, 2s);
    EXPECT_TRUE(receiver.wait_until_closed());
}

TEST_F(tls, an_end_without_close_notify_leaves_the_verdict) {
    for (std::string const answer :
         {"HTTP/1.1 200 OK\r\n\r\nbody", "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nbody"}) {
        auto options = with(ca.issue());
        options.without_close_notify = true;
        scripted_receiver receiver(script().read_request().send(answer), options);
        auto const r = post(receiver.url());
        EXPECT_TRUE(r.succeeded()) << r.message;
        EXPECT_EQ(r.response_body, "body");
    }
}

TEST_F(tls, an_end_before_the_header_is_a_reset) {
    for (bool const cut : {true, false}) {
        auto options = with(ca.issue());
        options.without_close_notify = cut;
        scripted_receiver receiver(script().read_request().send("HTTP/1.1 200 OK\r\n"), options);
        EXPECT_EQ(post(receiver.url()).error, error_class::connection_reset);
    }
}

TEST_F(tls, an_early_answer_counts_here_too) {
    scripted_receiver receiver(
        script().read(100).send("HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\nConnection: close\r\n\r\nbig").hang(),
        with(ca.issue()));
    auto const r = post(receiver.url(), {.body = std::string(20'000'000, 'x')});
    EXPECT_EQ(r.status, 413) << r.message;
    EXPECT_LT(r.duration, 2s);
}

TEST_F(tls, a_connection_closed_while_idle_is_noticed_or_repeated) {
    scripted_receiver receiver({script().answer(200), script().answer(202)}, with(ca.issue()));
    EXPECT_EQ(post(receiver.url()).status, 200);
    EXPECT_TRUE(receiver.wait_until_closed());
    EXPECT_EQ(post(receiver.url()).status, 202);
}

TEST_F(tls, sessions_are_resumed_by_origin_and_account) {
    for (int const version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
        auto options = with(ca.issue());
        options.tls_version_max = version;
        scripted_receiver receiver(script().answer(200, "ok", "Connection: close\r\n"), options);
        auto const before = client().stats().tls_sessions_resumed;
        for (int i = 0; i < 4; ++i)
            EXPECT_TRUE(post(receiver.url()).succeeded());
        EXPECT_EQ(client().stats().tls_sessions_resumed, before + 3) << version;
        EXPECT_TRUE(post(receiver.url(), {.account = "account-2"}).succeeded());
        EXPECT_EQ(client().stats().tls_sessions_resumed, before + 3) << version;
    }
}

TEST_F(tls, a_server_that_resumes_nothing_is_served_all_the_same) {
    auto options = with(ca.issue());
    options.refuses_sessions = true;
    scripted_receiver receiver(script().answer(200, "ok", "Connection: close\r\n"), options);
    for (int i = 0; i < 3; ++i)
        EXPECT_TRUE(post(receiver.url()).succeeded());
    EXPECT_EQ(client().stats().tls_sessions_resumed, 0U);
}

/// Answers no request, but changes its keys as fast as it can, for as long as somebody reads that.
void change_keys(SSL* with) {
    while (SSL_key_update(with, SSL_KEY_UPDATE_NOT_REQUESTED) == 1 && SSL_do_handshake(with) == 1)
        ;
}

TEST_F(tls, a_flood_of_what_is_no_answer_holds_up_nobody) {
    lone_receiver const flood(over_tls(ca.issue(), change_keys));
    scripted_receiver healthy(script().answer(200).again(), with(ca.issue()));
    auto const both = post_all({flood.url(), healthy.url()}, {.within = 20s});
    EXPECT_EQ(both[0].error, error_class::tls_failure) << both[0].message;
    EXPECT_LT(both[0].duration, 10s);
    EXPECT_TRUE(both[1].succeeded()) << both[1].message;
}

/// Reads what the client says first, and then sends it empty handshake messages, in the clear, for as long as somebody
/// takes them.
void send_empty_messages(asio::ip::tcp::socket& to) {
    std::array<char, 4096> hello;
    to.read_some(asio::buffer(hello));
    std::string record("\x16\x03\x03\x40\x00", 5); // 16,384 bytes of HelloRequest (RFC 5246, section 7.4.1.1)
    record.append(16384, '\0');
    boost::system::error_code gone;
    while (!gone)
        asio::write(to, asio::buffer(record), gone);
}

TEST_F(tls, a_handshake_without_end_holds_up_nobody) {
    lone_receiver const flood(send_empty_messages);
    scripted_receiver healthy(script().answer(200).again(), with(ca.issue()));
    auto const both = post_all({flood.url(), healthy.url()}, {.within = 20s});
    EXPECT_EQ(both[0].error, error_class::tls_failure) << both[0].message;
    EXPECT_LT(both[0].duration, 10s);
    EXPECT_TRUE(both[1].succeeded()) << both[1].message;
}

TEST_F(tls, a_server_that_wants_to_renegotiate_is_refused) {
    auto const renegotiate = [](SSL* with) {
        EXPECT_EQ(SSL_renegotiate(with), 1);
        SSL_do_handshake(with); // sends the request
        char byte = 0;
        while (SSL_read(with, &byte, 1) == 1)
            ;
    };
    lone_receiver const receiver(over_tls(ca.issue(), renegotiate, TLS1_2_VERSION));
    auto const r = post(receiver.url());
    EXPECT_EQ(r.error, error_class::tls_failure) << r.message;
}

TEST_F(tls, sessions_that_come_late_do_no_harm) {
    scripted_receiver receiver(script().answer(200).again(), with(ca.issue()));
    for (int i = 0; i < 300; ++i)
        ASSERT_TRUE(post(receiver.url()).succeeded()) << i;
    EXPECT_EQ(client().stats().connections_opened, 1U);
}

TEST_F(tls, twenty_at_once) {
    scripted_receiver receiver(script().answer(200).again(), with(ca.issue()));
    std::vector<std::string> const urls(20, receiver.url());
    for (auto const& r : post_all(urls))
        EXPECT_TRUE(r.succeeded()) << r.message;
}

TEST(tls_context, a_missing_ca_file_is_an_error_that_names_it) {
    egress_config config;
    config.ca_file = "/nonexistent/ca.pem";
    auto const made = make_client_context(config, {});
    ASSERT_FALSE(made);
    EXPECT_NE(made.error().message.find("/nonexistent/ca.pem"), std::string::npos);
}

} // namespace
} // namespace klen::webhooks::egress
