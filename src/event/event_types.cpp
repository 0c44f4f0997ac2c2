#include "klen/webhooks/event/event_types.hpp"

#include <algorithm>

namespace klen::webhooks::event {

namespace {

constexpr std::size_t name_bytes_max = 128;

bool is_part_character(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_'; }

/// How many parts `text` has when it is parts joined by dots; 0 when it is not.
std::size_t count_parts(std::string_view text) {
    std::size_t parts = 1;
    char before = '.';
    for (char c : text) {
        if (c == '.') {
            if (before == '.')
                return 0;
            ++parts;
        } else if (!is_part_character(c)) {
            return 0;
        }
        before = c;
    }
    return before == '.' ? 0 : parts;
}

} // namespace

bool is_event_type(std::string_view text) { return text.size() <= name_bytes_max && count_parts(text) >= 2; }

bool is_event_pattern(std::string_view text) {
    if (text == "*")
        return true;
    if (text.ends_with(".*"))
        return text.size() <= name_bytes_max && count_parts(text.substr(0, text.size() - 2)) >= 1;
    return is_event_type(text);
}

std::vector<std::string> matching_patterns(std::string_view event_type) {
    std::vector<std::string> out{std::string(event_type)};
    for (auto dot = event_type.rfind('.'); dot != std::string_view::npos; dot = event_type.rfind('.')) {
        event_type = event_type.substr(0, dot);
        out.push_back(std::string(event_type) + ".*");
    }
    out.emplace_back("*");
    return out;
}

bool matches(std::span<std::string const> patterns, std::string_view event_type) {
    return std::ranges::any_of(patterns, [&](std::string_view pattern) {
        if (pattern == "*" || pattern == event_type)
            return true;
        return pattern.ends_with(".*") && event_type.starts_with(pattern.substr(0, pattern.size() - 1));
    });
}

} // namespace klen::webhooks::event
