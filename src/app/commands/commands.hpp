#pragma once

#include "app/listen/response_plan.hpp"

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

/// What each command of the command line does, apart from the reading of its options (`command_line.cpp`). Every
/// function returns an exit code of application.hpp; results go to standard output, errors to standard error.
namespace klen::webhooks::app {

// --- commands that read the configuration
// -----------------------------------------------------------------------------

struct config_source {
    std::string file; ///< empty: environment and defaults only
};
int run_serve(config_source const& from);
int run_check_config(config_source const& from);
int run_default_config();
int run_migrate(config_source const& from);

struct key_create_options {
    bool platform = false;
    std::string account;
    std::string name;
    std::vector<std::string> permissions; ///< empty: all
    bool json = false;
};
int run_key_create(config_source const& from, key_create_options const& what);
int run_key_list(config_source const& from, bool json);

// --- commands that call a running daemon
// ------------------------------------------------------------------------------

struct api_options {
    std::string url = "http://127.0.0.1:8080";
    std::string key;
    std::string key_file;
    std::string account; ///< for platform keys: on whose behalf
    bool json = false;   ///< the answer as it came, for scripts
};

struct publish_options {
    std::string file; ///< "-": standard input
    std::string type;
    bool sample = false;
    bool all_samples = false;
    std::string id;
};
int run_publish(api_options const& api, publish_options const& what);

struct webhook_create_options {
    std::string endpoint;
    std::string name;
    std::string description;
    std::vector<std::string> events;
    std::vector<std::string> headers; ///< "Name: value"
    bool disabled = false;
    std::string secret_file; ///< where to write the secret (0600) instead of showing it
};
int run_webhook_create(api_options const& api, webhook_create_options const& what);
int run_webhook_list(api_options const& api, std::uint32_t page, std::uint32_t limit);
int run_webhook_show(api_options const& api, std::string const& id);
int run_webhook_delete(api_options const& api, std::string const& id);
int run_health(api_options const& api, bool ready);

// --- the demo receiver
// ------------------------------------------------------------------------------------------------

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
