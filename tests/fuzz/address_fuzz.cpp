// Hostile ranges, and addresses judged under them: 16 bytes of address, then the text of a range. Without ranges the
// verdict is an independent table's.
#include "support/address_oracle.hpp"

#include "klen/webhooks/egress/address_guard.hpp"

#include <boost/asio/ip/address.hpp>

#include <algorithm>
#include <cstdint>
#include <cstdlib>

namespace {

using namespace klen::webhooks;
namespace ip = boost::asio::ip;

void require(bool holds) {
    if (!holds)
        std::abort();
}

void check(egress::address_guard const& guard, ip::address_v6 const& six) {
    static_cast<void>(guard.allows(six));
    ip::address_v4::bytes_type low;
    std::copy_n(six.to_bytes().begin() + 12, 4, low.begin());
    ip::address_v4 const four(low);
    require(guard.allows(four) == guard.allows(ip::make_address_v6(ip::v4_mapped, four)));
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
    ip::address_v6::bytes_type bytes{};
    std::copy_n(data, std::min(size, bytes.size()), bytes.begin());
    ip::address_v6 const six(bytes);
    std::string const range(reinterpret_cast<char const*>(data) + std::min(size, bytes.size()),
                            size - std::min(size, bytes.size()));

    auto const usual = egress::address_guard::create({}, {});
    require(usual.has_value());
    check(*usual, six);
    require(usual->allows(six) == testing::is_public6(bytes));
    require(usual->allows(ip::address_v4(testing::low32(bytes))) == testing::is_public4(testing::low32(bytes)));
    require(!usual->allows(ip::address_v6::loopback()) && !usual->allows(ip::address_v4::loopback()));
    if (auto const opened = egress::address_guard::create({range}, {})) {
        check(*opened, six);
        auto const closed = egress::address_guard::create({range}, {range});
        require(closed.has_value());
        require(!closed->allows(six) || usual->allows(six)); // closing wins over opening
    }
    return 0;
}
