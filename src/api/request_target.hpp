#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace klen::webhooks::api {

/// Where a request is addressed to, taken apart and decoded.
struct request_target {
    std::string path; ///< "/api/v1/webhooks"; no trailing slash but for "/"; "*" for OPTIONS *
    std::vector<std::pair<std::string, std::string>> query;
};

/// Takes the origin form, the absolute form (whose authority does not matter here) and "*" (RFC 9112 §3.2). Nothing
/// when it is malformed: a bad percent escape, an escaped slash or NUL, a fragment, characters that must be escaped.
std::optional<request_target> parse_request_target(std::string_view text);

} // namespace klen::webhooks::api
