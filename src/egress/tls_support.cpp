#include "egress/tls_support.hpp"

#include <boost/asio/ssl/error.hpp>

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>

#include <algorithm>
#include <array>
#include <ctime>

namespace klen::webhooks::egress {

namespace {

constexpr long session_age_max_s = 3'600;

struct session_sink {
    std::weak_ptr<tls_session_cache> sessions;
    std::string key;
};

void free_sink(void*, void* sink, CRYPTO_EX_DATA*, int, long, void*) { delete static_cast<session_sink*>(sink); }

int sink_index() {
    static int const index = SSL_get_ex_new_index(0, nullptr, nullptr, nullptr, free_sink);
    return index;
}

/// Called by OpenSSL for each session or ticket, inside the read that brought it. 1: the reference is ours now.
int on_new_session(SSL* ssl, SSL_SESSION* session) {
    auto const* const sink = static_cast<session_sink const*>(SSL_get_ex_data(ssl, sink_index()));
    auto const sessions = sink == nullptr ? nullptr : sink->sessions.lock();
    if (!sessions)
        return 0;
    sessions->put(sink->key, tls_session_ptr(session, SSL_SESSION_free));
    return 1;
}

std::string describe_verification(long code, std::string const& host) {
    std::string const certificate = "The certificate of " + host;
    switch (code) {
    case X509_V_ERR_CERT_HAS_EXPIRED:
        return certificate + " (or one that it rests on) has expired.";
    case X509_V_ERR_CERT_NOT_YET_VALID:
        return certificate + " is not valid yet.";
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
        return certificate + " is self-signed.";
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
        return certificate + " comes from an authority that is not trusted (self-signed certificate in its chain).";
    case X509_V_ERR_HOSTNAME_MISMATCH:
        return certificate + " is for another host name (host name mismatch).";
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
        return certificate + " is not for this IP address (IP address mismatch).";
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
        return certificate + " comes from an unknown authority, or the server does not send its intermediate "
                             "certificates (unable to get issuer certificate).";
    default:
        return certificate + " is not accepted: " + X509_verify_cert_error_string(code) + ".";
    }
}

} // namespace

void tls_session_cache::put(std::string const& key, tls_session_ptr session) {
    auto& kept = sessions_.renew(key);
    if (kept.size() >= per_key_max)
        kept.erase(kept.begin());
    kept.push_back(std::move(session));
}

tls_session_ptr tls_session_cache::take(std::string const& key) {
    tls_session_ptr out(nullptr, SSL_SESSION_free);
    auto* const kept = sessions_.find(key);
    if (kept == nullptr)
        return out;
    while (!out && !kept->empty()) {
        auto newest = std::move(kept->back());
        kept->pop_back();
        auto const age = static_cast<long>(std::time(nullptr)) - SSL_SESSION_get_time(newest.get());
        if (SSL_SESSION_is_resumable(newest.get()) == 1 && age >= 0 && age < session_age_max_s)
            out = std::move(newest);
    }
    // A ticket of TLS 1.3 should be used once (RFC 8446, appendix C.4), and each connection brings new ones. Before
    // that a session is resumed again and again.
    if (out && SSL_SESSION_get_protocol_version(out.get()) < TLS1_3_VERSION) {
        SSL_SESSION_up_ref(out.get());
        kept->emplace_back(out.get(), SSL_SESSION_free);
    }
    if (kept->empty())
        sessions_.erase(key);
    return out;
}

result<std::shared_ptr<asio::ssl::context>> make_tls_context(std::string const& ca_file) {
    auto context = std::make_shared<asio::ssl::context>(asio::ssl::context::tls_client);
    boost::system::error_code ec;
    if (ca_file.empty())
        context->set_default_verify_paths(ec);
    else
        context->load_verify_file(ca_file, ec);
    if (ec)
        return failure{fault::io, (ca_file.empty() ? "the system's certificates" : "the certificates in " + ca_file) +
                                      " cannot be read: " + ec.message()};
    context->set_verify_mode(asio::ssl::verify_peer);

    auto* const native = context->native_handle();
    SSL_CTX_set_min_proto_version(native, TLS1_2_VERSION);
    SSL_CTX_set_mode(native, SSL_MODE_RELEASE_BUFFERS); // an idle connection needs no 32 KiB of buffers
    // A write would have to read. Hardly any client does it, and TLS 1.3 has none (RFC 8446, section 4.1.2).
    SSL_CTX_set_options(native, SSL_OP_NO_RENEGOTIATION);
    SSL_CTX_set_read_ahead(native, 1); // one read a record, not one for its length and one for it
    // HTTP/1.1 and nothing else, for servers that would rather speak HTTP/2.
    static constexpr std::array<unsigned char, 9> http11{8, 'h', 't', 't', 'p', '/', '1', '.', '1'};
    SSL_CTX_set_alpn_protos(native, http11.data(), static_cast<unsigned>(http11.size()));
    // Sessions are kept by each client for itself: no lock, and none is shared between accounts.
    SSL_CTX_set_session_cache_mode(native, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(native, on_new_session);
    return context;
}

void set_session_sink(SSL* ssl, std::shared_ptr<tls_session_cache> const& sessions, std::string const& key) {
    SSL_set_ex_data(ssl, sink_index(), new session_sink{sessions, key});
}

bool is_tls_error(boost::system::error_code const& ec) {
    return ec.category() == asio::error::get_ssl_category() ||
           (ec.category() == asio::ssl::error::get_stream_category() && ec != asio::ssl::error::stream_truncated);
}

std::string describe_tls_failure(SSL* ssl, boost::system::error_code const& ec, std::string const& host) {
    if (auto const code = SSL_get_verify_result(ssl); code != X509_V_OK)
        return describe_verification(code, host);
    auto const reason = ERR_GET_REASON(static_cast<unsigned long>(ec.value()));
    switch (reason) {
    case SSL_R_UNSUPPORTED_PROTOCOL:
    case SSL_R_TLSV1_ALERT_PROTOCOL_VERSION:
        return "The server speaks no protocol version that is accepted here: TLS 1.2 or later is needed "
               "(unsupported protocol version).";
    case SSL_R_WRONG_VERSION_NUMBER:
    case SSL_R_HTTP_REQUEST:
        return "The server does not speak TLS on this port (wrong version number).";
    default: {
        char const* const text = ERR_reason_error_string(static_cast<unsigned long>(ec.value()));
        return std::string("The TLS handshake failed: ") + (text != nullptr ? text : ec.message()) + ".";
    }
    }
}

} // namespace klen::webhooks::egress
