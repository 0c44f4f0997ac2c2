#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace klen::webhooks {

/// Value of one hex digit of either case; -1 when it is none.
constexpr int hex_value(char c) {
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/// Lower-case hex.
std::string hex_encode(std::span<std::uint8_t const> bytes);
std::optional<std::vector<std::uint8_t>> hex_decode(std::string_view text);

/// RFC 4648 §4, with padding.
std::string base64_encode(std::span<std::uint8_t const> bytes);
/// Strict: canonical padding and zero trailing bits, no white space, no URL alphabet.
std::optional<std::vector<std::uint8_t>> base64_decode(std::string_view text);

/// Fills with bytes from the operating system's generator (through OpenSSL). Aborts if there are none: every use is
/// a key, a nonce or an id.
void random_bytes(std::span<std::uint8_t> out);

/// True when `text` is well-formed UTF-8 (RFC 3629: no overlong forms, no surrogates, nothing past U+10FFFF).
bool is_utf8(std::string_view text);

inline std::span<std::uint8_t const> as_bytes(std::string_view text) {
    return {reinterpret_cast<std::uint8_t const*>(text.data()), text.size()};
}

} // namespace klen::webhooks
