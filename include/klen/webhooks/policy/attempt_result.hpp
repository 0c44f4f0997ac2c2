#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace klen::webhooks::policy {

/// What went wrong with an attempt: one word for programs (kept in the attempt, in logs, in metrics), stable for ever.
enum class error_class : std::uint8_t {
    none,                ///< a 2xx
    http_status,         ///< any other status; redirects too
    timeout,             ///< the attempt's deadline passed after the request began to be written
    dns_not_found,       ///< the name does not exist, or has no address
    dns_failure,         ///< the name servers answered with an error
    dns_timeout,         ///< the name servers did not answer in time
    url_not_allowed,     ///< the URL itself is refused (scheme, port, spelling)
    address_not_allowed, ///< the name leads to an address that is refused
    connect_refused,
    connect_timeout,
    connect_failure,      ///< unreachable network or host, or another error of connect
    tls_failure,          ///< handshake or certificate; the message has OpenSSL's reason
    connection_reset,     ///< closed or reset before a complete status line and headers came
    malformed_response,   ///< not HTTP/1.x, or headers over the limit
    local_failure,        ///< this machine's fault (no descriptors, no memory): uses up no attempt
    webhook_deleted,      ///< cancelled without a request: its webhook is gone
    event_expired,        ///< cancelled without a request: its event is older than the retention
    cancelled_by_request, ///< cancelled without a request: the customer asked for that
};

std::string_view to_string(error_class what);
std::optional<error_class> parse_error_class(std::string_view text);

/// What happened in one attempt. A value, not an error of ours.
struct attempt_result {
    error_class error = error_class::none;
    int status = 0;               ///< HTTP status; 0: none came
    std::string message;          ///< for the customer's developer, in plain words; empty on success
    std::string response_headers; ///< "Name: value\r\n" lines as received, cut at the limit
    std::string response_body;    ///< its first bytes, as received
    std::string remote_address;   ///< "192.0.2.1:443"; empty: not connected
    std::chrono::microseconds duration{};
    std::optional<std::chrono::seconds> retry_after; ///< as asked for by a 429 or 503, already relative
    bool connection_reused = false;

    bool succeeded() const { return error == error_class::none; }
};

} // namespace klen::webhooks::policy
