#pragma once

#include "app/commands/secret_output.hpp"
#include "app/listen/response_plan.hpp"

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

/// What each command of the command line does, apart from the reading of its options (`command_line.cpp` and
/// `declare_*.cpp`). Every function returns an exit code of application.hpp; results go to standard output, errors to
/// standard error.
namespace klen::webhooks::app {

// --- commands that read the configuration ---------------------------------------------------------------------------

struct config_source {
    std::string file; ///< empty: environment and defaults only
};
int run_serve(config_source const& from);
int run_check_config(config_source const& from);
int run_default_config();
int run_migrate(config_source const& from);
int run_reseal(config_source const& from);

// --- commands that call a running daemon ----------------------------------------------------------------------------

struct api_options {
    std::string url = "http://127.0.0.1:8080";
    std::string key;
    std::string key_file;
    std::string account;         ///< for platform keys: on whose behalf
    std::string default_account; ///< the environment's, where `account` is empty
    bool json = false;           ///< the answer as it came, for scripts
    std::string idempotency_key;
    std::string timeout = "30s"; ///< of one call

    std::string const& acting_for() const { return account.empty() ? default_account : account; }
};

/// Which part of a list; 0 and empty: the daemon's own choice.
struct paging_options {
    std::uint32_t page = 0;
    std::uint32_t limit = 0;
    std::string cursor;
    bool all = false; ///< every page, one after the other
};

struct publish_options {
    std::string file; ///< "-": standard input
    std::string type;
    bool sample = false; ///< built in, or the catalogue's
    bool all_samples = false;
    std::string id;
};
int run_publish(api_options const& api, publish_options const& what);

/// What a webhook can be given when it is created or updated; empty members are not sent.
struct webhook_fields {
    std::optional<std::string> name;
    std::optional<std::string> endpoint;
    std::optional<std::string> description;
    std::vector<std::string> events;
    std::vector<std::string> headers; ///< "Name: value"
    bool no_headers = false;
    std::optional<std::string> metadata;        ///< a JSON object
    std::optional<std::string> max_concurrency; ///< a number, or "none"
    std::optional<std::string> max_rate;        ///< the same
    std::optional<std::string> note;            ///< why it is disabled
    bool enable = false;
    bool disable = false;
};
struct webhook_create_options {
    webhook_fields fields;
    std::string use_secret_file; ///< holds the secret to use; empty: the daemon makes one
    secret_target into;
};
struct webhook_list_options {
    paging_options paging;
    bool enabled = false;
    bool disabled = false;
    std::string event_type;
    std::string search;
};
struct secret_rotate_options {
    std::string webhook;
    std::optional<double> grace_hours;
    std::string use_secret_file;
    secret_target into;
};
struct recover_options {
    std::string webhook;
    std::string since;
    std::string until;
    bool never_attempted = false;
    bool wait = false;
};
int run_webhook_create(api_options const& api, webhook_create_options const& what);
int run_webhook_list(api_options const& api, webhook_list_options const& what);
int run_webhook_show(api_options const& api, std::string const& id);
int run_webhook_update(api_options const& api, std::string const& id, webhook_fields const& what);
int run_webhook_enable(api_options const& api, std::string const& id);
int run_webhook_disable(api_options const& api, std::string const& id, std::string const& note);
int run_webhook_delete(api_options const& api, std::string const& id);
int run_webhook_secret(api_options const& api, std::string const& id, secret_target const& into);
int run_webhook_rotate_secret(api_options const& api, secret_rotate_options const& what);
int run_webhook_test(api_options const& api, std::string const& id, std::string const& event_type);
int run_webhook_recover(api_options const& api, recover_options const& what);
int run_webhook_cancel_pending(api_options const& api, std::string const& id, bool wait);
int run_webhook_jobs(api_options const& api, std::string const& id, std::uint32_t limit);
int run_job_show(api_options const& api, std::string const& id, bool wait);

struct delivery_list_options {
    paging_options paging;
    std::string webhook;
    std::string event; ///< of one event instead of one webhook
    std::vector<std::string> statuses;
    std::string event_type;
    std::string error_class;
    std::string since;
    std::string until;
};
int run_delivery_list(api_options const& api, delivery_list_options const& what);
int run_delivery_show(api_options const& api, std::string const& id, paging_options const& part, bool full);
int run_delivery_resend(api_options const& api, std::string const& id);
int run_delivery_cancel(api_options const& api, std::string const& id);

struct event_list_options {
    paging_options paging;
    std::string event_type;
    std::string since;
    std::string until;
};
int run_event_list(api_options const& api, event_list_options const& what);
int run_event_show(api_options const& api, std::string const& id, paging_options const& part);

struct event_type_fields {
    std::string event_type;
    std::optional<std::string> description;
    std::string sample_file; ///< the payload as JSON; "-": standard input
};
int run_event_type_list(api_options const& api, paging_options const& paging);
int run_event_type_show(api_options const& api, std::string const& event_type);
int run_event_type_create(api_options const& api, event_type_fields const& what);
int run_event_type_update(api_options const& api, event_type_fields const& what);
int run_event_type_delete(api_options const& api, std::string const& event_type);

int run_whoami(api_options const& api);
int run_health(api_options const& api, bool ready);

// --- keys: through a running daemon, or in the configured database ---------------------------------------------------

struct key_source {
    config_source config;
    bool from_database = false; ///< no daemon is asked
};
struct key_create_options {
    bool platform = false;
    std::string name;
    std::vector<std::string> permissions; ///< empty: all, or the caller's
    std::optional<std::int32_t> max_requests_per_second;
    secret_target into; ///< of the key
};
int run_key_create(key_source const& from, api_options const& api, key_create_options const& what);
int run_key_list(key_source const& from, api_options const& api, paging_options const& paging);
int run_key_show(key_source const& from, api_options const& api, std::string const& id);
int run_key_revoke(key_source const& from, api_options const& api, std::string const& id);

// --- the demo receiver ----------------------------------------------------------------------------------------------

struct listen_options {
    std::string address = "127.0.0.1";
    std::uint16_t port = 9000;
    std::vector<std::string> secrets;
    std::vector<std::string> secret_files;
    std::string header_prefix = "X-Klen-";
    std::string statuses = "200";
    std::string delay = "0";
    bool hang = false;
    bool reset = false;
    std::size_t count = 0;
    std::string timeout = "0";
    bool json = false;
};
int run_listen(listen_options const& how);

} // namespace klen::webhooks::app
