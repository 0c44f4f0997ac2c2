#pragma once

#include "klen/webhooks/base/async.hpp"
#include "klen/webhooks/base/config.hpp"
#include "klen/webhooks/base/ids.hpp"
#include "klen/webhooks/base/result.hpp"

#include <boost/asio/io_context.hpp>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace klen::webhooks::api {

enum class method { get, head, post, put, patch, delete_, options, other };

/// One request as a handler sees it: framed, bounded, routed, authenticated.
struct request {
    method verb{};
    std::string path;                                           ///< without query, decoded, no trailing slash
    std::map<std::string, std::string, std::less<>> parameters; ///< from the route: {id}
    std::vector<std::pair<std::string, std::string>> query;     ///< decoded, in order
    std::string body;
    std::string request_id;
    std::string_view route;                     ///< its path as in the route table; outlives the request
    std::optional<std::string> idempotency_key; ///< Idempotency-Key, as it was given
    /// Id of what a creating call (route::creates) makes: fresh, or the first call's when this one repeats it.
    uuid resource_id;
    bool repeats = false; ///< a call with the same Idempotency-Key began before, and nobody knows how it ended

    /// The first of that name.
    std::optional<std::string_view> query_value(std::string_view name) const;
};

struct response {
    int status = 200;
    std::string body; ///< compact JSON unless content_type says otherwise
    std::string content_type = "application/json";
    std::vector<std::pair<std::string, std::string>> headers; ///< Retry-After, Allow, …
    std::string cause = {}; ///< of a failure on our side: for the log, with the request's id; never sent
};

/// {"error":code,"message":…}
response error_response(int status, std::string_view code, std::string_view message);

/// What a caller is allowed. Made by authentication, seen by handlers.
struct caller {
    std::string key_id;
    std::optional<std::string> account_id; ///< none: a platform key
    std::vector<std::string> permissions;
    /// The key is over its limit of calls: answer 429, with this in Retry-After. Zero: it is not.
    milliseconds retry_after{0};
    bool account_is_over = false; ///< not the key alone: all keys of its account together
};

/// Adding a call is adding a handler and a route.
struct route {
    method verb{};
    std::string path;           ///< "/api/v1/webhooks/{id}"
    std::string permission;     ///< "publish", "read", "manage_webhooks", "manage_keys"; empty: no key needed
    bool platform_only = false; ///< an account's key gets 403
    bool creates = false;       ///< heeds Idempotency-Key
    /// Runs on the connection's io thread. What it throws becomes a 500.
    std::function<task<response>(request, caller)> handle;
    bool refuses = false;  ///< is there to say why not: no Allow names it
    bool frequent = false; ///< that it went well is logged with request_lines::all only
    /// Of a body as it is handed over; 0: what the server allows, and never more than that.
    std::size_t body_bytes_max = 0;
};

/// Looks a key up: who is it? Counts the call. Thread-safe.
class authenticator {
  public:
    virtual ~authenticator() = default;
    virtual std::optional<caller> find(std::string_view key) const = 0;
};

struct server_stats {
    std::uint64_t connections = 0;           ///< open now
    std::uint64_t requests = 0;              ///< answered since the start
    std::uint64_t refused_connections = 0;   ///< over `connections_max`, since the start
    std::uint64_t displaced_connections = 0; ///< that waited and were closed for others there, since the start
    std::uint64_t body_bytes = 0;            ///< of bodies that are being read or worked on now
    std::map<int, std::uint64_t> responses_by_status;
};

/// HTTP/1.1 (RFC 9112) listener over several io threads: one acceptor, connections dealt out in turn. Knows routing,
/// framing, limits and authentication; nothing of what is behind the handlers.
class server {
  public:
    /// `contexts`: the io threads. Fails with one clear sentence when the address cannot be bound, or when the files of
    /// the certificate or its key cannot be used.
    static result<std::unique_ptr<server>> create(std::vector<asio::io_context*> contexts, server_config config,
                                                  std::string address, std::uint16_t port, std::vector<route> routes,
                                                  authenticator const& keys, request_lines lines = request_lines::all);
    /// Whether that can be listened on at this moment; the failure is that of `create`.
    static result<void> try_to_listen(std::string const& address, std::uint16_t port);

    virtual ~server() = default;

    virtual void start() = 0;
    virtual std::uint16_t port() const = 0;

    /// Stops accepting, answers what is under way (with `Connection: close`), closes idle connections; ends when all
    /// are closed, or soon after `until` has come, by which time their sockets are closed. Idempotent. Await it on the
    /// first context while all contexts run, and before the server is destroyed. A handler that is still waiting then
    /// may go on; its answer is dropped.
    virtual task<void> stop(steady_time until) = 0;
    /// Reads the certificate and its key again, for connections that are made from now on; logs what came of it. Files
    /// that cannot be used change nothing. Without TLS: nothing happens. Thread-safe.
    virtual void reload_tls() = 0;
    virtual server_stats stats() const = 0;
};

} // namespace klen::webhooks::api
