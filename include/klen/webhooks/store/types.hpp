#pragma once

#include "klen/webhooks/base/clock.hpp"
#include "klen/webhooks/base/ids.hpp"
#include "klen/webhooks/base/result.hpp"
#include "klen/webhooks/event/event.hpp"
#include "klen/webhooks/policy/attempt_result.hpp"
#include "klen/webhooks/policy/durations.hpp"
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
    std::string disabled_note;              ///< why, in the words of whoever disabled it; often empty
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
    std::vector<std::string> permissions;       ///< "publish", "read", "manage_webhooks", "manage_keys"
    std::optional<int> max_requests_per_second; ///< none: the configuration's limit
    bool revoked = false;
    wall_time created_at;
    std::optional<wall_time> last_used_at; ///< to the minute or so
    std::optional<wall_time> revoked_at;
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
    int schedule_base = 0;         ///< attempts that do not count towards the schedule
    bool manual = false;           ///< this attempt was asked for by hand
    bool schedule_goes_on = false; ///< when the manual attempt fails, the schedule's next one is still to come

    /// 1 for the schedule's first attempt.
    int scheduled_attempt() const { return attempts_made - schedule_base + 1; }
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
    std::string event_type;   ///< empty: the event was gone
    bool manual = false;
    std::int64_t signed_at = 0; ///< unix seconds in its headers; 0: nothing was sent
    std::int64_t webhook_revision = 0;
};

/// State of one delivery, as told to the outside: pending (waits), delivering (an instance works on it), or what its
/// last attempt decided.
enum class delivery_status { pending, delivering, delivered, failed, cancelled };
std::string_view to_string(delivery_status status);
std::optional<delivery_status> parse_delivery_status(std::string_view text);

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
    bool manual = false;
    std::optional<wall_time> next_attempt_at; ///< as it was decided then
    std::int64_t signed_at = 0;               ///< unix seconds in its headers; 0: nothing was sent
    std::int64_t webhook_revision = 0;
    instance_id instance;
};

struct delivery_row {
    delivery_id id;
    event_id event;
    webhook_id webhook;
    std::string account_id;
    std::string event_type;
    delivery_status status{};
    int attempts_made = 0;
    std::optional<wall_time> next_attempt_at;
    std::vector<attempt_row> attempts;       ///< where the call says so; in the order in which they were made
    std::optional<attempt_row> last_attempt; ///< of all, without what the receiver answered
};

struct event_row {
    event_id id;
    std::string account_id;
    std::string event_type;
    std::string body;
    std::string traceparent;
    wall_time accepted_at;
    std::vector<delivery_row> deliveries; ///< with their attempts, without bodies of responses
};

/// A delivery that was attempted so often is not sent again by hand or by a job: each adds a row that is kept as long
/// as its event, and their numbers are small.
inline constexpr int attempts_of_delivery_max = 10'000;

/// What an attempt's request headers were made of, besides the attempt and its event.
struct request_origin {
    std::string url;
    std::vector<std::pair<std::string, std::string>> headers; ///< the webhook's custom ones
    std::string header_prefix;
    std::string user_agent;
    std::vector<sealed_secret> secrets; ///< those that signed, newest first
};

/// Of every `durations` below: see policy/durations.hpp.
inline constexpr std::size_t duration_buckets = policy::duration_buckets;

/// Attempts of one webhook within one flush, to be added to what is on record.
struct health_record {
    webhook_id webhook;
    std::int64_t delivered = 0;
    std::int64_t failed = 0;
    std::array<std::int64_t, duration_buckets> durations{};
    std::optional<wall_time> last_success_at;
    std::optional<wall_time> last_failure_at;
    policy::error_class last_failure{};
    std::int64_t failures_since_success = 0; ///< at the end of what is told here

    bool any_success() const { return last_success_at.has_value(); }
};

/// Records that count once, however often they are told: whoever tells numbers its batches upwards and goes on to the
/// next one when it knows that one to be written.
struct health_batch {
    uuid told_by;
    std::int64_t number = 0;
    std::vector<health_record> records;
};

/// Sums over a time.
struct health_window {
    std::int64_t delivered = 0;
    std::int64_t failed = 0;
    std::array<std::int64_t, duration_buckets> durations{};
};

struct webhook_health {
    std::uint64_t pending = 0; ///< deliveries in the queue; counted up to `pending_counted_max`
    std::optional<wall_time> last_success_at;
    std::optional<wall_time> last_failure_at;
    std::string last_failure_class;
    std::int64_t consecutive_failures = 0;
    health_window hour;
    health_window day;
};
inline constexpr std::uint64_t pending_counted_max = 10'000;

enum class job_kind { recover, cancel };
std::string_view to_string(job_kind kind);

/// Work over many deliveries of one webhook.
struct webhook_job {
    job_id id;
    webhook_id webhook;
    std::string account_id;
    job_kind kind{};
    std::optional<wall_time> since;
    wall_time until;
    bool never_attempted = false;
    std::string state = "running"; ///< running, done, stopped
    std::string message;
    std::uint64_t examined = 0;
    std::uint64_t changed = 0;
    wall_time created_at;
    wall_time updated_at;
    std::optional<wall_time> finished_at;
};

/// An event about a webhook itself, waiting to be published.
struct operational_event {
    std::string outbox_id; ///< its idempotency key
    std::string event_type;
    std::string payload; ///< a JSON object as text
    wall_time created_at;
};

} // namespace klen::webhooks::store
