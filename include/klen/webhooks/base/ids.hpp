#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <cstring>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace klen::webhooks {

/// 128 bits in network order, RFC 9562.
struct uuid {
    std::array<std::uint8_t, 16> bytes{};

    friend auto operator<=>(uuid const&, uuid const&) = default;

    /// 36 characters, lower case, with hyphens.
    std::string text() const;
    /// The same into 36 characters that the caller owns.
    void put_text(char* out) const;
    /// Takes exactly the form that `text()` gives, in either case; nothing else (no braces, no missing hyphens).
    static std::optional<uuid> parse(std::string_view text);
    bool is_nil() const { return *this == uuid{}; }
};

/// An id that cannot be mistaken for another kind's id.
template <class Tag>
struct strong_uuid {
    uuid value{};

    friend auto operator<=>(strong_uuid const&, strong_uuid const&) = default;
    std::string text() const { return value.text(); }
    static std::optional<strong_uuid> parse(std::string_view text) {
        auto v = uuid::parse(text);
        if (!v)
            return std::nullopt;
        return strong_uuid{*v};
    }
};

using event_id = strong_uuid<struct event_id_tag>;
using webhook_id = strong_uuid<struct webhook_id_tag>;
using delivery_id = strong_uuid<struct delivery_id_tag>;
using api_key_id = strong_uuid<struct api_key_id_tag>;
using secret_id = strong_uuid<struct secret_id_tag>;
using job_id = strong_uuid<struct job_id_tag>;

/// One term of one daemon: the fencing token of its leases. A daemon whose heartbeat was given up by the others
/// registers anew and gets a higher one, so what it still does under the old one matches no row.
struct instance_id {
    std::int64_t value = 0;
    friend auto operator<=>(instance_id const&, instance_id const&) = default;
};

/// Makes UUIDv7 (RFC 9562 §5.7): 48 bits of unix milliseconds, then 12 bits that count within a millisecond, then
/// 62 random bits. Ids of one thread ascend strictly, even when the clock steps back. Thread-safe (per-thread state).
uuid make_uuid_v7();

template <class Id>
Id make_id() {
    return Id{make_uuid_v7()};
}

/// The first and one-past-last UUIDv7 that carry the same millisecond as `id`: everything that was made for one
/// event lies between, which spares an index (docs/ARCHITECTURE.md, "Ids").
struct uuid_range {
    uuid first;
    uuid past_last;
};
uuid_range same_millisecond(uuid const& id);

struct uuid_hash {
    std::size_t operator()(uuid const& v) const noexcept {
        std::uint64_t tail = 0; // the random half; its low bits are uniform
        std::memcpy(&tail, v.bytes.data() + 8, sizeof tail);
        return static_cast<std::size_t>(tail * 0x9E3779B97F4A7C15ULL);
    }
};

} // namespace klen::webhooks

template <class Tag>
struct std::hash<klen::webhooks::strong_uuid<Tag>> {
    std::size_t operator()(klen::webhooks::strong_uuid<Tag> const& v) const noexcept {
        return klen::webhooks::uuid_hash{}(v.value);
    }
};
