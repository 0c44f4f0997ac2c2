#pragma once

#include "api/raw_client.hpp"

#include <openssl/err.h>
#include <openssl/ssl.h>

#include <csignal>
#include <memory>
#include <string>
#include <vector>

namespace klen::webhooks::testing_support {

using session_ptr = std::shared_ptr<SSL_SESSION>;

struct tls_client_options {
    std::string ca_file{};   ///< empty: whatever certificate
    int version_max = 0;     ///< TLS1_2_VERSION, …; 0: the newest
    std::string protocols{}; ///< ALPN, each with its length before it
    session_ptr resume{};
};

/// A blocking client over TLS. The handshake is made at once: see `connected`.
class tls_client : public raw_client {
  public:
    explicit tls_client(std::uint16_t port, tls_client_options const& how = {})
        : raw_client(port), context_(SSL_CTX_new(TLS_client_method()), SSL_CTX_free) {
        std::signal(SIGPIPE, SIG_IGN); // OpenSSL writes to a socket as to a file
        auto* const context = context_.get();
        SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
        if (how.version_max != 0 && how.version_max < TLS1_2_VERSION)
            SSL_CTX_set_security_level(context, 0); // otherwise it would not even ask for what it shall be refused
        SSL_CTX_set_min_proto_version(context, 0);
        SSL_CTX_set_max_proto_version(context, how.version_max);
        if (!how.ca_file.empty()) {
            EXPECT_EQ(SSL_CTX_load_verify_locations(context, how.ca_file.c_str(), nullptr), 1);
            SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nullptr);
        }
        auto const* const protocols = reinterpret_cast<unsigned char const*>(how.protocols.data());
        if (!how.protocols.empty())
            SSL_CTX_set_alpn_protos(context, protocols, static_cast<unsigned>(how.protocols.size()));
        ssl_.reset(SSL_new(context), SSL_free);
        SSL_set_fd(ssl_.get(), native());
        if (how.resume)
            SSL_set_session(ssl_.get(), how.resume.get());
        connected_ = SSL_connect(ssl_.get()) == 1;
        ERR_clear_error();
    }

    bool connected() const { return connected_; }
    SSL* ssl() { return ssl_.get(); }
    bool resumed() { return SSL_session_reused(ssl()) == 1; }
    session_ptr session() { return {SSL_get1_session(ssl()), SSL_SESSION_free}; }
    std::string protocol() {
        unsigned char const* text = nullptr;
        unsigned size = 0;
        SSL_get0_alpn_selected(ssl(), &text, &size);
        return {reinterpret_cast<char const*>(text), size};
    }
    /// Which certificate the server showed.
    std::string certificate() {
        std::shared_ptr<X509> const shown(SSL_get1_peer_certificate(ssl()), X509_free);
        std::vector<unsigned char> hash(32);
        X509_digest(shown.get(), EVP_sha256(), hash.data(), nullptr);
        return {hash.begin(), hash.end()};
    }
    /// The server said goodbye in TLS, so that nothing can have been cut off.
    bool goodbye() { return (SSL_get_shutdown(ssl()) & SSL_RECEIVED_SHUTDOWN) != 0; }

  private:
    ssize_t write_bytes(std::string_view bytes) override {
        return SSL_write(ssl(), bytes.data(), static_cast<int>(bytes.size()));
    }
    ssize_t read_bytes(std::span<char> into) override {
        int const n = SSL_read(ssl(), into.data(), static_cast<int>(into.size()));
        ERR_clear_error();
        return n;
    }

    std::shared_ptr<SSL_CTX> context_;
    std::shared_ptr<SSL> ssl_;
    bool connected_ = false;
};

} // namespace klen::webhooks::testing_support
