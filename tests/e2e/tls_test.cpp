// The shipped daemon behind TLS: certificates are replaced while it runs.
#include "api/tls_client.hpp"
#include "e2e/daemon.hpp"
#include "support/test_tls.hpp"

#include <gtest/gtest.h>

#include <csignal>

namespace klen::webhooks::e2e {
namespace {

using testing_support::tls_client;

struct tls : ::testing::Test {
    void store(klen::webhooks::testing::tls_identity const& identity) const {
        write_file(certificate, identity.certificate);
        write_file(key, identity.key);
    }
    void start() {
        it = std::make_unique<daemon>(daemon::settings{{"KLEN_WEBHOOKS_SERVER_TLS_CERTIFICATE_FILE", certificate},
                                                       {"KLEN_WEBHOOKS_SERVER_TLS_KEY_FILE", key}});
        it->start();
    }
    std::unique_ptr<tls_client> connect() const {
        return std::make_unique<tls_client>(it->port(), testing_support::tls_client_options{.ca_file = ca.file()});
    }
    int whoami(tls_client& over) const {
        return over.exchange("GET /api/v1/whoami HTTP/1.1\r\nHost: localhost\r\nX-API-Key: " + it->key() + "\r\n\r\n")
            .status;
    }
    /// SIGHUP; true when the log says so.
    bool reload(std::string const& said) const {
        auto const before = it->log().size();
        it->process().signal(SIGHUP);
        return eventually([&] { return it->log().find(said, before) != std::string::npos; });
    }

    klen::webhooks::testing::test_ca ca;
    temporary_folder folder;
    std::string const certificate = folder / "certificate.pem";
    std::string const key = folder / "key.pem";
    std::unique_ptr<daemon> it;
};

TEST_F(tls, sighup_takes_a_new_certificate_and_old_connections_go_on) {
    store(ca.issue());
    start();
    auto const old = connect();
    ASSERT_TRUE(old->connected());
    EXPECT_EQ(whoami(*old), 200);
    store(ca.issue());
    EXPECT_EQ(connect()->certificate(), old->certificate()) << "nobody has asked for the new one yet";
    ASSERT_TRUE(reload("the TLS certificate was read again"));
    auto const fresh = connect();
    ASSERT_TRUE(fresh->connected());
    EXPECT_NE(fresh->certificate(), old->certificate());
    EXPECT_EQ(whoami(*fresh), 200);
    EXPECT_EQ(whoami(*old), 200);
    EXPECT_EQ(it->stop(), 0);
    EXPECT_EQ(it->log().find("PRIVATE KEY"), std::string::npos);
}

TEST_F(tls, sighup_with_a_broken_certificate_keeps_the_one_before_and_says_so) {
    store(ca.issue());
    start();
    auto const before = connect();
    ASSERT_TRUE(before->connected());
    for (std::string const& broken : {std::string("nonsense"), ca.issue().certificate, std::string()}) {
        write_file(certificate, broken); // the second is one that the key does not belong to
        ASSERT_TRUE(reload("the TLS certificate was not read again")) << broken;
        EXPECT_EQ(it->log_lines().back().at("log.level"), "error");
        auto const after = connect();
        ASSERT_TRUE(after->connected()) << broken;
        EXPECT_EQ(after->certificate(), before->certificate());
        EXPECT_EQ(whoami(*after), 200);
    }
    EXPECT_EQ(whoami(*before), 200);
    store(ca.issue());
    ASSERT_TRUE(reload("the TLS certificate was read again")) << "a mended one is taken";
    EXPECT_NE(connect()->certificate(), before->certificate());
}

TEST_F(tls, a_command_says_why_it_does_not_believe_the_daemon) {
    store(ca.issue({.addresses = {}}));
    start();
    klen::webhooks::testing::test_ca const other;
    auto const whoami = [this](std::string const& host, std::string const& authorities) {
        return run_command({"whoami", "--url", "https://" + host + ":" + std::to_string(it->port())},
                           {{"SSL_CERT_FILE", authorities}, {"KLEN_WEBHOOKS_KEY", it->key()}});
    };
    auto const believed = whoami("localhost", ca.file());
    EXPECT_EQ(believed.code, 0) << believed.err;
    auto const unknown = whoami("localhost", other.file());
    EXPECT_EQ(unknown.code, 4);
    EXPECT_NE(unknown.err.find("is not accepted: "), std::string::npos) << unknown.err;
    EXPECT_NE(unknown.err.find(other.file() + " (SSL_CERT_FILE)"), std::string::npos) << unknown.err;
    auto const elsewhere = whoami("127.0.0.1", ca.file());
    EXPECT_EQ(elsewhere.code, 4);
    EXPECT_NE(elsewhere.err.find("the certificate is not for 127.0.0.1"), std::string::npos) << elsewhere.err;
}

TEST_F(tls, a_start_with_a_certificate_that_cannot_be_used_ends_with_the_reason) {
    store({.certificate = ca.issue().certificate, .key = ca.issue().key});
    daemon refused(daemon::settings{{"KLEN_WEBHOOKS_SERVER_TLS_CERTIFICATE_FILE", certificate},
                                    {"KLEN_WEBHOOKS_SERVER_TLS_KEY_FILE", key}});
    auto const code = refused.launch().wait(60s);
    ASSERT_TRUE(code);
    EXPECT_EQ(*code, 3);
    auto const told = refused.process().errors();
    EXPECT_NE(told.find("does not belong to the certificate"), std::string::npos) << told;
}

} // namespace
} // namespace klen::webhooks::e2e
