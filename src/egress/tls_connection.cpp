#include "egress/exchange.hpp"
#include "egress/tls_stream.hpp"
#include "egress/tls_support.hpp"

#include <openssl/ssl.h>
#include <openssl/x509v3.h>

namespace klen::webhooks::egress {

namespace {

class tls_connection final : public connection {
  public:
    tls_connection(executor const& ex, std::shared_ptr<asio::ssl::context> context,
                   std::shared_ptr<tls_session_cache> sessions, tls_peer to)
        : connection(ex), context_(std::move(context)), sessions_(std::move(sessions)), to_(std::move(to)),
          stream_(socket_, context_->native_handle()) {}

    ~tls_connection() override { mark_shut_down(); }

    task<handshake_outcome> handshake(steady_time until) override;
    task<error_code> exchange(std::string head, std::string_view body, response_reader* reader,
                              steady_time deadline) override {
        head_ = std::move(head);
        return exchange_over(&stream_, body, reader, deadline);
    }
    bool is_quiet() override;
    void rest() override {
        connection::rest();
        stream_.release_buffers();
    }
    void close() override {
        mark_shut_down();
        connection::close();
    }

  private:
    bool prepare();
    /// OpenSSL takes a session whose connection was freed without a shutdown for broken, and resumes it no more.
    /// A real shutdown waits for the peer, which may let us wait.
    void mark_shut_down() {
        if (auto* const ssl = stream_.native_handle())
            SSL_set_shutdown(ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    }

    std::shared_ptr<asio::ssl::context> context_;
    std::shared_ptr<tls_session_cache> sessions_;
    tls_peer to_;
    tls_stream stream_;
};

/// Whom the handshake is with. False: OpenSSL has no memory, or the host is not usable as a name.
bool tls_connection::prepare() {
    auto* const ssl = stream_.native_handle();
    if (ssl == nullptr)
        return false;
    auto* const verification = SSL_get0_param(ssl);
    if (to_.host_is_address) {
        if (X509_VERIFY_PARAM_set1_ip_asc(verification, to_.host.c_str()) != 1)
            return false;
    } else {
        X509_VERIFY_PARAM_set_hostflags(verification, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
        if (X509_VERIFY_PARAM_set1_host(verification, to_.host.data(), to_.host.size()) != 1 ||
            SSL_ctrl(ssl, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name, to_.host.data()) != 1)
            return false;
    }
    set_session_sink(ssl, sessions_, to_.session_key);
    if (auto const session = sessions_->take(to_.session_key))
        SSL_set_session(ssl, session.get()); // takes a reference of its own; without it the handshake is a full one
    return true;
}

task<connection::handshake_outcome> tls_connection::handshake(steady_time until) {
    auto const self = shared_from_this();
    handshake_outcome out;
    if (!prepare()) {
        out.error = asio::error::no_memory;
        co_return out;
    }
    arm(until);
    out.error = co_await stream_.handshake();
    disarm();
    if (out.error) {
        if (is_tls_error(out.error))
            out.reason = describe_tls_failure(stream_.native_handle(), out.error, to_.host);
        close();
        co_return out;
    }
    out.resumed = SSL_session_reused(stream_.native_handle()) == 1;
    co_return out;
}

bool tls_connection::is_quiet() {
    // A close_notify may have come with the last response's bytes and wait, unread, inside of OpenSSL.
    return stream_.is_quiet() && connection::is_quiet();
}

} // namespace

connection_ptr make_tls_connection(executor const& ex, std::shared_ptr<asio::ssl::context> context,
                                   std::shared_ptr<tls_session_cache> sessions, tls_peer to) {
    return std::make_shared<tls_connection>(ex, std::move(context), std::move(sessions), std::move(to));
}

} // namespace klen::webhooks::egress
