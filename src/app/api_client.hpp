#pragma once

#include "klen/webhooks/base/result.hpp"

#include <chrono>
#include <string>
#include <string_view>

namespace klen::webhooks::app {

struct api_answer {
    int status = 0;
    std::string body;
    std::string retry_after; ///< the header, in seconds; often empty
    std::string request_id;  ///< what the daemon's log calls the request; empty: a proxy answered
    bool replayed = false;   ///< the answer of an earlier call with the same idempotency key
    bool ok() const { return status >= 200 && status < 300; }
};

/// Calls the daemon's API for the command line: blocking, a connection a call, http or https (the system's
/// certificates; OpenSSL's SSL_CERT_FILE is heeded), no proxy, no redirects.
class api_client {
  public:
    /// `base_url`: "http://127.0.0.1:8080", a path in front of /api is allowed, and /api/v1 itself may be at the end.
    /// `key` may be empty.
    static result<api_client> create(std::string_view base_url, std::string key);

    /// `path` begins with "/". Fails (`io`) when nobody answers within `timeout`; an HTTP error is an answer. So it
    /// does
    /// (`invalid_argument`) when SSL_CERT_FILE is needed and cannot be read: OpenSSL would go on without a word.
    result<api_answer> call(std::string_view method, std::string const& path, std::string body = {},
                            std::string const& idempotency_key = {}) const;
    void set_timeout(std::chrono::milliseconds timeout) { timeout_ = timeout; }
    std::string const& base_url() const { return base_url_; }

  private:
    api_client() = default;
    std::string base_url_;
    bool tls_ = false;
    std::string host_;
    std::string port_;
    std::string host_field_;
    std::string prefix_; // path in front of what is called
    std::string key_;
    std::chrono::milliseconds timeout_{30'000};
};

/// One query or path component, percent-encoded.
std::string percent_encoded(std::string_view text);

} // namespace klen::webhooks::app
