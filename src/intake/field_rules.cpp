#include "field_rules.hpp"

#include "klen/webhooks/base/clock.hpp"
#include "klen/webhooks/intake/intake.hpp"

#include <algorithm>

namespace klen::webhooks::intake {

namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_lower_hex(char c) { return is_digit(c) || (c >= 'a' && c <= 'f'); }
bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

} // namespace

bool is_rfc3339(std::string_view text) { return parse_rfc3339(text).has_value(); }

bool is_traceparent(std::string_view text) {
    if (text.size() != 55 || !text.starts_with("00-") || text[35] != '-' || text[52] != '-')
        return false;
    auto const trace_id = text.substr(3, 32);
    auto const parent_id = text.substr(36, 16);
    auto const flags = text.substr(53, 2);
    auto const hex = [](std::string_view part) { return std::ranges::all_of(part, is_lower_hex); };
    auto const zero = [](std::string_view part) { return part.find_first_not_of('0') == std::string_view::npos; };
    return hex(trace_id) && hex(parent_id) && hex(flags) && !zero(trace_id) && !zero(parent_id);
}

bool is_idempotency_key(std::string_view text) {
    std::size_t characters = 0;
    for (std::size_t i = 0; i < text.size(); ++i) {
        auto const c = static_cast<unsigned char>(text[i]);
        if (c < 0x20 || c == 0x7f)
            return false;
        if (c == 0xc2 && i + 1 < text.size() && static_cast<unsigned char>(text[i + 1]) < 0xa0) // U+0080 to U+009F
            return false;
        if ((c & 0xc0) != 0x80)
            ++characters;
    }
    return characters >= 1 && characters <= 256;
}

bool is_account_id(std::string_view text) {
    return !text.empty() && text.size() <= 128 && std::ranges::all_of(text, [](char c) {
        return is_letter(c) || is_digit(c) || c == '.' || c == '_' || c == ':' || c == '-';
    });
}

} // namespace klen::webhooks::intake
