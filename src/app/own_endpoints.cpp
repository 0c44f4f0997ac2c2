#include "app/own_endpoints.hpp"

#include "klen/webhooks/base/log.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>

#include <memory>
#include <string>

#include <ifaddrs.h>
#include <netinet/in.h>
#include <sys/socket.h>

namespace klen::webhooks::app {

namespace ip = boost::asio::ip;

namespace {

/// Without the zone of a link-local one: a target has none.
std::string text_of(ip::address address) {
    if (address.is_v6()) {
        auto plain = address.to_v6();
        plain.scope_id(0);
        address = plain.is_v4_mapped() ? ip::address(ip::make_address_v4(ip::v4_mapped, plain)) : ip::address(plain);
    }
    return address.to_string();
}

std::vector<std::string> addresses_of_this_machine() {
    std::vector<std::string> out{"127.0.0.0/8", "0.0.0.0", "::"}; // Linux takes the last two for itself, too
    ifaddrs* first = nullptr;
    if (::getifaddrs(&first) != 0)
        return out;
    std::unique_ptr<ifaddrs, void (*)(ifaddrs*)> const owner(first, ::freeifaddrs);
    for (auto const* at = first; at != nullptr; at = at->ifa_next) {
        if (at->ifa_addr == nullptr)
            continue;
        ip::tcp::endpoint endpoint;
        auto const bytes = at->ifa_addr->sa_family == AF_INET    ? sizeof(sockaddr_in)
                           : at->ifa_addr->sa_family == AF_INET6 ? sizeof(sockaddr_in6)
                                                                 : 0;
        if (bytes == 0)
            continue;
        std::memcpy(endpoint.data(), at->ifa_addr, bytes);
        out.push_back(text_of(endpoint.address()));
    }
    return out;
}

void add(std::vector<egress::own_endpoint>& to, std::string const& host, std::uint16_t port) {
    if (port == 0 || host.empty())
        return;
    boost::asio::io_context context;
    boost::system::error_code ec;
    auto const found = ip::tcp::resolver(context).resolve(host, std::to_string(port), ec);
    if (ec)
        log::warn("a name of ours does not resolve: the egress guard does not know its address",
                  {{"host", host}, {"error.message", ec.message()}});
    for (auto const& entry : found) {
        auto const address = entry.endpoint().address();
        if (!address.is_unspecified()) {
            to.push_back({text_of(address), port});
            continue;
        }
        for (auto& own : addresses_of_this_machine())
            to.push_back({std::move(own), port});
    }
}

} // namespace

std::vector<egress::own_endpoint> own_endpoints(server_config const& server,
                                                store::connection_options const& database) {
    std::vector<egress::own_endpoint> out;
    add(out, server.listen_address, server.listen_port);
    add(out, server.operations_address, server.operations_port);
    for (auto const& [host, port] : store::tcp_hosts(database))
        add(out, host, port);
    return out;
}

} // namespace klen::webhooks::app
