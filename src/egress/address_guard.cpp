#include "klen/webhooks/egress/address_guard.hpp"

#include <boost/asio/ip/address_v4.hpp>
#include <boost/asio/ip/address_v6.hpp>

#include <algorithm>
#include <charconv>
#include <span>

namespace klen::webhooks::egress {

namespace {

namespace ip = boost::asio::ip;
using bytes16 = std::array<unsigned char, 16>;

constexpr int mapped_bits = 96;

struct v4_range {
    std::array<unsigned char, 4> prefix;
    int bits;
};

// The IANA registry of special-use IPv4 addresses, multicast, and one cloud provider's metadata address outside of it.
constexpr std::array<v4_range, 16> refused_v4{{
    {{0, 0, 0, 0}, 8},        // "this network"
    {{10, 0, 0, 0}, 8},       // private
    {{100, 64, 0, 0}, 10},    // carrier-grade NAT
    {{127, 0, 0, 0}, 8},      // loopback
    {{169, 254, 0, 0}, 16},   // link-local; metadata services
    {{172, 16, 0, 0}, 12},    // private
    {{192, 0, 0, 0}, 24},     // protocol assignments
    {{192, 0, 2, 0}, 24},     // documentation
    {{192, 88, 99, 0}, 24},   // 6to4 relays
    {{192, 168, 0, 0}, 16},   // private
    {{198, 18, 0, 0}, 15},    // benchmarking
    {{198, 51, 100, 0}, 24},  // documentation
    {{203, 0, 113, 0}, 24},   // documentation
    {{224, 0, 0, 0}, 4},      // multicast
    {{240, 0, 0, 0}, 4},      // reserved, broadcast
    {{168, 63, 129, 16}, 32}, // Azure's host agent
}};

struct v6_range {
    std::array<unsigned char, 4> prefix; ///< the first 32 bits: enough for every row
    int bits;
};

// Of IPv6 only global unicast is allowed at all, so this lists the holes in it. Everything that embeds an IPv4 address
// (NAT64, ISATAP's and the compatible form) or has a local scope lies outside of 2000::/3 or in one of these.
constexpr std::array<unsigned char, 4> global_unicast{0x20, 0, 0, 0};
constexpr int global_unicast_bits = 3;
constexpr std::array<v6_range, 4> refused_v6{{
    {{0x20, 0x01, 0x00, 0x00}, 23}, // protocol assignments: Teredo, ORCHID, benchmarking, …
    {{0x20, 0x01, 0x0d, 0xb8}, 32}, // documentation
    {{0x20, 0x02, 0x00, 0x00}, 16}, // 6to4
    {{0x3f, 0xff, 0x00, 0x00}, 20}, // documentation
}};

bool same_prefix(std::span<unsigned char const> a, std::span<unsigned char const> b, int bits) {
    auto const whole = static_cast<std::size_t>(bits / 8);
    if (!std::equal(a.begin(), a.begin() + static_cast<long>(whole), b.begin()))
        return false;
    int const rest = bits % 8;
    if (rest == 0)
        return true;
    auto const mask = static_cast<unsigned char>(0xff << (8 - rest));
    return (a[whole] & mask) == (b[whole] & mask);
}

/// IPv4 as ::ffff:a.b.c.d, which is also what unmapping and judging as IPv4 comes to.
bytes16 to_bytes16(ip::address const& address) {
    if (address.is_v6())
        return address.to_v6().to_bytes();
    auto const four = address.to_v4().to_bytes();
    bytes16 out{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    std::copy(four.begin(), four.end(), out.begin() + 12);
    return out;
}

bool is_mapped(bytes16 const& a) {
    constexpr bytes16 mapped{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    return same_prefix(a, mapped, mapped_bits);
}

bool is_special_use(bytes16 const& a) {
    if (is_mapped(a)) {
        auto const four = std::span(a).subspan(12);
        return std::any_of(refused_v4.begin(), refused_v4.end(),
                           [&](v4_range const& r) { return same_prefix(four, r.prefix, r.bits); });
    }
    if (!same_prefix(a, global_unicast, global_unicast_bits))
        return true;
    return std::any_of(refused_v6.begin(), refused_v6.end(),
                       [&](v6_range const& r) { return same_prefix(a, r.prefix, r.bits); });
}

} // namespace

bool address_guard::contains(range const& r, bytes16 const& address) {
    // "::/0" means every IPv6 address; the IPv4 ones, which only look like a part of it in here, are not meant.
    if (r.bits < mapped_bits && is_mapped(address))
        return false;
    return same_prefix(r.prefix, address, r.bits);
}

bool address_guard::parse_range(std::string const& text, range& out) {
    auto const slash = text.find('/');
    boost::system::error_code ec;
    auto const address = ip::make_address(text.substr(0, slash), ec);
    if (ec || (address.is_v6() && address.to_v6().scope_id() != 0))
        return false;
    int const width = address.is_v4() ? 32 : 128;
    int bits = width;
    if (slash != std::string::npos) {
        char const* const first = text.data() + slash + 1;
        char const* const last = text.data() + text.size();
        auto const [end, error] = std::from_chars(first, last, bits);
        if (error != std::errc{} || end != last || first == last || bits < 0 || bits > width)
            return false;
    }
    out.bits = address.is_v4() ? bits + mapped_bits : bits;
    out.prefix = to_bytes16(address);
    // "10.0.0.1/8" is more likely a slip than a range.
    for (int bit = out.bits; bit < 128; ++bit)
        if ((out.prefix[static_cast<std::size_t>(bit / 8)] >> (7 - bit % 8) & 1) != 0)
            return false;
    return true;
}

result<address_guard> address_guard::create(std::vector<std::string> const& allowed,
                                            std::vector<std::string> const& refused) {
    address_guard out;
    auto const parse_all = [](std::vector<std::string> const& texts, std::vector<range>& into) -> std::string const* {
        for (auto const& text : texts)
            if (!parse_range(text, into.emplace_back()))
                return &text;
        return nullptr;
    };
    auto const* wrong = parse_all(allowed, out.allowed_);
    if (wrong == nullptr)
        wrong = parse_all(refused, out.refused_);
    if (wrong != nullptr)
        return failure{fault::invalid_argument,
                       "\"" + *wrong +
                           "\" is not a range of addresses: write an address, a slash and the number of leading bits, "
                           "with no bit set after them, such as 10.0.0.0/8, 192.0.2.7/32 or fd00::/8"};

    // A range opens something local when it begins in a special-use range or reaches over one: ranges nest or are
    // apart, so comparing the shorter prefixes finds both.
    auto const reaches_special = [](range const& r) {
        if (is_special_use(r.prefix))
            return true;
        if (r.bits >= mapped_bits && is_mapped(r.prefix))
            return std::any_of(refused_v4.begin(), refused_v4.end(), [&](v4_range const& s) {
                return r.bits <= s.bits + mapped_bits &&
                       same_prefix(std::span(r.prefix).subspan(12), s.prefix, r.bits - mapped_bits);
            });
        return std::any_of(refused_v6.begin(), refused_v6.end(), [&](v6_range const& s) {
            return r.bits <= s.bits && same_prefix(r.prefix, s.prefix, r.bits);
        });
    };
    out.allows_some_local_ = std::any_of(out.allowed_.begin(), out.allowed_.end(), reaches_special);
    return out;
}

result<void> address_guard::refuse(std::vector<own_endpoint> const& own) {
    for (auto const& [text, port] : own) {
        own_range fresh;
        fresh.port = port;
        if (!parse_range(text, fresh.where))
            return failure{fault::invalid_argument, "\"" + text + "\" is not a range of addresses"};
        own_.push_back(fresh);
    }
    return {};
}

bool address_guard::allows(ip::address const& address, std::uint16_t port) const {
    if (!allows(address))
        return false;
    auto const bytes = to_bytes16(address);
    return std::none_of(own_.begin(), own_.end(),
                        [&](own_range const& o) { return o.port == port && contains(o.where, bytes); });
}

bool address_guard::allows(ip::address const& address) const {
    auto const bytes = to_bytes16(address);
    auto const in = [&](std::vector<range> const& ranges) {
        return std::any_of(ranges.begin(), ranges.end(), [&](range const& r) { return contains(r, bytes); });
    };
    if (in(refused_))
        return false;
    if (in(allowed_))
        return true;
    return !is_special_use(bytes);
}

} // namespace klen::webhooks::egress
