#include "support/test_tls.hpp"

#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <atomic>
#include <cstdlib>
#include <stdexcept>

#include <unistd.h>

namespace klen::webhooks::testing {

namespace {

using key_ptr = std::shared_ptr<EVP_PKEY>;
using certificate_ptr = std::shared_ptr<X509>;

void must(bool fine, char const* what) {
    if (!fine)
        throw std::runtime_error(std::string("test certificates: ") + what);
}

key_ptr make_key(int rsa_bits = 0) {
    key_ptr key(rsa_bits > 0 ? EVP_RSA_gen(static_cast<unsigned>(rsa_bits)) : EVP_EC_gen("P-256"), EVP_PKEY_free);
    must(key != nullptr, "key");
    return key;
}

template <class Write>
std::string to_pem(Write write) {
    std::unique_ptr<BIO, int (*)(BIO*)> const out(BIO_new(BIO_s_mem()), BIO_free);
    must(write(out.get()) == 1, "PEM");
    std::string text(BIO_ctrl_pending(out.get()), '\0');
    must(BIO_read(out.get(), text.data(), static_cast<int>(text.size())) == static_cast<int>(text.size()), "PEM");
    return text;
}

void add_extension(X509* to, X509* issuer, int nid, std::string const& value) {
    X509V3_CTX context{};
    X509V3_set_ctx(&context, issuer, to, nullptr, nullptr, 0);
    std::unique_ptr<X509_EXTENSION, void (*)(X509_EXTENSION*)> const extension(
        X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str()), X509_EXTENSION_free);
    must(extension != nullptr && X509_add_ext(to, extension.get(), -1) == 1, "extension");
}

/// `issuer` null: signed by itself.
certificate_ptr make_certificate(key_ptr const& key, std::string const& name, certificate_options const& what,
                                 bool is_ca, X509* issuer, EVP_PKEY* issuer_key) {
    static std::atomic<long> serial{1};
    certificate_ptr out(X509_new(), X509_free);
    must(out != nullptr, "X509_new");
    auto* const x = out.get();
    X509_set_version(x, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(x), serial.fetch_add(1));
    X509_gmtime_adj(X509_getm_notBefore(x), std::chrono::seconds(what.valid_from).count());
    X509_gmtime_adj(X509_getm_notAfter(x), std::chrono::seconds(what.valid_until).count());
    X509_set_pubkey(x, key.get());
    auto* const subject = X509_get_subject_name(x);
    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8, reinterpret_cast<unsigned char const*>(name.c_str()), -1,
                               -1, 0);
    X509* const signer = issuer != nullptr ? issuer : x;
    X509_set_issuer_name(x, X509_get_subject_name(signer));
    add_extension(x, signer, NID_basic_constraints, is_ca ? "critical,CA:TRUE" : "critical,CA:FALSE");
    if (is_ca) {
        add_extension(x, signer, NID_key_usage, "critical,keyCertSign,cRLSign");
    } else {
        std::string names;
        for (auto const& n : what.names)
            names += (names.empty() ? "DNS:" : ",DNS:") + n;
        for (auto const& a : what.addresses)
            names += (names.empty() ? "IP:" : ",IP:") + a;
        if (!names.empty())
            add_extension(x, signer, NID_subject_alt_name, names);
        if (!what.purpose.empty())
            add_extension(x, signer, NID_ext_key_usage, what.purpose);
    }
    must(X509_sign(x, issuer_key, EVP_sha256()) > 0, "sign");
    return out;
}

tls_identity to_identity(certificate_ptr const& certificate, key_ptr const& key) {
    tls_identity out;
    out.certificate = to_pem([&](BIO* to) { return PEM_write_bio_X509(to, certificate.get()); });
    out.key =
        to_pem([&](BIO* to) { return PEM_write_bio_PrivateKey(to, key.get(), nullptr, nullptr, 0, nullptr, nullptr); });
    return out;
}

} // namespace

