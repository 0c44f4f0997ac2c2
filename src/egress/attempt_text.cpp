#include "egress/attempt_text.hpp"

#include "egress/tls_support.hpp"
#include "klen/webhooks/policy/verdict.hpp"

#include <boost/asio/error.hpp>
#include <boost/system/errc.hpp>

#include <openssl/err.h>

namespace klen::webhooks::egress {

namespace errc = boost::system::errc;
namespace error = boost::asio::error;
using boost::system::error_code;
using policy::attempt_result;
using policy::error_class;

namespace {

attempt_result make(error_class what, std::string message) {
    attempt_result out;
    out.error = what;
    out.message = std::move(message);
    return out;
}

} // namespace

bool no_descriptor(error_code const& ec) {
    return ec == errc::too_many_files_open || ec == errc::too_many_files_open_in_system;
}

bool is_local_failure(error_code const& ec) {
    return no_descriptor(ec) || ec == errc::not_enough_memory || ec == errc::no_buffer_space ||
           ec == errc::address_not_available;
}

std::string text_of(boost::asio::ip::tcp::endpoint const& endpoint) {
    auto const host = endpoint.address().to_string();
    return (endpoint.address().is_v6() ? "[" + host + "]" : host) + ":" + std::to_string(endpoint.port());
}

attempt_result local_failure(std::string_view what) {
    return make(error_class::local_failure, "The request could not be sent because of a problem on our side (" +
                                                std::string(what) +
                                                "). It will be repeated and does not count as an attempt.");
}

attempt_result address_not_allowed() {
    return make(error_class::address_not_allowed,
                "The URL leads to an address that is not allowed. Webhooks are sent to public addresses only.");
}

attempt_result endpoint_not_allowed() {
    return make(error_class::address_not_allowed,
                "The URL leads to this service itself or to its database. Webhooks are sent to others only.");
}

attempt_result not_resolved(resolution const& answer, std::string_view host) {
    std::string const name(host);
    switch (answer.status) {
    case resolve_status::not_found:
        return make(error_class::dns_not_found,
                    "The host name " + name + " does not exist or has no address. Is it spelled correctly?");
    case resolve_status::timeout:
        return make(error_class::dns_timeout, "The name servers did not answer in time when asked for " + name + ".");
    case resolve_status::local:
        return local_failure(answer.reason);
    default:
        return make(error_class::dns_failure, "The host name " + name +
                                                  " could not be resolved: the name servers answered with an error. "
                                                  "Is its DNS zone in order?");
    }
}

attempt_result not_connected(error_code const& ec, bool timed_out, boost::asio::ip::tcp::endpoint const& to) {
    auto const where = text_of(to);
    if (timed_out || ec == error::timed_out)
        return make(error_class::connect_timeout, "The connection to " + where +
                                                      " was not accepted in time. Is the server running, and does its "
                                                      "firewall let connections through?");
    if (ec == error::connection_refused)
        return make(error_class::connect_refused,
                    "The connection to " + where + " was refused. Is the server running and the port open?");
    if (ec == error::connection_reset)
        return make(error_class::connection_reset,
                    "The connection to " + where + " was accepted and closed again at once.");
    // Where IPv6 is switched off, an IPv6 address is as far away as one without a route.
    bool const no_ipv6 = to.address().is_v6() && ec == errc::address_not_available;
    if (is_local_failure(ec) && !no_ipv6)
        return local_failure(ec.message());
    if (no_ipv6 || ec == error::network_unreachable || ec == error::host_unreachable ||
        ec == error::address_family_not_supported)
        return make(error_class::connect_failure, "There is no way to " + where + " (network or host unreachable).");
    return make(error_class::connect_failure, "The connection to " + where + " failed: " + ec.message() + ".");
}

attempt_result no_handshake(error_code const& ec, bool timed_out, std::string const& reason) {
    if (timed_out)
        return make(error_class::timeout, "The deadline passed during the TLS handshake.");
    if (!reason.empty())
        return make(error_class::tls_failure, reason);
    if (is_local_failure(ec))
        return local_failure(ec.message());
    return make(error_class::connection_reset,
                "The connection was closed by the server during the TLS handshake. Does this port speak TLS?");
}

attempt_result answered(response_reader& reader) {
    attempt_result out;
    out.status = reader.status();
    out.response_headers = reader.take_headers();
    out.response_body = reader.take_body();
    if (policy::is_success(out.status))
        return out;
    out.error = error_class::http_status;
    if (out.status == 429 || out.status == 503)
        out.retry_after = policy::parse_retry_after(reader.retry_after(), std::chrono::system_clock::now());
    auto const status = std::to_string(out.status);
    if (out.status / 100 == 3)
        out.message = "The receiver answered with a redirect (status " + status +
                      "). Redirects are not followed: set the webhook's URL to the final address.";
    else if (out.status == 410)
        out.message = "The receiver answered with status 410 (gone), which disables the webhook.";
    else
        out.message = "The receiver answered with status " + status + "; only 200 to 299 count as delivered.";
    return out;
}

attempt_result not_answered(response_reader const& reader, error_code const& ec, bool timed_out) {
    if (reader.at() == response_reader::phase::malformed)
        return make(error_class::malformed_response, std::string(reader.problem()));
    if (timed_out)
        return make(error_class::timeout,
                    reader.begun()
                        ? "The receiver began to answer but did not finish the response's headers before the deadline."
                        : "The receiver did not answer before the deadline. Answer first and work afterwards.");
    if (is_tls_error(ec)) {
        char const* const text = ERR_reason_error_string(static_cast<unsigned long>(ec.value()));
        return make(error_class::tls_failure, std::string("The server ended the TLS connection with an error: ") +
                                                  (text != nullptr ? text : ec.message()) + ".");
    }
    if (is_local_failure(ec))
        return local_failure(ec.message());
    return make(error_class::connection_reset,
                reader.begun() ? "The connection was closed in the middle of the response's headers."
                               : "The connection was closed before an answer came.");
}

} // namespace klen::webhooks::egress
