#pragma once

#include "klen/webhooks/base/result.hpp"

#include <boost/asio/ip/address.hpp>

#include <array>
#include <cstdint>
#include <string>
#include <vector>

namespace klen::webhooks::egress {

/// Where something of ours listens: our API, our metrics, our database.
struct own_endpoint {
    std::string range; ///< an address, or a CIDR range of them
    std::uint16_t port = 0;
};

/// Judges addresses by the registries of special-use addresses (RFC 6890 and its successors) and the configuration.
/// Immutable after construction, so usable from every thread.
class address_guard {
  public:
    /// `allowed` and `refused`: CIDR ranges; `refused` wins over `allowed`, `allowed` over the built-in table.
    static result<address_guard> create(std::vector<std::string> const& allowed,
                                        std::vector<std::string> const& refused);

    /// These are refused whatever range is allowed: who may make a webhook must not reach through it what trusts us.
    result<void> refuse(std::vector<own_endpoint> const& own);

    /// IPv4-mapped IPv6 addresses are unmapped first and judged as IPv4.
    bool allows(boost::asio::ip::address const& address) const;
    /// The same, and that nothing of ours listens there. What is dialled is judged by this one.
    bool allows(boost::asio::ip::address const& address, std::uint16_t port) const;

    /// Does config open at least one special-use range? (Then local names may be resolved, too.)
    bool allows_some_local() const { return allows_some_local_; }

  private:
    struct range {
        std::array<unsigned char, 16> prefix{}; ///< IPv4 as ::ffff:a.b.c.d
        int bits = 0;
    };
    static bool parse_range(std::string const& text, range& out);
    static bool contains(range const& r, std::array<unsigned char, 16> const& address);

    struct own_range {
        range where;
        std::uint16_t port = 0;
    };

    std::vector<range> allowed_;
    std::vector<range> refused_;
    std::vector<own_range> own_;
    bool allows_some_local_ = false;
};

} // namespace klen::webhooks::egress