test_ca::test_ca() : key_(make_key()) {
    static std::atomic<int> made{0};
    // Each with a name of its own: two of one name would be told apart by their signatures only.
    certificate_ =
        make_certificate(key_, "klen test authority " + std::to_string(++made), {}, true, nullptr, key_.get());
    auto const pem = to_pem([&](BIO* to) { return PEM_write_bio_X509(to, certificate_.get()); });
    file_ = (std::filesystem::temp_directory_path() / "klen-test-ca-XXXXXX").string();
    int const fd = ::mkstemp(file_.data());
    must(fd >= 0 && ::write(fd, pem.data(), pem.size()) == static_cast<ssize_t>(pem.size()), "file");
    ::close(fd);
}

test_ca::~test_ca() { ::unlink(file_.c_str()); }

tls_identity test_ca::issue(certificate_options const& what) const {
    auto const key = make_key(what.rsa_bits);
    return to_identity(make_certificate(key, "receiver", what, false, certificate_.get(), key_.get()), key);
}

tls_identity test_ca::issue_through_intermediate(bool sends_chain, certificate_options const& intermediate) const {
    auto const between_key = make_key();
    auto const between =
        make_certificate(between_key, "intermediate", intermediate, true, certificate_.get(), key_.get());
    auto const key = make_key();
    auto out = to_identity(make_certificate(key, "receiver", {}, false, between.get(), between_key.get()), key);
    if (sends_chain)
        out.certificate += to_identity(between, between_key).certificate;
    return out;
}

tls_identity self_signed(certificate_options const& what) {
    auto const key = make_key();
    return to_identity(make_certificate(key, "receiver", what, false, nullptr, key.get()), key);
}

tls_server_context_ptr make_tls_server_context(tls_identity const& identity, int version_max, bool refuses_sessions) {
    tls_server_context_ptr out(SSL_CTX_new(TLS_server_method()), SSL_CTX_free);
    must(out != nullptr, "SSL_CTX_new");
    std::unique_ptr<BIO, int (*)(BIO*)> const certificate_bytes(
        BIO_new_mem_buf(identity.certificate.data(), static_cast<int>(identity.certificate.size())), BIO_free);
    std::unique_ptr<BIO, int (*)(BIO*)> const key_bytes(
        BIO_new_mem_buf(identity.key.data(), static_cast<int>(identity.key.size())), BIO_free);
    certificate_ptr const certificate(PEM_read_bio_X509(certificate_bytes.get(), nullptr, nullptr, nullptr), X509_free);
    key_ptr const key(PEM_read_bio_PrivateKey(key_bytes.get(), nullptr, nullptr, nullptr), EVP_PKEY_free);
    must(certificate && key, "PEM");
    if (EVP_PKEY_get_bits(key.get()) < 2048 && EVP_PKEY_get_base_id(key.get()) == EVP_PKEY_RSA)
        SSL_CTX_set_security_level(out.get(), 0);
    must(SSL_CTX_use_certificate(out.get(), certificate.get()) == 1, "certificate");
    while (auto* const next = PEM_read_bio_X509(certificate_bytes.get(), nullptr, nullptr, nullptr))
        must(SSL_CTX_add_extra_chain_cert(out.get(), next) == 1, "chain");
    ERR_clear_error(); // "no start line": the last one was read
    must(SSL_CTX_use_PrivateKey(out.get(), key.get()) == 1, "key");
    if (version_max != 0) {
        SSL_CTX_set_security_level(out.get(), 0); // old versions are what some tests are about
        SSL_CTX_set_min_proto_version(out.get(), 0);
        SSL_CTX_set_max_proto_version(out.get(), version_max);
    }
    static constexpr unsigned char session_context[] = {'t'};
    SSL_CTX_set_session_id_context(out.get(), session_context, sizeof session_context);
    if (refuses_sessions) {
        SSL_CTX_set_options(out.get(), SSL_OP_NO_TICKET);
        SSL_CTX_set_session_cache_mode(out.get(), SSL_SESS_CACHE_OFF);
        SSL_CTX_set_num_tickets(out.get(), 0);
    }
    return out;
}

} // namespace klen::webhooks::testing
