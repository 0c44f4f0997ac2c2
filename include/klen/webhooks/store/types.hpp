#pragma once

#include "klen/webhooks/base/clock.hpp"
#include "klen/webhooks/base/ids.hpp"
#include "klen/webhooks/base/result.hpp"
#include "klen/webhooks/event/event.hpp"
#include "klen/webhooks/policy/attempt_result.hpp"
#include "klen/webhooks/policy/verdict.hpp"

#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace klen::webhooks::store {

/// A secret as it is stored.
struct sealed_secret {
    secret_id id;
    std::vector<std::uint8_t> sealed;
    std::string key_id;
    wall_time created_at;
    std::optional<wall_time> expires_at; ///< none: the newest
};

/// A customer's configuration of one endpoint.
struct webhook {
    webhook_id id;
    std::string account_id;
    std::string name;
    std::string url; ///< normalised
    std::string description;
    std::vector<std::string> subscribed_events;
    std::vector<std::pair<std::string, std::string>> headers; ///< custom, in the customer's order
    std::string metadata = "{}";                              ///< a JSON object as text
    std::optional<int> max_concurrency;
    std::optional<int> max_rate_per_second;
    bool enabled = true;
    std::string disabled_reason; ///< "requested", "gone", "failing"; empty when enabled
    std::optional<wall_time> disabled_at;
    std::optional<wall_time> failing_since; ///< every attempt since then failed
    bool deleted = false;
    std::int64_t revision = 0; ///< grows with every change of this row or its secrets
    wall_time created_at;
    wall_time updated_at;
    std::vector<sealed_secret> secrets; ///< newest first; only where the call says so
};

struct api_key_row {
    api_key_id id;
    std::optional<std::string> account_id; ///< none: a platform key
    std::string name;
    std::array<std::uint8_t, 32> hash{};
    std::string hint;
    std::vector<std::string> permissions; ///< "publish", "read", "manage_webhooks", "manage_keys"
    bool revoked = false;
    wall_time created_at;
};

/// An event on its way into the store.
struct new_event {
    event_ptr event;
    std::optional<std::string> idempotency_key;
    std::array<std::uint8_t, 32> content_hash{}; ///< of account, type and body: tells a repeat from a conflict
};

struct publish_receipt {
    event_id id;
    bool repeated = false; ///< this id was published before: nothing new was stored
};

/// A delivery that this instance owns now.
struct claimed_delivery {
    delivery_id id;
    webhook_id webhook;
    event_ptr event; ///< null: the event is past its retention
    event_id event_of;
    std::string account_id;
    int attempts_made = 0;
    bool webhook_deleted = false;
};

/// One finished attempt, to be recorded together with the delivery's next state.
struct attempt_record {
    delivery_id delivery;
    event_id event;
    webhook_id webhook;
    std::string account_id;
    int attempt = 0;
    steady_time started;
    steady_time ended;
    policy::attempt_result result;
    policy::verdict verdict;
    bool was_failing = false; ///< the lane believes that the webhook was failing before: a success clears that
};

/// State of one delivery, as told to the outside.
enum class delivery_status { pending, delivering, delivered, failed, cancelled };
std::string_view to_string(delivery_status status);

struct attempt_row {
    int attempt = 0;
    wall_time started_at;
    std::chrono::microseconds duration{};
    policy::decision decision{};
    policy::error_class error{};
    int status = 0;
    std::string message;
    std::string response_headers;
    std::string response_body;
    std::string remote_address;
};

struct delivery_row {
    delivery_id id;
    event_id event;
    webhook_id webhook;
    std::string account_id;
    delivery_status status{};
    int attempts_made = 0;
    std::optional<wall_time> next_attempt_at;
    std::vector<attempt_row> attempts;
};

struct event_row {
    event_id id;
    std::string account_id;
    std::string event_type;
    std::string body;
    wall_time accepted_at;
    std::vector<delivery_row> deliveries; ///< with their attempts, without bodies of responses
};

} // namespace klen::webhooks::store
