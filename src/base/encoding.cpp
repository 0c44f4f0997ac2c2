#include "klen/webhooks/base/encoding.hpp"

#include "klen/webhooks/base/log.hpp"

#include <array>
#include <openssl/rand.h>

namespace klen::webhooks {

namespace {

constexpr std::string_view hex_digits = "0123456789abcdef";
constexpr std::string_view base64_digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

constexpr std::array<std::int8_t, 256> reverse(std::string_view digits) {
    std::array<std::int8_t, 256> out{};
    out.fill(-1);
    for (std::size_t i = 0; i < digits.size(); ++i)
        out[static_cast<unsigned char>(digits[i])] = static_cast<std::int8_t>(i);
    return out;
}
constexpr auto base64_values = reverse(base64_digits);

} // namespace

std::string hex_encode(std::span<std::uint8_t const> bytes) {
    std::string out(bytes.size() * 2, '0');
    std::size_t at = 0;
    for (std::uint8_t byte : bytes) {
        out[at++] = hex_digits[byte >> 4];
        out[at++] = hex_digits[byte & 15];
    }
    return out;
}

std::optional<std::vector<std::uint8_t>> hex_decode(std::string_view text) {
    if (text.size() % 2 != 0)
        return std::nullopt;
    std::vector<std::uint8_t> out;
    out.reserve(text.size() / 2);
    for (std::size_t i = 0; i < text.size(); i += 2) {
        int const high = hex_value(text[i]);
        int const low = hex_value(text[i + 1]);
        if (high < 0 || low < 0)
            return std::nullopt;
        out.push_back(static_cast<std::uint8_t>(high * 16 + low));
    }
    return out;
}

std::string base64_encode(std::span<std::uint8_t const> bytes) {
    std::string out;
    out.reserve((bytes.size() + 2) / 3 * 4);
    std::size_t i = 0;
    auto put = [&](std::uint32_t bits, int digits) {
        for (int d = 0; d < 4; ++d)
            out.push_back(d < digits ? base64_digits[(bits >> (18 - 6 * d)) & 63] : '=');
    };
    auto at = [&](std::size_t k) { return static_cast<std::uint32_t>(bytes[k]); };
    for (; i + 3 <= bytes.size(); i += 3)
        put(at(i) << 16 | at(i + 1) << 8 | at(i + 2), 4);
    if (bytes.size() - i == 2)
        put(at(i) << 16 | at(i + 1) << 8, 3);
    else if (bytes.size() - i == 1)
        put(at(i) << 16, 2);
    return out;
}

std::optional<std::vector<std::uint8_t>> base64_decode(std::string_view text) {
    if (text.size() % 4 != 0)
        return std::nullopt;
    std::size_t padding = 0;
    while (padding < 2 && padding < text.size() && text[text.size() - 1 - padding] == '=')
        ++padding;
    std::vector<std::uint8_t> out;
    out.reserve(text.size() / 4 * 3);
    for (std::size_t i = 0; i < text.size(); i += 4) {
        std::size_t const digits = i + 4 == text.size() ? 4 - padding : 4;
        std::uint32_t bits = 0;
        for (std::size_t d = 0; d < 4; ++d) {
            std::int8_t const v = d < digits ? base64_values[static_cast<unsigned char>(text[i + d])] : std::int8_t{0};
            if (v < 0)
                return std::nullopt;
            bits = bits << 6 | static_cast<std::uint32_t>(v);
        }
        // Bits that the padding cuts off must be zero: one text a value (RFC 4648 §3.5).
        if ((digits == 3 && (bits & 0xff) != 0) || (digits == 2 && (bits & 0xffff) != 0))
            return std::nullopt;
        out.push_back(static_cast<std::uint8_t>(bits >> 16));
        if (digits > 2)
            out.push_back(static_cast<std::uint8_t>(bits >> 8));
        if (digits > 3)
            out.push_back(static_cast<std::uint8_t>(bits));
    }
    return out;
}

void random_bytes(std::span<std::uint8_t> out) {
    if (RAND_bytes(out.data(), static_cast<int>(out.size())) != 1)
        bug("the random number generator failed");
}

bool is_utf8(std::string_view text) {
    auto const* p = reinterpret_cast<unsigned char const*>(text.data());
    auto const* const end = p + text.size();
    auto tail = [&](int i) { return p + i < end && (p[i] & 0xc0) == 0x80; };
    while (p != end) {
        unsigned char const c = *p;
        if (c < 0x80) {
            ++p;
        } else if (c >= 0xc2 && c <= 0xdf) {
            if (!tail(1))
                return false;
            p += 2;
        } else if ((c & 0xf0) == 0xe0) {
            if (!tail(1) || !tail(2) || (c == 0xe0 && p[1] < 0xa0) || (c == 0xed && p[1] > 0x9f))
                return false;
            p += 3;
        } else if (c >= 0xf0 && c <= 0xf4) {
            if (!tail(1) || !tail(2) || !tail(3) || (c == 0xf0 && p[1] < 0x90) || (c == 0xf4 && p[1] > 0x8f))
                return false;
            p += 4;
        } else {
            return false;
        }
    }
    return true;
}

} // namespace klen::webhooks
