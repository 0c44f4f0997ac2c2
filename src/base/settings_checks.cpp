#include "base/settings_checks.hpp"

#include "klen/webhooks/base/encoding.hpp"

#include <algorithm>
#include <array>
#include <charconv>

#include <arpa/inet.h>

namespace klen::webhooks::settings {

namespace {

using complaint = std::optional<std::string>;

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_lower(char c) { return c >= 'a' && c <= 'z'; }
bool is_alnum(char c) { return is_digit(c) || is_lower(c) || (c >= 'A' && c <= 'Z'); }

/// RFC 9110 §5.6.2.
bool is_token_char(char c) {
    return is_alnum(c) || std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
}

std::string lower(std::string text) {
    for (char& c : text)
        c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    return text;
}

struct address {
    int family = AF_INET;
    std::array<unsigned char, 16> bytes{};
    unsigned bits() const { return family == AF_INET ? 32 : 128; }
};

std::optional<address> parse_address(std::string const& text) {
    address out;
    if (inet_pton(AF_INET, text.c_str(), out.bytes.data()) == 1)
        return out;
    out.family = AF_INET6;
    if (inet_pton(AF_INET6, text.c_str(), out.bytes.data()) == 1)
        return out;
    return std::nullopt;
}

std::string to_text(address const& a) {
    std::array<char, INET6_ADDRSTRLEN> out{};
    inet_ntop(a.family, a.bytes.data(), out.data(), out.size());
    return out.data();
}

/// A decimal number without sign or leading zeros, at most `max`.
std::optional<unsigned> parse_small(std::string_view text, unsigned max) {
    unsigned out = 0;
    auto const [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
    if (error != std::errc{} || end != text.data() + text.size() || out > max || (text.size() > 1 && text[0] == '0'))
        return std::nullopt;
    return out;
}

complaint check_cidr(std::string const& text) {
    auto const slash = text.find('/');
    if (slash == std::string::npos)
        return "must have a prefix length, as in 10.0.0.0/8; not " + quoted(text);
    auto a = parse_address(text.substr(0, slash));
    if (!a)
        return "must begin with an IPv4 or IPv6 address; not " + quoted(text);
    auto const prefix = parse_small(std::string_view(text).substr(slash + 1), a->bits());
    if (!prefix)
        return "must end with a prefix length from 0 to " + std::to_string(a->bits()) + "; not " + quoted(text);
    address const given = *a;
    for (unsigned bit = *prefix; bit < a->bits(); ++bit)
        a->bytes[bit / 8] = static_cast<unsigned char>(a->bytes[bit / 8] & ~(0x80U >> (bit % 8)));
    if (given.bytes != a->bytes)
        return "has bits set after its prefix: " + quoted(text) + "; is " + to_text(*a) + "/" +
               std::to_string(*prefix) + " meant?";
    return std::nullopt;
}

bool is_name_server(std::string const& text) {
    if (parse_address(text))
        return true;
    auto const colon = text.rfind(':');
    if (colon == std::string::npos)
        return false;
    auto const port = parse_small(std::string_view(text).substr(colon + 1), 65535);
    if (!port || *port == 0)
        return false;
    std::string const host = text.substr(0, colon);
    if (host.size() > 2 && host.front() == '[' && host.back() == ']') {
        auto const a = parse_address(host.substr(1, host.size() - 2));
        return a && a->family == AF_INET6;
    }
    auto const a = parse_address(host);
    return a && a->family == AF_INET;
}

/// Never repeats the URL: it holds a password.
complaint check_database_url(std::string const& text) {
    for (std::string_view const scheme : {"postgresql://", "postgres://"}) {
        if (text.starts_with(scheme))
            return text.size() > scheme.size() ? complaint{} : complaint{"names no server and no database"};
    }
    return "must begin with postgresql:// or postgres://";
}

bool is_event_type(std::string const& text) {
    bool part_empty = true;
    bool dotted = false;
    for (char const c : text) {
        if (c == '.') {
            if (part_empty)
                return false;
            part_empty = dotted = true;
        } else if (is_lower(c) || is_digit(c) || c == '_') {
            part_empty = false;
        } else {
            return false;
        }
    }
    return dotted && !part_empty && text.size() <= 128;
}

complaint check_header_prefix(std::string const& text) {
    if (text.size() > 64 || text.size() < 2 || text.back() != '-' || !std::ranges::all_of(text, is_token_char))
        return "must be 2 to 64 letters, digits and other characters of a header name (RFC 9110 token), the last of "
               "them '-', as in \"X-Klen-\"; not " +
               quoted(text);
    // With these the headers would pose as HTTP's own, or collide with those of Standard Webhooks.
    static constexpr std::array reserved{"webhook-",    "content-", "transfer-", "connection-", "host-",
                                         "keep-alive-", "proxy-",   "accept-",   "sec-"};
    std::string const name = lower(text);
    for (char const* r : reserved) {
        if (name == r)
            return "must not be " + quoted(text) + ": that is the beginning of reserved header names";
    }
    return std::nullopt;
}

form_of_text form(std::string words, bool (*fits)(std::string const&)) {
    return {words, [words, fits](std::string const& text) -> complaint {
                if (fits(text))
                    return std::nullopt;
                return "must be " + words + "; not " + quoted(text);
            }};
}

} // namespace

form_of_text any_text(std::size_t bytes_max) {
    return {"", [bytes_max](std::string const& text) -> complaint {
                if (text.size() <= bytes_max)
                    return std::nullopt;
                return "must not be longer than " + std::to_string(bytes_max) + " bytes";
            }};
}

form_of_text ip_address() {
    return form("an IPv4 or IPv6 address", [](std::string const& text) { return parse_address(text).has_value(); });
}

form_of_text cidr() { return {"address ranges as in 10.0.0.0/8 or fd00::/8", check_cidr}; }

form_of_text name_server() {
    return form("an IPv4 or IPv6 address, with or without a port, as in 192.0.2.1, 192.0.2.1:53 or [2001:db8::1]:53",
                is_name_server);
}

form_of_text database_url() { return {"a postgresql:// URL", check_database_url}; }

form_of_text user_name() {
    return form("a user name: letters, digits, '_', '-' and '.', 1 to 32 of them, no digit or '-' first",
                [](std::string const& text) {
                    auto const fits = [](char c) { return is_alnum(c) || c == '_' || c == '-' || c == '.'; };
                    return !text.empty() && text.size() <= 32 && !is_digit(text[0]) && text[0] != '-' &&
                           std::ranges::all_of(text, fits);
                });
}

form_of_text event_type() {
    return form("two or more parts of a-z, 0-9 and '_' joined by dots, as in order.created, 128 characters at most",
                is_event_type);
}

form_of_text header_prefix() { return {"a beginning of header names that ends in '-'", check_header_prefix}; }

form_of_text header_value(std::size_t bytes_max) {
    return {"visible ASCII characters and spaces", [bytes_max](std::string const& text) -> complaint {
                auto const fits = [](char c) { return c >= 0x20 && c < 0x7f; };
                if (text.size() <= bytes_max && std::ranges::all_of(text, fits) && text.front() != ' ' &&
                    text.back() != ' ')
                    return std::nullopt;
                return "must be visible ASCII characters and spaces, no space first or last, " +
                       std::to_string(bytes_max) + " at most; not " + quoted(text);
            }};
}

form_of_text base64_of_32_bytes() {
    return {"base64 of 32 bytes", [](std::string const& text) -> complaint {
                auto const bytes = base64_decode(text);
                if (bytes && bytes->size() == 32)
                    return std::nullopt;
                if (bytes)
                    return "must be base64 of 32 bytes, not of " + std::to_string(bytes->size());
                return "must be base64 of 32 bytes (44 characters with the padding), as `openssl rand -base64 32` "
                       "prints it";
            }};
}

form_of_text key_id() {
    return form("1 to 32 letters, digits, '.', '_' and '-'", [](std::string const& text) {
        auto const fits = [](char c) { return is_alnum(c) || c == '_' || c == '-' || c == '.'; };
        return !text.empty() && text.size() <= 32 && std::ranges::all_of(text, fits);
    });
}

form_of_text account_id() {
    return form("1 to 128 letters, digits, '.', '_', ':' and '-'", [](std::string const& text) {
        auto const fits = [](char c) { return is_alnum(c) || c == '_' || c == '-' || c == '.' || c == ':'; };
        return !text.empty() && text.size() <= 128 && std::ranges::all_of(text, fits);
    });
}

form_of_text named_master_key() {
    return {"a key's id, a colon, and base64 of its 32 bytes", [](std::string const& text) -> complaint {
                auto const colon = text.find(':');
                if (colon == std::string::npos || key_id().check(text.substr(0, colon)))
                    return "must be the key's id, a colon, and base64 of its 32 bytes";
                return base64_of_32_bytes().check(text.substr(colon + 1));
            }};
}

form_of_text or_empty(form_of_text inner) {
    return {inner.words + ", or empty", [check = std::move(inner.check)](std::string const& text) -> complaint {
                if (text.empty())
                    return std::nullopt;
                return check(text);
            }};
}

} // namespace klen::webhooks::settings
