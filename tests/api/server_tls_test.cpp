// The same server behind TLS.
#include "api/gate.hpp"
#include "api/running_server.hpp"
#include "api/tls_client.hpp"
#include "api/tls_context.hpp"
#include "support/test_tls.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

namespace klen::webhooks {
namespace {

using namespace testing_support;
using klen::webhooks::testing::self_signed;
using klen::webhooks::testing::test_ca;
using klen::webhooks::testing::tls_identity;
using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr char const* hello = "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n";

struct server_tls : ::testing::Test {
    server_tls() {
        folder = (std::filesystem::temp_directory_path() / "klen-tls-XXXXXX").string();
        EXPECT_NE(::mkdtemp(folder.data()), nullptr);
        config.tls_certificate_file = folder + "/certificate.pem";
        config.tls_key_file = folder + "/key.pem";
        store(ca.issue());
    }
    ~server_tls() override { std::filesystem::remove_all(folder); }

    void store(tls_identity const& identity) const {
        std::ofstream(config.tls_certificate_file) << identity.certificate;
        std::ofstream(config.tls_key_file) << identity.key;
    }

    /// Why such files are refused.
    std::string refusal() const {
        asio::io_context context;
        fixed_keys const keys;
        auto const made = api::server::create({&context}, config, "127.0.0.1", 0, sample_routes(), keys);
        return made ? "" : made.error().message;
    }

