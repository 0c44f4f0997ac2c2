#include "request_target.hpp"

#include "request_head.hpp"

#include "klen/webhooks/base/encoding.hpp"

#include <algorithm>

namespace klen::webhooks::api {

namespace {

bool percent_decode(std::string_view text, bool plus_is_space, std::string& out) {
    out.clear();
    out.reserve(text.size());
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] != '%') {
            out.push_back(plus_is_space && text[i] == '+' ? ' ' : text[i]);
            continue;
        }
        if (i + 2 >= text.size())
            return false;
        int const high = hex_value(text[i + 1]);
        int const low = hex_value(text[i + 2]);
        if (high < 0 || low < 0 || (high == 0 && low == 0))
            return false;
        out.push_back(static_cast<char>(high * 16 + low));
        i += 2;
    }
    return true;
}

bool parse_path(std::string_view raw, std::string& out) {
    // A decoded slash would split a parameter in two; none of ours holds one.
    if (raw.find("%2f") != std::string_view::npos || raw.find("%2F") != std::string_view::npos)
        return false;
    if (!percent_decode(raw, false, out))
        return false;
    if (out.size() > 1 && out.back() == '/')
        out.pop_back();
    return true;
}

bool parse_query(std::string_view raw, std::vector<std::pair<std::string, std::string>>& out) {
    while (!raw.empty()) {
        auto const pair = raw.substr(0, raw.find('&'));
        raw.remove_prefix(std::min(pair.size() + 1, raw.size()));
        if (pair.empty())
            continue;
        auto const equals = std::min(pair.find('='), pair.size());
        auto& [name, value] = out.emplace_back();
        if (!percent_decode(pair.substr(0, equals), true, name) ||
            !percent_decode(pair.substr(std::min(equals + 1, pair.size())), true, value))
            return false;
    }
    return true;
}

/// "http://host:80/path" → "/path"
std::optional<std::string_view> strip_authority(std::string_view text) {
    for (std::string_view const scheme : {"http://", "https://"}) {
        if (!equals_ignoring_case(text.substr(0, scheme.size()), scheme))
            continue;
        text.remove_prefix(scheme.size());
        auto const path = std::min(text.find_first_of("/?"), text.size());
        // RFC 9110 §4.2.4: a name and a password before the host are nobody's but a phisher's.
        if (path == 0 || text.substr(0, path).find('@') != std::string_view::npos)
            return std::nullopt;
        return text.substr(path);
    }
    return std::nullopt;
}

} // namespace

std::optional<request_target> parse_request_target(std::string_view text) {
    request_target out;
    if (text == "*") {
        out.path = "*";
        return out;
    }
    if (!text.starts_with('/')) {
        auto const rest = strip_authority(text);
        if (!rest)
            return std::nullopt;
        text = *rest;
    }
    bool const plain = std::ranges::all_of(text, [](char c) { return c > 0x20 && c < 0x7f && c != '#'; });
    if (!plain)
        return std::nullopt;
    auto const question = std::min(text.find('?'), text.size());
    auto const path = text.substr(0, question);
    if (!parse_path(path.empty() ? "/" : path, out.path))
        return std::nullopt;
    if (!parse_query(text.substr(std::min(question + 1, text.size())), out.query))
        return std::nullopt;
    return out;
}

} // namespace klen::webhooks::api
