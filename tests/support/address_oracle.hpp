#pragma once

#include <boost/asio/ip/address.hpp>

#include <array>
#include <cstdint>
#include <vector>

/// Which addresses belong to the public: what the guard must say, written in another way than the guard. Not as
/// prefixes that are refused, but as the intervals that cover everything, from the IANA registries.
namespace klen::webhooks::testing {

namespace ip = boost::asio::ip;

struct interval4 {
    char const* first;
    char const* last;
};
/// What is left of IPv4 for the public, in order.
constexpr std::array<interval4, 14> public4{{
    {"1.0.0.0", "9.255.255.255"},
    {"11.0.0.0", "100.63.255.255"},
    {"100.128.0.0", "126.255.255.255"},
    {"128.0.0.0", "168.63.129.15"},
    {"168.63.129.17", "169.253.255.255"},
    {"169.255.0.0", "172.15.255.255"},
    {"172.32.0.0", "191.255.255.255"},
    {"192.0.1.0", "192.0.1.255"},
    {"192.0.3.0", "192.88.98.255"},
    {"192.88.100.0", "192.167.255.255"},
    {"192.169.0.0", "198.17.255.255"},
    {"198.20.0.0", "198.51.99.255"},
    {"198.51.101.0", "203.0.112.255"},
    {"203.0.114.0", "223.255.255.255"},
}};

struct range4 {
    std::uint64_t first;
    std::uint64_t last;
};

inline std::vector<range4> const& table4() {
    static std::vector<range4> const out = [] {
        std::vector<range4> all;
        for (auto const& [first, last] : public4)
            all.push_back({ip::make_address_v4(first).to_uint(), ip::make_address_v4(last).to_uint()});
        return all;
    }();
    return out;
}

inline bool is_public4(std::uint64_t address) {
    for (auto const& r : table4())
        if (address <= r.last)
            return address >= r.first;
    return false;
}

using bytes16 = ip::address_v6::bytes_type;

struct interval6 {
    char const* last; ///< it begins behind the one before
    enum { refused, allowed, as_ipv4 } verdict;
};
/// All of IPv6, in order. From the IANA registries: global unicast (2000::/3), and what is special in it.
constexpr std::array<interval6, 13> whole6{{
    {"::fffe:ffff:ffff", interval6::refused},                        // unspecified, loopback, IPv4-compatible
    {"::ffff:ffff:ffff", interval6::as_ipv4},                        // IPv4-mapped
    {"1fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", interval6::refused}, // NAT64, discard-only, unassigned
    {"2000:ffff:ffff:ffff:ffff:ffff:ffff:ffff", interval6::allowed},
    {"2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff", interval6::refused}, // Teredo, benchmarking, ORCHID, …
    {"2001:db7:ffff:ffff:ffff:ffff:ffff:ffff", interval6::allowed},
    {"2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", interval6::refused}, // documentation
    {"2001:ffff:ffff:ffff:ffff:ffff:ffff:ffff", interval6::allowed},
    {"2002:ffff:ffff:ffff:ffff:ffff:ffff:ffff", interval6::refused}, // 6to4
    {"3ffe:ffff:ffff:ffff:ffff:ffff:ffff:ffff", interval6::allowed},
    {"3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff", interval6::refused}, // documentation
    {"3fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", interval6::allowed},
    {"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", interval6::refused}, // ULA, link-local, site-local, multicast, SRv6, …
}};

inline std::uint32_t low32(bytes16 const& a) {
    return std::uint32_t{a[12]} << 24 | std::uint32_t{a[13]} << 16 | std::uint32_t{a[14]} << 8 | std::uint32_t{a[15]};
}

inline bool is_public6(bytes16 const& address) {
    static std::vector<bytes16> const lasts = [] {
        std::vector<bytes16> out;
        for (auto const& i : whole6)
            out.push_back(ip::make_address_v6(i.last).to_bytes());
        return out;
    }();
    for (std::size_t i = 0; i < lasts.size(); ++i)
        if (address <= lasts[i])
            return whole6[i].verdict == interval6::as_ipv4 ? is_public4(low32(address))
                                                           : whole6[i].verdict == interval6::allowed;
    return false;
}

} // namespace klen::webhooks::testing
