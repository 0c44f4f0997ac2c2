#pragma once

#include "klen/webhooks/base/async.hpp"
#include "klen/webhooks/base/config.hpp"
#include "klen/webhooks/egress/address_guard.hpp"
#include "klen/webhooks/egress/url.hpp"
#include "klen/webhooks/policy/attempt_result.hpp"

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace klen::webhooks::egress {

/// One POST. Everything it refers to outlives the call.
struct post_request {
    target const* to = nullptr;
    std::string_view account_id; ///< connections are never shared between accounts
    std::string_view
        headers; ///< complete header lines, each with CRLF, but Host and Content-Length, which the client writes
    std::string_view body;
    steady_time deadline; ///< absolute: over name resolution, connect, TLS, request and response header
    /// Asked right before the request is written, when name, connection and TLS are ready; false: nothing is sent, and
    /// the result is a local_failure. Null: always true.
    std::function<bool()> const* may_send = nullptr;
};

/// The lines that the client writes in front of `post_request::headers`: Host and Content-Length, each with CRLF.
std::string framing_lines(target const& to, std::size_t body_bytes);

/// What dispatch sees of the network.
class http_client {
  public:
    virtual ~http_client() = default;

    /// Sends one request and tells what happened; never throws but for a cancellation, and never ends later than
    /// the deadline plus a scheduling delay. Call on the client's executor; any number at once.
    virtual task<policy::attempt_result> post(post_request request) = 0;
};

/// Counters of one client, readable from any thread.
struct client_stats {
    std::uint64_t requests = 0;
    std::uint64_t connections_opened = 0;
    std::uint64_t connections_reused = 0;
    std::uint64_t reused_connection_died = 0; ///< sent once more on a fresh connection
    std::uint64_t tls_sessions_resumed = 0;
    std::uint64_t idle_connections = 0;
};

/// The real client of one io thread: resolver, guard, connection pool, TLS. All members on its executor.
class net_client : public http_client {
  public:
    /// Where `to` leads now: nothing when an attempt would be let through, or when that cannot be told until then
    /// (name servers that do not answer say nothing about the address); else the message that an attempt would be
    /// refused with. Nothing is connected to.
    virtual task<std::optional<std::string>> judge_target(target to, steady_time until) = 0;
    /// Waits until nothing is under way, then closes idle connections. Idempotent.
    virtual task<void> stop() = 0;
    virtual client_stats stats() const = 0;
};

/// Process-wide parts that all clients share: TLS context and guard (immutable after creation).
class client_context;
using client_context_ptr = std::shared_ptr<client_context const>;
/// `own`: what no request may reach, whatever the configuration allows. Fails when the CA file cannot be read or a
/// range or server address is wrong.
result<client_context_ptr> make_client_context(egress_config const& config, delivery_config const& delivery,
                                               std::vector<own_endpoint> const& own = {});
address_guard const& guard_of(client_context const& context);
url_policy url_policy_of(client_context const& context);

/// Keeps up to `egress_config::idle_connections_max` unused connections of its own: who has several clients divides.
std::unique_ptr<net_client> make_net_client(executor ex, client_context_ptr context);

} // namespace klen::webhooks::egress
