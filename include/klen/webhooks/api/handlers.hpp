#pragma once

#include "klen/webhooks/api/server.hpp"
#include "klen/webhooks/dispatch/dispatcher.hpp"
#include "klen/webhooks/egress/http_client.hpp"
#include "klen/webhooks/intake/intake.hpp"
#include "klen/webhooks/signing/sealer.hpp"
#include "klen/webhooks/store/api_store.hpp"

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace klen::webhooks::api {

/// What the handlers work with. All of it outlives the server.
struct services {
    config const* settings = nullptr;
    intake::intake* events = nullptr;
    intake::event_catalogue const* catalogue = nullptr;
    store::api_store* store = nullptr;
    signing::sealer const* seals = nullptr;
    egress::client_context_ptr egress;
    std::function<void(webhook_id)> webhook_changed; ///< to the dispatcher
    std::function<bool()> draining;                  ///< shutting down: not ready
    std::function<bool()> alive;                     ///< for /readyz: threads answer and heartbeats are committed
    std::function<bool()> live;                      ///< for /livez: threads answer, no dependency asked; may be empty
    std::function<std::string()> metrics;            ///< Prometheus text
};

/// Routes under /api: webhooks, events, event types.
std::vector<route> api_routes(services const& with);
/// /livez, /healthz, /readyz, /metrics.
std::vector<route> operations_routes(services const& with);

/// Keys in memory, kept up to date by `apply`. Thread-safe.
class key_cache : public authenticator {
  public:
    key_cache();
    ~key_cache() override;
    void apply(std::vector<store::api_key_row> const& changed);
    std::optional<caller> find(std::string_view key) const override;

  private:
    struct impl;
    std::unique_ptr<impl> impl_;
};

} // namespace klen::webhooks::api
