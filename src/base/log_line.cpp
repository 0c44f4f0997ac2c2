#include "base/log_line.hpp"

#include <array>
#include <cstdint>
#include <optional>

namespace klen::webhooks::log {

namespace {

constexpr std::size_t text_bytes_max = 512;
constexpr std::string_view hex_digits = "0123456789abcdef";

constexpr std::array<std::string_view, 6> level_names{"trace", "debug", "info", "warn", "error", "off"};

std::string_view name_of(level severity) { return level_names[static_cast<std::size_t>(severity)]; }

bool is_plain(unsigned char c) { return c >= 0x20 && c < 0x7f && c != '"' && c != '\\'; }

struct code_point {
    std::uint32_t value = 0;
    std::size_t bytes = 1;
};

/// The code point that `text` begins with, or nothing if that is no UTF-8 (RFC 3629).
std::optional<code_point> first_code_point(std::string_view text) {
    auto const byte = [&](std::size_t i) { return static_cast<std::uint32_t>(static_cast<unsigned char>(text[i])); };
    std::uint32_t const head = byte(0);
    if (head < 0x80)
        return code_point{head, 1};
    std::size_t const bytes = head >= 0xf0 ? 4 : head >= 0xe0 ? 3 : 2;
    if (head < 0xc2 || head > 0xf4 || text.size() < bytes)
        return std::nullopt;
    std::uint32_t value = head & (0xffU >> (bytes + 1));
    for (std::size_t i = 1; i < bytes; ++i) {
        if ((byte(i) & 0xc0) != 0x80)
            return std::nullopt;
        value = value << 6 | (byte(i) & 0x3f);
    }
    bool const overlong = (bytes == 3 && value < 0x800) || (bytes == 4 && value < 0x10000);
    bool const surrogate = value >= 0xd800 && value <= 0xdfff;
    if (overlong || surrogate || value > 0x10ffff)
        return std::nullopt;
    return code_point{value, bytes};
}

/// Characters that end a line for some viewer, move the cursor, hide, or turn the direction of what follows: with
/// them a text from outside could look like another line or another field.
bool is_deceptive(std::uint32_t c) {
    return c < 0x20 || (c >= 0x7f && c <= 0x9f) || (c >= 0x200b && c <= 0x200f) || (c >= 0x2028 && c <= 0x202e) ||
           (c >= 0x2060 && c <= 0x2069) || c == 0xfeff || (c >= 0xfff9 && c <= 0xfffb) ||
           (c >= 0xe0000 && c <= 0xe007f);
}

void append_hex4(std::string& out, std::uint32_t unit) {
    out += "\\u";
    for (int shift = 12; shift >= 0; shift -= 4)
        out += hex_digits[(unit >> shift) & 15];
}

void append_escaped(std::string& out, std::uint32_t c) {
    switch (c) {
    case '"':
        out += "\\\"";
        return;
    case '\\':
        out += "\\\\";
        return;
    case '\n':
        out += "\\n";
        return;
    case '\r':
        out += "\\r";
        return;
    case '\t':
        out += "\\t";
        return;
    default:
        break;
    }
    if (c < 0x10000)
        return append_hex4(out, c);
    append_hex4(out, 0xd800 + ((c - 0x10000) >> 10));
    append_hex4(out, 0xdc00 + ((c - 0x10000) & 0x3ff));
}

/// The part of `text` that is shown: at most 512 bytes, not ending inside a character.
std::string_view cut(std::string_view text) {
    if (text.size() <= text_bytes_max)
        return text;
    std::size_t end = text_bytes_max;
    for (int back = 0; back < 3 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80; ++back)
        --end;
    return text.substr(0, end);
}

/// JSON's escapes serve for text too; only a byte that is no UTF-8 differs, as JSON cannot show it.
void append_text(std::string& out, std::string_view whole, format as) {
    std::string_view const text = cut(whole);
    std::size_t i = 0;
    while (i < text.size()) {
        std::size_t plain = i;
        while (plain < text.size() && is_plain(static_cast<unsigned char>(text[plain])))
            ++plain;
        out.append(text, i, plain - i);
        i = plain;
        if (i == text.size())
            break;
        auto const c = first_code_point(text.substr(i));
        if (!c) {
            auto const byte = static_cast<unsigned char>(text[i++]);
            if (as == format::json)
                out += "\\ufffd";
            else
                out.append("\\x").append(1, hex_digits[byte >> 4]).append(1, hex_digits[byte & 15]);
            continue;
        }
        if (c->value == '"' || c->value == '\\' || is_deceptive(c->value))
            append_escaped(out, c->value);
        else
            out.append(text, i, c->bytes);
        i += c->bytes;
    }
    if (text.size() < whole.size())
        out += "…";
}

void append_quoted(std::string& out, std::string_view text, format as) {
    out += '"';
    append_text(out, text, as);
    out += '"';
}

/// Every line asks for the time, but the second changes seldom.
void append_time(std::string& out, wall_time at) {
    thread_local std::int64_t known_second = -1;
    thread_local std::array<char, 20> known{}; // "2026-03-02T09:18:41."
    auto const ms = std::chrono::floor<std::chrono::milliseconds>(at.time_since_epoch()).count();
    if (ms < 0 || ms / 1000 != known_second) {
        std::string const text = rfc3339_ms(at);
        if (ms < 0 || text.size() != known.size() + 4) {
            out += text;
            return;
        }
        text.copy(known.data(), known.size());
        known_second = ms / 1000;
    }
    auto const rest = static_cast<int>(ms % 1000);
    out.append(known.data(), known.size());
    for (int const digit : {rest / 100, rest / 10 % 10, rest % 10})
        out += static_cast<char>('0' + digit);
    out += 'Z';
}

bool needs_quotes(std::string_view text) {
    if (text.empty() || text.size() > text_bytes_max)
        return true;
    for (char const c : text) {
        if (c == ' ' || c == '=' || !is_plain(static_cast<unsigned char>(c)))
            return true;
    }
    return false;
}

} // namespace

std::string service_members(std::string_view service_version, int pid) {
    std::string out = R"("ecs.version":"8.11.0","service.name":"klen-webhooks","service.version":)";
    append_quoted(out, service_version, format::json);
    return out.append(R"(,"process.pid":)").append(std::to_string(pid));
}

void append_json_line(std::string& out, line const& what, std::string_view service) {
    out += R"({"@timestamp":")";
    append_time(out, what.at);
    out.append(R"(","log.level":")").append(name_of(what.severity)).append(R"(","message":)");
    append_quoted(out, what.message, format::json);
    out.append(1, ',').append(service);
    for (field const& f : what.what) {
        out += ',';
        append_quoted(out, f.name(), format::json);
        out += ':';
        if (f.raw())
            out += f.text();
        else
            append_quoted(out, f.text(), format::json);
    }
    out += "}\n";
}

void append_text_line(std::string& out, line const& what) {
    append_time(out, what.at);
    std::string_view const name = name_of(what.severity);
    out.append(1, ' ').append(name).append(6 - name.size(), ' ');
    append_text(out, what.message, format::text);
    char const* gap = "  ";
    for (field const& f : what.what) {
        out.append(gap).append(f.name()).append(1, '=');
        if (f.raw() || !needs_quotes(f.text()))
            out += f.text();
        else
            append_quoted(out, f.text(), format::text);
        gap = " ";
    }
    out += '\n';
}

} // namespace klen::webhooks::log
