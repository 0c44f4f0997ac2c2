#include "credentials.hpp"

#include <algorithm>

namespace klen::webhooks::api {

namespace {

std::string_view trim(std::string_view text) {
    while (!text.empty() && (text.front() == ' ' || text.front() == '\t'))
        text.remove_prefix(1);
    while (!text.empty() && (text.back() == ' ' || text.back() == '\t'))
        text.remove_suffix(1);
    return text;
}

std::optional<std::string_view> bearer_token(std::string_view authorization) {
    constexpr std::string_view scheme = "Bearer ";
    if (!equals_ignoring_case(authorization.substr(0, scheme.size()), scheme))
        return std::nullopt;
    auto const token = trim(authorization.substr(scheme.size()));
    return token.empty() ? std::nullopt : std::optional(token);
}

} // namespace

std::optional<std::string_view> find_key(request_head const& head) {
    auto const authorization = head.find("Authorization");
    auto const api_key = head.find("X-API-Key");
    if (!authorization)
        return api_key && !api_key->empty() ? api_key : std::nullopt;
    auto const token = bearer_token(*authorization);
    if (api_key && token != api_key)
        return std::nullopt; // which of the two is meant?
    return token;
}

bool has_two_keys(request_head const& head) { return head.find("Authorization") && head.find("X-API-Key"); }

bool is_json_media_type(std::string_view content_type) {
    auto const semicolon = std::min(content_type.find(';'), content_type.size());
    if (!equals_ignoring_case(trim(content_type.substr(0, semicolon)), "application/json"))
        return false;
    auto const parameter = trim(content_type.substr(std::min(semicolon + 1, content_type.size())));
    return parameter.empty() || equals_ignoring_case(parameter, "charset=utf-8") ||
           equals_ignoring_case(parameter, "charset=\"utf-8\"");
}

std::optional<content_coding> parse_content_coding(request_head const& head) {
    if (head.count("Content-Encoding") > 1)
        return std::nullopt;
    auto const given = head.find("Content-Encoding").value_or("");
    if (given.empty() || equals_ignoring_case(given, "identity"))
        return content_coding::identity;
    if (equals_ignoring_case(given, "gzip") || equals_ignoring_case(given, "x-gzip"))
        return content_coding::gzip;
    return std::nullopt;
}

bool is_idempotency_key(std::string_view text) {
    auto const visible = [](char c) { return c > 0x20 && c < 0x7f; };
    return !text.empty() && text.size() <= 255 && std::ranges::all_of(text, visible);
}

bool is_sane_request_id(std::string_view text) {
    constexpr std::string_view signs = "._:/+=-";
    return !text.empty() && text.size() <= 128 && std::ranges::all_of(text, [&](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               signs.find(c) != std::string_view::npos;
    });
}

} // namespace klen::webhooks::api