    test_ca ca;
    std::string folder;
    server_config config = running_server::quick_limits();
};

TEST_F(server_tls, speaks_1_2_and_1_3_with_a_certificate_that_verifies) {
    running_server server(sample_routes(), config);
    for (int const version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
        tls_client client(server.port(), {.ca_file = ca.file(), .version_max = version});
        ASSERT_TRUE(client.connected());
        EXPECT_EQ(SSL_version(client.ssl()), version);
        EXPECT_EQ(SSL_CIPHER_is_aead(SSL_get_current_cipher(client.ssl())), 1);
        for (int i = 0; i < 3; ++i)
            EXPECT_EQ(client.exchange(hello).body, "\"hello\"");
    }
    EXPECT_EQ(server.stats().requests, 6U);
}

TEST_F(server_tls, older_versions_are_refused) {
    running_server server(sample_routes(), config);
    for (int const version : {TLS1_VERSION, TLS1_1_VERSION}) {
        tls_client const client(server.port(), {.version_max = version});
        EXPECT_FALSE(client.connected());
    }
    tls_client modern(server.port());
    EXPECT_EQ(modern.exchange(hello).status, 200);
}

TEST_F(server_tls, speaks_http_1_1_to_those_who_can_choose) {
    running_server server(sample_routes(), config);
    tls_client both(server.port(), {.protocols = "\x02h2\x08http/1.1"});
    ASSERT_TRUE(both.connected());
    EXPECT_EQ(both.protocol(), "http/1.1");
    EXPECT_EQ(both.exchange(hello).status, 200);
    tls_client const only_h2(server.port(), {.protocols = "\x02h2"});
    EXPECT_FALSE(only_h2.connected());
    tls_client silent(server.port());
    EXPECT_EQ(silent.protocol(), "");
    EXPECT_EQ(silent.exchange(hello).status, 200);
}

TEST_F(server_tls, large_and_pipelined_requests_pass) {
    running_server server(sample_routes(), config);
    tls_client client(server.port());
    std::string const big(150'000, 'x');
    EXPECT_EQ(client.exchange(post_echo(big)).body, big);
    std::string all;
    for (int i = 0; i < 100; ++i)
        all += i % 2 == 0 ? hello : post_echo(std::to_string(i));
    client.send(all);
    for (int i = 0; i < 100; ++i)
        ASSERT_EQ(client.receive().body, i % 2 == 0 ? "\"hello\"" : std::to_string(i));
}

TEST_F(server_tls, a_request_may_come_byte_by_byte_in_records_of_its_own) {
    running_server server(sample_routes(), config);
    tls_client client(server.port());
    for (char const c : post_echo("[1,2]") + hello)
        client.send(std::string_view(&c, 1));
    EXPECT_EQ(client.receive().body, "[1,2]");
    EXPECT_EQ(client.receive().body, "\"hello\"");
}

TEST_F(server_tls, a_session_is_resumed) {
    running_server server(sample_routes(), config);
    for (int const version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
        tls_client first(server.port(), {.version_max = version});
        EXPECT_FALSE(first.resumed());
        EXPECT_EQ(first.exchange(hello).status, 200); // TLS 1.3 sends its tickets after the handshake
        tls_client second(server.port(), {.version_max = version, .resume = first.session()});
        EXPECT_TRUE(second.resumed());
        EXPECT_EQ(second.exchange(hello).status, 200);
    }
}

TEST_F(server_tls, nothing_is_negotiated_twice) {
    running_server server(sample_routes(), config);
    tls_client client(server.port(), {.version_max = TLS1_2_VERSION});
    ASSERT_TRUE(client.connected());
    SSL_renegotiate(client.ssl());
    EXPECT_NE(SSL_do_handshake(client.ssl()), 1);
}

TEST_F(server_tls, who_speaks_plain_http_is_told) {
    running_server server(sample_routes(), config);
    raw_client client(server.port());
    auto const got = client.exchange(hello);
    EXPECT_EQ(got.status, 400);
    EXPECT_THAT(got.body, AllOf(HasSubstr("validation_error"), HasSubstr("https://")));
    EXPECT_TRUE(got.header("X-Request-ID"));
    EXPECT_EQ(got.header("Connection"), "close");
    client.shut_down_sending();
    EXPECT_TRUE(client.ended());
    raw_client nonsense(server.port());
    nonsense.send("\x01\x02\x03 nonsense, and enough of it to be taken for a record's head\r\n");
    EXPECT_EQ(nonsense.receive().status, 0);
}

TEST_F(server_tls, a_handshake_that_does_not_come_is_not_waited_for) {
    config.header_timeout = milliseconds(100);
    running_server server(sample_routes(), config);
    raw_client silent(server.port());
    raw_client slow(server.port());
    slow.send("\x16\x03\x01\x02");
    EXPECT_TRUE(silent.ended());
    EXPECT_EQ(slow.receive().status, 0);
    while (server.stats().connections > 0)
        std::this_thread::yield();
    EXPECT_EQ(server.stats().requests, 0U);
}

TEST_F(server_tls, slow_requests_and_idle_connections_time_out) {
    config.body_timeout = config.idle_timeout = milliseconds(100);
    running_server server(sample_routes(), config);
    tls_client slow(server.port());
    EXPECT_EQ(slow.exchange("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
                            "Content-Length: 10\r\n\r\n123")
                  .status,
              408);
    EXPECT_TRUE(slow.ended());
    tls_client idle(server.port());
    EXPECT_TRUE(idle.ended());
    EXPECT_TRUE(idle.goodbye());
}

TEST_F(server_tls, a_client_that_vanishes_costs_nothing) {
    running_server server(sample_routes(), config);
    for (char const* bytes : {"", "GET /he",
                              "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
                              "Content-Length: 10\r\n\r\n123"}) {
        tls_client client(server.port());
        client.send(bytes); // and no close_notify follows
    }
    while (server.stats().connections > 0)
        std::this_thread::yield();
    EXPECT_EQ(server.stats().requests, 0U);
    EXPECT_EQ(server.stats().body_bytes, 0U);
}

TEST_F(server_tls, an_answer_is_seen_to_be_whole) {
    running_server server(sample_routes(), config);
    tls_client kept(server.port());
    EXPECT_EQ(kept.exchange("GET /hello HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").status, 200);
    EXPECT_TRUE(kept.ended());
    EXPECT_TRUE(kept.goodbye());
    tls_client refused(server.port());
    refused.send(post_echo(std::string(500'000, 'x')));
    EXPECT_EQ(refused.receive().status, 413);
    EXPECT_TRUE(refused.ended());
    EXPECT_TRUE(refused.goodbye());
}

TEST_F(server_tls, a_client_that_does_not_say_goodbye_is_not_waited_for) {
    running_server server(sample_routes(), config);
    tls_client idle(server.port());
    EXPECT_EQ(idle.exchange(hello).status, 200);
    raw_client before_its_handshake(server.port());
    EXPECT_LT(server.stop(seconds(10)), milliseconds(900)); // the idle client reads nothing meanwhile
    EXPECT_TRUE(idle.ended());
    EXPECT_TRUE(idle.goodbye());
}

TEST_F(server_tls, connections_over_the_limit_are_closed) {
    config.connections_max = 1;
    gate g;
    running_server server(g.routes(), config, 1);
    tls_client first(server.port());
    first.send("GET /wait HTTP/1.1\r\nHost: a\r\n\r\n");
    g.entered.get_future().wait();
    tls_client const second(server.port());
    EXPECT_FALSE(second.connected());
    EXPECT_EQ(server.stats().refused_connections, 1U);
    g.release.set()(true);
    EXPECT_EQ(first.receive().status, 200);
    raw_client silent(server.port()); // takes the place of the first, which waits
    EXPECT_TRUE(first.ended());
    tls_client third(server.port());
    EXPECT_EQ(third.exchange(hello).status, 200);
    EXPECT_TRUE(silent.ended());
}

TEST_F(server_tls, a_new_certificate_is_for_new_connections) {
    running_server server(sample_routes(), config);
    tls_client old(server.port(), {.ca_file = ca.file()});
    auto const first = old.certificate();
    store(ca.issue());
    tls_client before(server.port(), {.ca_file = ca.file()});
    EXPECT_EQ(before.certificate(), first); // nobody has asked for it yet
    server.reload_tls();
    tls_client fresh(server.port(), {.ca_file = ca.file(), .resume = old.session()});
    ASSERT_TRUE(fresh.connected());
    EXPECT_NE(fresh.certificate(), first);
    EXPECT_EQ(fresh.exchange(hello).status, 200);
    EXPECT_EQ(old.exchange(hello).status, 200);
}

TEST_F(server_tls, a_reload_that_fails_changes_nothing) {
    running_server server(sample_routes(), config);
    tls_client const before(server.port(), {.ca_file = ca.file()});
    store({.certificate = ca.issue().certificate, .key = ca.issue().key}); // they do not belong together
    server.reload_tls();
    std::filesystem::remove(config.tls_certificate_file);
    server.reload_tls();
    tls_client after(server.port(), {.ca_file = ca.file()});
    EXPECT_EQ(after.exchange(hello).status, 200);
}

TEST_F(server_tls, a_reload_disturbs_nobody_who_connects_meanwhile) {
    running_server server(sample_routes(), config);
    std::atomic<bool> done{false};
    std::thread reloads([&] {
        while (!done) {
            server.reload_tls();
            std::this_thread::yield();
        }
    });
    for (int i = 0; i < 30; ++i) {
        tls_client client(server.port(), {.ca_file = ca.file()});
        EXPECT_EQ(client.exchange(hello).status, 200);
    }
    done = true;
    reloads.join();
}

TEST_F(server_tls, files_that_cannot_be_used_are_told_by_name) {
    auto const good = ca.issue();
    EXPECT_EQ(refusal(), "");
    std::filesystem::remove(config.tls_key_file);
    EXPECT_THAT(refusal(), AllOf(HasSubstr(config.tls_key_file), HasSubstr("No such file")));
    store({.certificate = good.certificate, .key = ca.issue().key});
    EXPECT_THAT(refusal(), AllOf(HasSubstr(config.tls_key_file), HasSubstr("does not belong to the certificate")));
    store({.certificate = "nonsense", .key = good.key});
    EXPECT_THAT(refusal(), AllOf(HasSubstr(config.tls_certificate_file), HasSubstr("none in PEM form")));
    store({.certificate = good.certificate, .key = good.certificate});
    EXPECT_THAT(refusal(), AllOf(HasSubstr(config.tls_key_file), HasSubstr("PEM")));
    store({.certificate = good.certificate, .key = "-----BEGIN ENCRYPTED PRIVATE KEY-----\n"});
    EXPECT_THAT(refusal(), AllOf(HasSubstr(config.tls_key_file), HasSubstr("password")));
    store({.certificate = good.certificate + std::string(2'000'000, ' '), .key = good.key});
    EXPECT_THAT(refusal(), AllOf(HasSubstr(config.tls_certificate_file), HasSubstr("too large")));
    config.tls_certificate_file = folder;
    EXPECT_THAT(refusal(), AllOf(HasSubstr(folder), HasSubstr("directory")));
}

TEST_F(server_tls, files_are_tried_without_a_server_and_both_are_told) {
    auto const tried = [this] { return api::try_tls_files(config.tls_certificate_file, config.tls_key_file); };
    store(ca.issue());
    EXPECT_EQ(tried().certificate, "");
    EXPECT_EQ(tried().key, "");
    store({.certificate = ca.issue().certificate, .key = ca.issue().key});
    EXPECT_EQ(tried().certificate, "");
    EXPECT_THAT(tried().key, HasSubstr("does not belong to the certificate"));
    store({.certificate = "x", .key = "y"});
    EXPECT_THAT(tried().certificate, HasSubstr(config.tls_certificate_file));
    EXPECT_THAT(tried().key, HasSubstr(config.tls_key_file));
}

TEST_F(server_tls, a_chain_is_sent_whole) {
    auto const leaf = ca.issue();
    auto const other = self_signed();
    store({.certificate = leaf.certificate + other.certificate, .key = leaf.key});
    running_server server(sample_routes(), config);
    tls_client client(server.port(), {.ca_file = ca.file()});
    ASSERT_TRUE(client.connected());
    EXPECT_EQ(sk_X509_num(SSL_get_peer_cert_chain(client.ssl())), 2);
}

} // namespace
} // namespace klen::webhooks
