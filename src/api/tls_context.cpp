#include "tls_context.hpp"

#include "klen/webhooks/base/log.hpp"

#include <boost/asio/ssl/context.hpp>

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

namespace klen::webhooks::api {

namespace {

using boost::system::error_code;

/// More than any chain; less than a mistaken path like a disk's.
constexpr std::size_t file_bytes_max = std::size_t{1} << 20;

/// A file's bytes; wiped at the end, because one of them is a private key.
struct file_text {
    std::string bytes;

    file_text() = default;
    file_text(file_text&&) = default;
    file_text& operator=(file_text&&) = delete;
    ~file_text() { OPENSSL_cleanse(bytes.data(), bytes.size()); }
};

constexpr std::string_view none_in_it = "there is none in PEM form in it";

failure about(std::string_view what, std::string const& file, std::string_view why) {
    return {fault::io, std::string(what) + " " + file + " cannot be used: " + std::string(why)};
}

result<file_text> read_file(std::string_view what, std::string const& path) {
    std::unique_ptr<std::FILE, int (*)(std::FILE*)> const file(std::fopen(path.c_str(), "rbe"), std::fclose);
    if (!file)
        return about(what, path, std::strerror(errno));
    file_text out;
    out.bytes.resize(file_bytes_max);
    std::setvbuf(file.get(), nullptr, _IONBF, 0); // no second copy of a key
    std::size_t const size = std::fread(out.bytes.data(), 1, file_bytes_max, file.get());
    if (std::ferror(file.get()) != 0)
        return about(what, path, std::strerror(errno));
    if (size == file_bytes_max)
        return about(what, path, "it is too large for a PEM file");
    out.bytes.resize(size);
    return out;
}

std::string reason_of(error_code const& ec) {
    auto const code = static_cast<unsigned long>(ec.value());
    ERR_clear_error(); // what led to it
    switch (ERR_GET_REASON(code)) {
    case ERR_R_PEM_LIB: // that is all that Asio tells of a chain
        return std::string(none_in_it);
    case X509_R_KEY_VALUES_MISMATCH:
    case X509_R_KEY_TYPE_MISMATCH:
        return "it does not belong to the certificate";
    default: {
        char const* const text = ERR_reason_error_string(code);
        return text != nullptr ? text : ec.message();
    }
    }
}

/// HTTP/1.1 for those who ask for it by ALPN; who asks for other protocols only is refused (RFC 7301 §3.2).
int choose_protocol(SSL*, unsigned char const** out, unsigned char* out_size, unsigned char const* offered,
                    unsigned offered_size, void*) {
    static constexpr std::array<unsigned char, 9> ours{8, 'h', 't', 't', 'p', '/', '1', '.', '1'};
    unsigned char* chosen = nullptr;
    int const found = SSL_select_next_proto(&chosen, out_size, ours.data(), static_cast<unsigned>(ours.size()), offered,
                                            offered_size);
    *out = chosen;
    return found == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
}

result<void> set_rules(SSL_CTX* context) {
    constexpr char const* ciphers_of_1_2 = "ECDHE+AESGCM:ECDHE+CHACHA20";
    if (SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) != 1 ||
        SSL_CTX_set_cipher_list(context, ciphers_of_1_2) != 1)
        return failure{fault::io, "this OpenSSL has no TLS 1.2 with forward secrecy"};
    SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS); // an idle connection needs no 32 KiB of buffers
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_alpn_select_cb(context, choose_protocol, nullptr);
    return {};
}

/// Never ask at the terminal for a key's password.
std::string no_password(std::size_t, asio::ssl::context::password_purpose) { return {}; }

result<void> take_certificate(asio::ssl::context& into, std::string const& file) {
    constexpr std::string_view what = "the TLS certificate";
    auto const text = read_file(what, file);
    if (!text)
        return text.error();
    error_code ec;
    into.use_certificate_chain(asio::buffer(text->bytes), ec);
    if (ec)
        return about(what, file, reason_of(ec));
    X509 const* const certificate = SSL_CTX_get0_certificate(into.native_handle());
    if (X509_cmp_current_time(X509_get0_notAfter(certificate)) < 0)
        log::warn("the TLS certificate has expired", {{"file", file}});
    return {};
}

result<void> take_key(asio::ssl::context& into, std::string const& file) {
    constexpr std::string_view what = "the TLS key";
    auto const text = read_file(what, file);
    if (!text)
        return text.error();
    if (text->bytes.find("PRIVATE KEY-----") == std::string::npos)
        return about(what, file, none_in_it);
    if (text->bytes.find("ENCRYPTED") != std::string::npos)
        return about(what, file, "it is protected by a password; store it without one, readable by this user only");
    error_code ec;
    into.use_private_key(asio::buffer(text->bytes), asio::ssl::context::pem, ec);
    if (ec)
        return about(what, file, reason_of(ec));
    return {}; // OpenSSL has compared it with the certificate
}

} // namespace

tls_file_problems try_tls_files(std::string const& certificate_file, std::string const& key_file) {
    asio::ssl::context into(asio::ssl::context::tls_server);
    error_code ignored;
    into.set_password_callback(no_password, ignored);
    tls_file_problems out;
    if (!certificate_file.empty())
        if (auto done = take_certificate(into, certificate_file); !done)
            out.certificate = done.error().message;
    if (!key_file.empty())
        if (auto done = take_key(into, key_file); !done)
            out.key = done.error().message;
    return out;
}

result<tls_context_ptr> make_tls_context(std::string const& certificate_file, std::string const& key_file) {
    auto out = std::make_shared<asio::ssl::context>(asio::ssl::context::tls_server);
    error_code ignored;
    out->set_password_callback(no_password, ignored);
    if (auto done = set_rules(out->native_handle()); !done)
        return done.error();
    if (auto done = take_certificate(*out, certificate_file); !done)
        return done.error();
    if (auto done = take_key(*out, key_file); !done)
        return done.error();
    return out;
}

} // namespace klen::webhooks::api
