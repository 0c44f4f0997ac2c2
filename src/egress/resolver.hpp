#pragma once

#include "klen/webhooks/base/async.hpp"
#include "klen/webhooks/base/result.hpp"

#include <boost/asio/ip/address.hpp>

#include <chrono>
#include <memory>
#include <string>
#include <vector>

namespace klen::webhooks::egress {

enum class resolve_status {
    found,
    not_found, ///< NXDOMAIN, or a name without addresses
    failure,   ///< the servers answered with an error, or cannot be reached
    timeout,   ///< no answer in time
    local,     ///< this machine has no descriptor or memory left
};

struct resolution {
    resolve_status status = resolve_status::timeout;
    std::vector<boost::asio::ip::address> addresses; ///< not judged; empty unless found
    std::string reason;                              ///< of a failure, in words
};

struct resolver_options {
    std::vector<std::string> servers; ///< as `parse_dns_server` makes them; empty: the system's
    std::chrono::milliseconds timeout{};
    std::chrono::milliseconds cache_max{};
    std::chrono::milliseconds negative_cache{};
    std::size_t cached_names_max = 10'000; ///< failures among them
};

/// "192.0.2.1", "192.0.2.1:5353", "2001:db8::1" or "[2001:db8::1]:53", as c-ares wants it.
result<std::string> parse_dns_server(std::string const& text);

/// Name resolution of one io thread, by c-ares: getaddrinfo blocks a thread and cannot be cancelled. Names are
/// absolute; /etc/hosts counts first. Equal names under way at the same time are asked for once; answers are kept for
/// their time to live, failures for a short time, of so many names at most. The name servers are read once, when it is
/// made. All members on its executor.
class resolver {
  public:
    resolver(executor ex, resolver_options with);
    ~resolver();
    resolver(resolver const&) = delete;
    resolver& operator=(resolver const&) = delete;

    /// Ends at `until` at the latest. Cancellable; a question under way goes on for whoever else asks.
    task<resolution> resolve(std::string name, steady_time until);
    /// Ends all questions; who still waits gets `timeout`. Idempotent.
    void stop();

  private:
    struct impl;
    std::shared_ptr<impl> impl_;
};

} // namespace klen::webhooks::egress
