#include "klen/webhooks/base/ids.hpp"

#include "klen/webhooks/base/encoding.hpp"

#include <algorithm>
#include <chrono>

namespace klen::webhooks {

namespace {

constexpr std::string_view hex_digits = "0123456789abcdef";
constexpr std::array<std::size_t, 4> hyphens{8, 13, 18, 23};

/// Random bytes in stock: one call to the generator serves 64 ids.
struct id_state {
    std::array<std::uint8_t, 512> stock{};
    std::size_t used = 512;
    std::uint64_t last_ms = 0;
    std::uint16_t counter = 0;

    std::uint8_t const* take8() {
        if (used + 8 > stock.size()) {
            random_bytes(stock);
            used = 0;
        }
        used += 8;
        return stock.data() + used - 8;
    }
};

void put_ms(uuid& out, std::uint64_t ms) {
    for (std::size_t i = 0; i < 6; ++i)
        out.bytes[i] = static_cast<std::uint8_t>(ms >> (40 - 8 * i));
}

} // namespace

void uuid::put_text(char* out) const {
    std::size_t at = 0;
    for (std::uint8_t byte : bytes) {
        if (at == 8 || at == 13 || at == 18 || at == 23)
            out[at++] = '-';
        out[at++] = hex_digits[byte >> 4];
        out[at++] = hex_digits[byte & 15];
    }
}

std::string uuid::text() const {
    std::string out(36, '-');
    put_text(out.data());
    return out;
}

std::optional<uuid> uuid::parse(std::string_view text) {
    if (text.size() != 36)
        return std::nullopt;
    uuid out;
    std::size_t nibble = 0;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (std::ranges::find(hyphens, i) != hyphens.end()) {
            if (text[i] != '-')
                return std::nullopt;
            continue;
        }
        int const v = hex_value(text[i]);
        if (v < 0)
            return std::nullopt;
        auto& byte = out.bytes[nibble / 2];
        byte = static_cast<std::uint8_t>((byte << 4) | v);
        ++nibble;
    }
    return out;
}

uuid make_uuid_v7() {
    thread_local id_state state;
    auto const now = std::chrono::system_clock::now().time_since_epoch();
    auto const ms = static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(now).count());
    std::uint8_t const* random = state.take8();
    if (ms > state.last_ms) {
        state.last_ms = ms;
        // Half of the counter's range is left for ids of the same millisecond.
        state.counter = static_cast<std::uint16_t>(((random[0] << 8) | random[1]) & 0x7ff);
        random = state.take8();
    } else if (++state.counter > 0xfff) {
        // The counter is used up, or the clock stepped back: borrow from the future rather than repeat an id.
        ++state.last_ms;
        state.counter = 0;
    }
    uuid out;
    put_ms(out, state.last_ms);
    out.bytes[6] = static_cast<std::uint8_t>(0x70 | (state.counter >> 8));
    out.bytes[7] = static_cast<std::uint8_t>(state.counter);
    std::copy_n(random, 8, out.bytes.begin() + 8);
    out.bytes[8] = static_cast<std::uint8_t>((out.bytes[8] & 0x3f) | 0x80);
    return out;
}

uuid_range same_millisecond(uuid const& id) {
    std::uint64_t ms = 0;
    for (std::size_t i = 0; i < 6; ++i)
        ms = (ms << 8) | id.bytes[i];
    uuid_range out;
    put_ms(out.first, ms);
    put_ms(out.past_last, ms + 1);
    return out;
}

} // namespace klen::webhooks
