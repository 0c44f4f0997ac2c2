// The address guard against tables that were written in another way: not as prefixes that are refused, but as the
// intervals that are left. All of IPv4, and IPv6 addresses of every construction that is known.
#include "support/address_oracle.hpp"
#include "support/sanitized.hpp"

#include "klen/webhooks/egress/address_guard.hpp"

#include <boost/asio/ip/address.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdlib>
#include <random>
#include <thread>

namespace klen::webhooks::egress {
namespace {

namespace ip = boost::asio::ip;
using testing::bytes16;
using testing::is_public4;
using testing::is_public6;
using testing::table4;
using testing::whole6;

using testing::sanitized;

bool allowed4(address_guard const& guard, std::uint64_t address) {
    return guard.allows(ip::address_v4(static_cast<std::uint32_t>(address)));
}

/// How many of [first, last] the guard judges otherwise than the table; `step` apart.
std::uint64_t differences(address_guard const& guard, std::uint64_t first, std::uint64_t last, std::uint64_t step) {
    std::uint64_t wrong = 0;
    for (std::uint64_t a = first; a <= last; a += step)
        wrong += allowed4(guard, a) != is_public4(a) ? 1 : 0;
    return wrong;
}

constexpr std::uint64_t all4 = std::uint64_t{1} << 32;

TEST(address_sweep, the_table_adds_up) {
    std::uint64_t left = 0;
    for (auto const& r : table4())
        left += r.last - r.first + 1;
    std::uint64_t taken = 1; // 168.63.129.16
    for (int const bits : {8, 8, 10, 8, 16, 12, 24, 24, 24, 16, 15, 24, 24, 4, 4})
        taken += std::uint64_t{1} << (32 - bits);
    EXPECT_EQ(left + taken, all4);
}

TEST(address_sweep, ipv4_at_every_border_and_in_every_256th_part) {
    auto const guard = address_guard::create({}, {}).value();
    constexpr std::uint64_t near = 1024;
    for (auto const& r : table4())
        for (std::uint64_t const border : {r.first, r.last + 1})
            EXPECT_EQ(differences(guard, border - near, border + near, 1), 0U)
                << ip::address_v4(static_cast<std::uint32_t>(border));
    EXPECT_EQ(differences(guard, 0, near, 1), 0U);
    EXPECT_EQ(differences(guard, all4 - near, all4 - 1, 1), 0U);
    // 251 is odd and below 256, so no /24 is left out and every last byte has its turn.
    EXPECT_EQ(differences(guard, 0, all4 - 1, sanitized ? 251 * 101 : 251), 0U);
}

// KLEN_ADDRESS_SWEEP=0-255: every address whose first byte is in there, by all processors. All of them take minutes.
TEST(address_sweep, all_of_ipv4) {
    auto const* const told = std::getenv("KLEN_ADDRESS_SWEEP");
    if (told == nullptr)
        GTEST_SKIP() << "KLEN_ADDRESS_SWEEP=0-255 runs it";
    char* dash = nullptr;
    unsigned long const first = std::strtoul(told, &dash, 10);
    char* end = dash;
    unsigned long const last = *dash == '-' ? std::strtoul(dash + 1, &end, 10) : 0;
    ASSERT_TRUE(end != dash && *end == '\0' && first <= last && last <= 255) << "like 0-255: " << told;
    auto const guard = address_guard::create({}, {}).value();
    constexpr std::uint64_t part = std::uint64_t{1} << 24;
    std::atomic<std::uint64_t> next{first};
    std::atomic<std::uint64_t> wrong{0};
    std::atomic<std::uint64_t> seen{0};
    std::vector<std::jthread> threads;
    for (unsigned i = 0; i < std::max(1U, std::thread::hardware_concurrency()); ++i)
        threads.emplace_back([&] {
            for (std::uint64_t n; (n = next.fetch_add(1)) <= last;) {
                wrong += differences(guard, n * part, (n + 1) * part - 1, 1);
                seen += part;
            }
        });
    threads.clear();
    EXPECT_EQ(seen, (last - first + 1) * part);
    EXPECT_EQ(wrong, 0U);
    RecordProperty("addresses", std::to_string(seen));
}

// --- IPv6

/// A construction of IPv6 addresses: a prefix, and where an IPv4 address may be hidden in it.
struct construction {
    char const* prefix;
    std::size_t ipv4_at; ///< byte; 16: nowhere
    bool inverted;       ///< as Teredo does
};
constexpr std::array<construction, 40> constructions{{
    {"::", 12, false},                  // compatible
    {"::ffff:0:0", 12, false},          // mapped
    {"::ffff:0:0:0", 12, false},        // translated (SIIT)
    {"64:ff9b::", 12, false},           // NAT64
    {"64:ff9b:1::", 12, false},         // NAT64, local
    {"64:ff9b:1:fffe::", 12, false},    //
    {"2002::", 2, false},               // 6to4
    {"2001::", 12, true},               // Teredo: the client
    {"2001::", 4, false},               // Teredo: the server
    {"2a00:1450::5efe:0:0", 12, false}, // ISATAP
    {"fe80::5efe:0:0", 12, false},      //
    {"fe80::200:5efe:0:0", 12, false},  //
    {"2606:4700::", 12, false},         // in a public prefix, where it means nothing
    {"2606:4700:0:ffff::", 12, false},  //
    {"::", 16, false},
    {"::1", 16, false},
    {"100::", 16, false}, // discard-only
    {"100:0:0:1::", 16, false},
    {"1fff::", 16, false},
    {"2000::", 16, false},
    {"2001:1::", 16, false}, // port control, TURN
    {"2001:2::", 16, false}, // benchmarking
    {"2001:3::", 16, false}, // AMT
    {"2001:4:112::", 16, false},
    {"2001:10::", 16, false}, // ORCHID
    {"2001:20::", 16, false}, // ORCHIDv2
    {"2001:30::", 16, false}, // drone ids
    {"2001:1ff::", 16, false},
    {"2001:200::", 16, false},
    {"2001:db8::", 16, false},
    {"2003::", 16, false},
    {"2620:4f:8000::", 16, false}, // AS112
    {"3fff::", 16, false},
    {"3fff:1000::", 16, false},
    {"4000::", 16, false},
    {"5f00::", 16, false}, // segment routing
    {"fc00::", 16, false},
    {"fd00::", 16, false},
    {"fec0::", 16, false},
    {"ff02::", 16, false},
}};

constexpr std::array<char const*, 12> hidden{"127.0.0.1",  "10.0.0.1",  "169.254.169.254", "192.168.1.1",
                                             "172.31.0.1", "0.0.0.0",   "255.255.255.255", "100.64.0.1",
                                             "198.18.0.1", "224.0.0.1", "8.8.8.8",         "168.63.129.16"};

class generator {
  public:
    explicit generator(std::uint64_t seed) : random_(seed) {}

