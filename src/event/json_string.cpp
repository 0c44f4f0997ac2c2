#include "json_reader.hpp"

namespace klen::webhooks::event {

namespace {

constexpr std::string_view hex_digits = "0123456789abcdef";

bool needs_escape(char c) { return static_cast<unsigned char>(c) < 0x20 || c == '"' || c == '\\'; }

/// The value of one hexadecimal digit that this program wrote.
unsigned hex_value(char c) { return static_cast<unsigned>(c <= '9' ? c - '0' : c - 'a' + 10); }

} // namespace

void append_escape(std::string& out, char c) {
    out += '\\';
    switch (c) {
    case '"':
        out += '"';
        return;
    case '\\':
        out += '\\';
        return;
    case '\b':
        out += 'b';
        return;
    case '\t':
        out += 't';
        return;
    case '\n':
        out += 'n';
        return;
    case '\f':
        out += 'f';
        return;
    case '\r':
        out += 'r';
        return;
    default:
        out += "u00";
        out += hex_digits[static_cast<unsigned char>(c) >> 4];
        out += hex_digits[c & 15];
    }
}

void append_json_string(std::string& out, std::string_view text) {
    out += '"';
    std::size_t run = 0;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (!needs_escape(text[i]))
            continue;
        out.append(text, run, i - run);
        append_escape(out, text[i]);
        run = i + 1;
    }
    out.append(text, run);
    out += '"';
}

std::string unescape(std::string_view quoted) {
    std::string_view const inner = quoted.substr(1, quoted.size() - 2);
    std::string out;
    out.reserve(inner.size());
    for (std::size_t i = 0; i < inner.size(); ++i) {
        if (inner[i] != '\\') {
            out += inner[i];
            continue;
        }
        switch (char const c = inner[++i]; c) {
        case 'b':
            out += '\b';
            break;
        case 't':
            out += '\t';
            break;
        case 'n':
            out += '\n';
            break;
        case 'f':
            out += '\f';
            break;
        case 'r':
            out += '\r';
            break;
        case 'u': // canonical text has no other than \u00XX
            out += static_cast<char>(hex_value(inner[i + 3]) * 16 + hex_value(inner[i + 4]));
            i += 4;
            break;
        default:
            out += c;
        }
    }
    return out;
}

std::string cut_key(std::string_view escaped) {
    constexpr std::size_t bytes_max = 48;
    if (escaped.empty())
        return R"("")";
    if (escaped.size() <= bytes_max)
        return std::string(escaped);
    std::size_t end = bytes_max;
    while (end > 0 && (static_cast<unsigned char>(escaped[end]) & 0xc0) == 0x80)
        --end;
    return std::string(escaped.substr(0, end)) + "…";
}

} // namespace klen::webhooks::event
