#pragma once

#include "egress/connection.hpp"
#include "egress/recent_map.hpp"
#include "klen/webhooks/base/result.hpp"

#include <boost/asio/ssl/context.hpp>

#include <memory>
#include <string>
#include <vector>

namespace klen::webhooks::egress {

using tls_session_ptr = std::unique_ptr<SSL_SESSION, void (*)(SSL_SESSION*)>;

/// TLS sessions of one client that its next connections may resume, by origin and account: resuming halves the cost of
/// a connection. The peer was verified when the session began, so a session is used for its own host only, and not
/// for longer than an hour. Of `keys_max` keys at most, the ones that got a session last, with the newest
/// `per_key_max` of each. Not thread-safe.
class tls_session_cache {
  public:
    // A session holds the peer's certificates, as its connection does: 1 KiB beside that, 5 to 15 KiB when it is alone.
    static constexpr std::size_t keys_max = 1'000;
    static constexpr std::size_t per_key_max = 2;

    void put(std::string const& key, tls_session_ptr session);
    /// The newest one that can be resumed; null when there is none.
    tls_session_ptr take(std::string const& key);

  private:
    recent_map<std::vector<tls_session_ptr>> sessions_{keys_max};
};

/// A client context: TLS 1.2 or later, peers verified against `ca_file` or the system's certificates.
result<std::shared_ptr<asio::ssl::context>> make_tls_context(std::string const& ca_file);

struct tls_peer {
    std::string host; ///< the URL's: server name indication (unless an address) and what the certificate must be for
    bool host_is_address = false;
    std::string session_key;
};
/// `context` and `sessions` are kept alive by the connection.
connection_ptr make_tls_connection(executor const& ex, std::shared_ptr<asio::ssl::context> context,
                                   std::shared_ptr<tls_session_cache> sessions, tls_peer to);

/// Sends the sessions that this connection gets to `sessions`, while that exists.
void set_session_sink(SSL* ssl, std::shared_ptr<tls_session_cache> const& sessions, std::string const& key);
bool is_tls_error(boost::system::error_code const& ec);
/// Why the handshake failed, as a sentence.
std::string describe_tls_failure(SSL* ssl, boost::system::error_code const& ec, std::string const& host);

} // namespace klen::webhooks::egress
