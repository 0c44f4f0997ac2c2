#pragma once

#include "klen/webhooks/api/server.hpp"
#include "klen/webhooks/base/beside.hpp"
#include "klen/webhooks/dispatch/dispatcher.hpp"
#include "klen/webhooks/dispatch/test_sender.hpp"
#include "klen/webhooks/egress/http_client.hpp"
#include "klen/webhooks/intake/intake.hpp"
#include "klen/webhooks/signing/sealer.hpp"
#include "klen/webhooks/store/api_store.hpp"
#include "klen/webhooks/store/history_store.hpp"

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace klen::webhooks::api {

/// What the handlers work with. All of it outlives the server.
struct services {
    config const* settings = nullptr;
    intake::intake* events = nullptr;
    intake::event_catalogue* catalogue = nullptr;
    store::api_store* store = nullptr;
    store::history_store* history = nullptr;
    signing::sealer const* seals = nullptr;
    egress::client_context_ptr egress;
    std::function<void(webhook_id)> webhook_changed;   ///< to the dispatcher
    std::function<void(webhook_id)> deliveries_parked; ///< to the dispatcher: an attempt by hand waits for its lane
    std::function<dispatch::circuit_status(webhook_id)> circuit_of; ///< at this daemon; may be empty: closed
    std::function<void()> job_begun;                                ///< a webhook_job waits for its first step
    std::function<void(store::api_key_row)> key_changed;
    /// Where a URL leads now, asked of the name servers for that account: nothing when that is allowed or cannot be
    /// told, else the sentence that an attempt would be refused with. Resumes on the caller's executor, within a few
    /// seconds. `over_limit`: the account has too many such questions open; `overloaded`: all accounts together have.
    std::function<task<result<std::optional<std::string>>>(std::string account_id, egress::target)> judge_address;
    /// Fails in the same way, and with `shutting_down`.
    std::function<task<result<dispatch::test_outcome>>(dispatch::test_request)> send_test;
    run_beside compute;
    std::function<bool()> draining;       ///< shutting down: not ready
    std::function<bool()> alive;          ///< for /readyz: threads answer and heartbeats are committed
    std::function<std::string()> metrics; ///< Prometheus text
    std::function<std::string()> hung;    ///< for /livez: see `hung_threads`; may be empty
};

/// Routes under /api: webhooks, events, deliveries, jobs, event types, keys.
std::vector<route> api_routes(services const& with);
/// /livez, /healthz, /readyz, /metrics.
std::vector<route> operations_routes(services const& with);

/// Calls a second; 0: any number.
struct key_limits {
    std::uint32_t account_key = 0;  ///< of a key of an account that has no limit of its own
    std::uint32_t platform_key = 0; ///< of a platform key that has none
    /// Of all keys of one account together. A key whose own limit is higher fills a smaller share of the account's
    /// second with each call: alone it may make what it was given, and beside it others make as much less.
    std::uint32_t account = 0;
};

/// Keys in memory, kept up to date by `apply`. Counts each key's calls and each account's (token buckets that hold one
/// second's calls) and remembers when a key was last used. A call that is refused counts for nobody. Thread-safe.
class key_cache : public authenticator {
  public:
    /// `revoked_kept`: how long a revoked key is remembered, so that no older row brings it back; longer than a row may
    /// be under way from its query to `apply`.
    explicit key_cache(key_limits limits = {}, clock const& time = system_clock(),
                       milliseconds revoked_kept = std::chrono::minutes(2));
    ~key_cache() override;
    void apply(std::vector<store::api_key_row> const& changed);
    /// Keys in memory, those that are remembered as revoked too.
    std::size_t size() const;
    std::optional<caller> find(std::string_view key) const override;
    /// Which keys were used since the last call, and when last: for `note_key_use`.
    std::vector<std::pair<api_key_id, wall_time>> take_uses();

  private:
    struct impl;
    std::unique_ptr<impl> impl_;
};

} // namespace klen::webhooks::api
