#include "klen/webhooks/policy/attempt_result.hpp"

#include <array>
#include <utility>

namespace klen::webhooks::policy {

namespace {

// Kept in the database and in customers' dashboards: a name is never changed, only added.
constexpr std::array<std::pair<error_class, std::string_view>, 18> names{{
    {error_class::none, "none"},
    {error_class::http_status, "http_status"},
    {error_class::timeout, "timeout"},
    {error_class::dns_not_found, "dns_not_found"},
    {error_class::dns_failure, "dns_failure"},
    {error_class::dns_timeout, "dns_timeout"},
    {error_class::url_not_allowed, "url_not_allowed"},
    {error_class::address_not_allowed, "address_not_allowed"},
    {error_class::connect_refused, "connect_refused"},
    {error_class::connect_timeout, "connect_timeout"},
    {error_class::connect_failure, "connect_failure"},
    {error_class::tls_failure, "tls_failure"},
    {error_class::connection_reset, "connection_reset"},
    {error_class::malformed_response, "malformed_response"},
    {error_class::local_failure, "local_failure"},
    {error_class::webhook_deleted, "webhook_deleted"},
    {error_class::event_expired, "event_expired"},
    {error_class::cancelled_by_request, "cancelled_by_request"},
}};

} // namespace

std::string_view to_string(error_class what) {
    for (auto const& [value, name] : names)
        if (value == what)
            return name;
    return "unknown";
}

std::optional<error_class> parse_error_class(std::string_view text) {
    for (auto const& [value, name] : names)
        if (name == text)
            return value;
    return std::nullopt;
}

} // namespace klen::webhooks::policy
