#pragma once

#include "klen/webhooks/base/log.hpp"

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

/// The configuration as the program uses it: plain values, checked. Where the keys, defaults, ranges and descriptions
/// are declared: `src/base/settings_declared.cpp`, the only place; the parser, `check-config`,
/// `config/klen-webhooks.toml` and the documentation come from there.
namespace klen::webhooks {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::seconds;

struct server_config {
    std::string listen_address;
    std::uint16_t listen_port = 0;  ///< 0: any free port (the log says which)
    std::string operations_address; ///< own listener for /livez, /readyz, /metrics; empty: the API's
    std::uint16_t operations_port = 0;
    std::uint32_t connections_max = 0;
    std::uint32_t header_bytes_max = 0;
    std::uint32_t body_bytes_max = 0;
    std::uint32_t management_body_bytes_max = 0;
    milliseconds header_timeout{};
    milliseconds body_timeout{};
    milliseconds idle_timeout{};
    std::uint32_t batch_events_max = 0;
    std::uint64_t bodies_bytes_max = 0;        ///< bytes of bodies that are being read or handled, over all connections
    std::uint32_t account_share_percent = 100; ///< of `bodies_bytes_max`
    std::string tls_certificate_file;          ///< PEM chain; empty: plain HTTP
    std::string tls_key_file;
    std::uint32_t account_key_requests_per_second_max = 0;  ///< a key's, at this daemon; 0: no limit
    std::uint32_t platform_key_requests_per_second_max = 0; ///< 0: no limit
    std::uint32_t account_requests_per_second_max = 0;      ///< of all keys of one account together; 0: no limit
    std::uint32_t keys_per_account_max = 0;                 ///< that are not revoked
};

/// What a customer may configure.
struct webhooks_config {
    std::uint32_t per_account_max = 0;
    std::uint32_t subscriptions_max = 0;
    std::uint32_t headers_max = 0;
    std::uint32_t headers_bytes_max = 0;
    std::uint32_t metadata_bytes_max = 0;
    std::uint32_t secret_bytes_min = 0; ///< of a secret that the caller brings
    hours rotation_grace{};             ///< unless the call says otherwise
};

struct database_config {
    std::string url;               ///< postgresql://…; empty: a private PostgreSQL. Secret.
    std::string private_dir;       ///< data folder of the private PostgreSQL; empty: a default by user
    std::string private_bin_dir;   ///< where initdb and postgres are; empty: looked for
    std::string private_user;      ///< who runs it when the daemon is started by root
    bool migrate_on_start = false; ///< the private PostgreSQL is always migrated
    milliseconds connect_timeout{};
    milliseconds start_wait{};        ///< how long `serve` waits at start for the database to come
    milliseconds statement_timeout{}; ///< for reads and claims; never applies to a commit
    milliseconds tcp_user_timeout{};
    milliseconds answer_timeout{}; ///< how long a call of the API waits for the database
    std::uint32_t api_connections = 0;
    milliseconds watch_interval{}; ///< how often changes to webhooks and keys made by other instances are looked for
};

struct intake_config {
    std::uint32_t queue_events_max = 0;
    std::uint64_t queue_bytes_max = 0;
    std::uint32_t queue_deliveries_max = 0;    ///< as far as they can be foreseen
    std::uint32_t account_share_percent = 100; ///< of all three, for one account
    std::uint32_t batch_events_max = 0;
    std::uint64_t batch_bytes_max = 0;
    std::uint32_t batch_deliveries_max = 0;     ///< as far as they can be foreseen
    std::uint32_t batch_account_events_max = 0; ///< of one account, while others publish
    std::uint32_t payload_bytes_max = 0;
    std::uint32_t json_depth_max = 0;
    milliseconds answer_timeout{}; ///< 0: none
    milliseconds hang_timeout{};   ///< 0: none
    hours idempotency_window{};
    std::vector<std::string> extra_event_types;
    bool allow_unknown_event_types = false;
};

struct delivery_config {
    std::vector<seconds> retry_schedule; ///< attempts = its length + 1
    milliseconds attempt_timeout{};
    std::uint32_t retry_jitter_percent = 0;
    seconds retry_after_max{};
    std::string header_prefix;
    std::uint32_t response_body_bytes_max = 0;
    std::uint32_t response_header_bytes_max = 0;
    hours disable_after{};                ///< a webhook that only failed for this long is disabled; 0: never
    std::chrono::minutes failing_after{}; ///< webhook.failing is published when it only failed for this long; 0: never
    std::string operational_account;      ///< whose webhooks get the operational events; empty: nobody's
    milliseconds statistics_interval{};   ///< how often the health of webhooks is written down
    std::string user_agent;
};

struct dispatch_config {
    std::uint32_t io_threads = 0; ///< 0: one per core
    std::uint32_t lane_queue_max = 0;
    std::uint32_t webhook_concurrency_max = 0;
    std::uint32_t host_concurrency_max = 0;
    std::uint32_t slow_start_concurrency = 0;  ///< 0: no slow start
    std::uint32_t circuit_failures = 0;        ///< in a row; 0: never
    std::uint32_t circuit_failure_percent = 0; ///< of the attempts in the window; 0: never
    std::uint32_t circuit_attempts_min = 0;    ///< in the window
    milliseconds circuit_window{};
    milliseconds circuit_wait{};
    milliseconds circuit_wait_max{};
    std::uint32_t deliveries_in_memory_max = 0;
    std::uint64_t bytes_in_memory_max = 0;
    std::uint32_t unrecorded_outcomes_max = 0;
    std::uint32_t claim_batch_max = 0;
    std::uint32_t claims_slow_publishing_percent = 0; ///< 0: a backlog is fetched as fast as it goes
    std::uint32_t outcome_batch_max = 0;
    milliseconds poll_interval{};
    milliseconds heartbeat_interval{};
    milliseconds lease_timeout{};
    milliseconds shutdown_timeout{};
};

struct egress_config {
    bool allow_http = false;
    std::vector<std::string> allowed_ranges;  ///< CIDR; special-use ranges that may be reached all the same
    std::vector<std::string> refused_ranges;  ///< CIDR; refused in addition
    std::vector<std::uint16_t> allowed_ports; ///< empty: all but well-known services that are not the web's
    std::vector<std::string> dns_servers;     ///< "192.0.2.1" or "192.0.2.1:53"; empty: the system's
    milliseconds dns_timeout{};
    milliseconds dns_cache_max{};
    milliseconds dns_negative_cache{};
    milliseconds connect_timeout{};
    std::uint32_t idle_connections_per_origin_max = 0;
    std::uint32_t idle_connections_max = 0;
    milliseconds idle_timeout{};
    std::string ca_file; ///< empty: the system's certificates
    std::uint32_t tests_max = 0;
    std::uint32_t tests_per_account_max = 0;
    std::uint32_t address_checks_max = 0;
    std::uint32_t address_checks_per_account_max = 0;
};

struct secrets_config {
    std::string master_key;    ///< base64 of 32 bytes. Secret. Empty: made and kept in the private data folder.
    std::string master_key_id; ///< stored beside each sealed secret
    /// "id:base64 of 32 bytes": opens what was sealed before; seals nothing. Secret.
    std::vector<std::string> previous_master_keys;
    bool require_all_master_keys = true;
    bool core_dumps = false; ///< the daemon may leave them
};

struct retention_config {
    hours events{}; ///< how long events and attempts are kept (whole days)
};

/// Which answers of the API get a line.
enum class request_lines {
    none,     ///< 500 and the like, and of 503 one a second
    failures, ///< every answer from 400 on
    most,     ///< all but those that are many and well: accepted events, probes
    all
};

struct log_config {
    log::level level = log::level::info;
    log::format format = log::format::text;
    std::string file;
    bool attempts = true; ///< a line for each delivered attempt too; failures are always logged
    request_lines requests = request_lines::all;
};

struct config {
    server_config server;
    webhooks_config webhooks;
    database_config database;
    intake_config intake;
    delivery_config delivery;
    dispatch_config dispatch;
    egress_config egress;
    secrets_config secrets;
    retention_config retention;
    log_config log;
};

} // namespace klen::webhooks
