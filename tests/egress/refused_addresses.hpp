#pragma once

#include <string>
#include <vector>

namespace klen::webhooks::testing {

/// Of every range that no request may reach: its first address, and its last or one that matters.
inline std::vector<std::string> const& refused_addresses() {
    static std::vector<std::string> const all{
        // IPv4
        "0.0.0.0", "0.255.255.255",       // "this network"
        "10.0.0.0", "10.255.255.255",     // private
        "100.64.0.0", "100.127.255.255",  // carrier-grade NAT
        "127.0.0.1", "127.255.255.255",   // loopback
        "169.254.0.0", "169.254.169.254", // link-local; metadata
        "172.16.0.0", "172.31.255.255",   // private
        "192.0.0.0", "192.0.0.255",       // protocol assignments
        "192.0.2.0", "192.0.2.255",       // documentation
        "192.88.99.0", "192.88.99.255",   // 6to4 relays
        "192.168.0.0", "192.168.255.255", // private
        "198.18.0.0", "198.19.255.255",   // benchmarking
        "198.51.100.0", "198.51.100.255", // documentation
        "203.0.113.0", "203.0.113.255",   // documentation
        "224.0.0.1", "239.255.255.255",   // multicast
        "240.0.0.0", "255.255.255.255",   // reserved, broadcast
        "168.63.129.16",                  // a cloud's host agent
        // IPv6
        "::", "::1",                                                     // unspecified, loopback
        "::7f00:1", "::a00:1",                                           // IPv4-compatible
        "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:192.0.2.1",       // IPv4-mapped
        "::ffff:0:a00:1",                                                // IPv4-translated
        "64:ff9b::a00:1", "64:ff9b:1::1",                                // NAT64
        "100::1",                                                        // discard-only
        "1fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",                       // below global unicast
        "2001::1", "2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff",             // protocol assignments: Teredo, ORCHID, …
        "2001:db8::1", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff",         // documentation
        "2002:7f00:1::1", "2002:ffff:ffff:ffff:ffff:ffff:ffff:ff",       // 6to4
        "3fff::1", "3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff",             // documentation
        "4000::1", "5f00::1",                                            // above global unicast; segment routing
        "fc00::1", "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",            // unique local
        "fe80::1", "febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff",            // link-local
        "fec0::1", "feff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",            // site-local
        "ff00::1", "ff02::1", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", // multicast
    };
    return all;
}

/// As it stands in a URL.
inline std::string as_host(std::string const& address) {
    return address.find(':') == std::string::npos ? address : "[" + address + "]";
}

} // namespace klen::webhooks::testing
