#pragma once

#include "klen/webhooks/base/result.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace klen::webhooks::egress {

/// Where a URL leads, after the only parser that decides: nothing else of the text is used afterwards.
struct target {
    bool tls = true;
    std::string host; ///< A-labels, lower case, no trailing dot; an IPv6 literal without brackets
    bool host_is_address = false;
    std::uint16_t port = 443;
    std::string path_and_query; ///< request-target (origin form), never empty: "/hook?x=1"
    std::string host_header;    ///< Host field: the port only when it is not the scheme's
    std::string url;            ///< normalised: what is stored and shown

    /// "https://example.com:8443": connections are kept per origin and account.
    std::string origin() const;
};

/// What `[egress]` allows.
struct url_policy {
    bool allow_http = false;
    std::vector<std::uint16_t>
        allowed_ports;              ///< empty: every port but those of well-known services that are not the web's
    bool allow_local_names = false; ///< localhost, *.localhost, *.local, *.internal, single labels: only where loopback
                                    ///< or private ranges are allowed
    bool any_port = false;          ///< only to read again what was judged before
};

/// Parses and judges (RFC 3986 through Boost.URL, IDNA 2008 through libidn2). The failure's message says what is wrong
/// and what to write instead; it begins with "url: ".
result<target> parse_target(std::string_view url, url_policy const& policy);

} // namespace klen::webhooks::egress