    bytes16 next() {
        auto const& how = constructions[below(constructions.size())];
        auto out = ip::make_address_v6(how.prefix).to_bytes();
        // Behind the prefix: zeros, or chance from some byte on.
        if (std::size_t const from = 2 + below(15); below(2) == 0)
            for (std::size_t i = std::max(from, how.ipv4_at == 16 ? from : how.ipv4_at); i < out.size(); ++i)
                out[i] = static_cast<unsigned char>(random_());
        if (how.ipv4_at < 16) {
            auto const four = below(4) == 0 ? ip::address_v4(static_cast<std::uint32_t>(random_())).to_bytes()
                                            : ip::make_address_v4(hidden[below(hidden.size())]).to_bytes();
            for (std::size_t i = 0; i < four.size(); ++i)
                out[how.ipv4_at + i] = static_cast<unsigned char>(how.inverted ? ~four[i] : four[i]);
        }
        // A neighbour: one bit, or one more or less in some group.
        if (below(4) == 0)
            out[below(16)] ^= static_cast<unsigned char>(1U << below(8));
        if (below(8) == 0)
            out[below(16)] = static_cast<unsigned char>(out[below(16)] + (below(2) == 0 ? 1 : 255));
        return out;
    }

  private:
    std::size_t below(std::size_t n) { return random_() % n; }
    std::mt19937_64 random_;
};

TEST(address_sweep, a_million_structured_ipv6_addresses) {
    auto const guard = address_guard::create({}, {}).value();
    auto const seed = std::random_device{}();
    SCOPED_TRACE("seed " + std::to_string(seed));
    generator addresses(seed);
    constexpr int count = sanitized ? 100'000 : 1'000'000;
    int allowed = 0;
    for (int i = 0; i < count; ++i) {
        ip::address_v6 const a(addresses.next());
        bool const expected = is_public6(a.to_bytes());
        ASSERT_EQ(guard.allows(a), expected) << a.to_string();
        allowed += expected ? 1 : 0;
        if (i % 100 == 0) { // and so it is after a way through text, as a URL or an answer would bring it
            ASSERT_EQ(guard.allows(ip::make_address(a.to_string())), expected) << a.to_string();
        }
    }
    EXPECT_GT(allowed, count / 20);
    EXPECT_LT(allowed, count / 2);
}

TEST(address_sweep, ipv6_at_every_border) {
    auto const guard = address_guard::create({}, {}).value();
    auto const step = [](bytes16 a, bool up) {
        for (std::size_t i = a.size(); i-- > 0;) {
            a[i] = static_cast<unsigned char>(up ? a[i] + 1 : a[i] - 1);
            if (a[i] != (up ? 0 : 0xff))
                break;
        }
        return a;
    };
    for (auto const& i : whole6) {
        auto const last = ip::make_address_v6(i.last).to_bytes();
        for (auto const& a : {step(last, false), last, step(last, true)})
            EXPECT_EQ(guard.allows(ip::address_v6(a)), is_public6(a)) << ip::address_v6(a).to_string();
    }
}

TEST(address_sweep, every_ipv4_address_is_judged_alike_in_its_mapped_form) {
    auto const guard = address_guard::create({}, {}).value();
    for (std::uint64_t a = 0; a < all4; a += std::uint64_t{65'521} * (sanitized ? 10 : 1)) {
        ip::address_v4 const four(static_cast<std::uint32_t>(a));
        ASSERT_EQ(guard.allows(ip::make_address_v6(ip::v4_mapped, four)), is_public4(a)) << four;
    }
}

} // namespace
} // namespace klen::webhooks::egress
