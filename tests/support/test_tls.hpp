#pragma once

#include <chrono>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

struct ssl_ctx_st;
struct evp_pkey_st;
struct x509_st;

namespace klen::webhooks::testing {

/// A certificate, others after it where the server sends a chain, and the first one's private key; all as PEM.
struct tls_identity {
    std::string certificate;
    std::string key;
};

struct certificate_options {
    std::vector<std::string> names{"localhost"};
    std::vector<std::string> addresses{"127.0.0.1"};
    std::chrono::hours valid_from{-24}; ///< from now
    std::chrono::hours valid_until{24};
    std::string purpose{}; ///< extended key usage: "serverAuth", "clientAuth"; empty: any
    int rsa_bits = 0;      ///< 0: an elliptic curve's key
};

/// A certification authority made for one test. Its certificate is in a temporary file while it lives.
class test_ca {
  public:
    test_ca();
    ~test_ca();
    test_ca(test_ca const&) = delete;
    test_ca& operator=(test_ca const&) = delete;

    std::string const& file() const { return file_; }
    tls_identity issue(certificate_options const& what = {}) const;
    /// Through an authority in between, which the server sends or forgets.
    tls_identity issue_through_intermediate(bool sends_chain, certificate_options const& intermediate = {}) const;

  private:
    std::shared_ptr<evp_pkey_st> key_;
    std::shared_ptr<x509_st> certificate_;
    std::string file_;
};

tls_identity self_signed(certificate_options const& what = {});

using tls_server_context_ptr = std::shared_ptr<ssl_ctx_st>;
tls_server_context_ptr make_tls_server_context(tls_identity const& identity, int version_max, bool refuses_sessions);

} // namespace klen::webhooks::testing
