#pragma once

#include "klen/webhooks/api/handlers.hpp"

#include <memory>
#include <string>
#include <string_view>
#include <vector>

/// One function a resource. Adding a call: a handler beside its neighbours, and a line in that file's list of routes.
namespace klen::webhooks::api {

/// Shared by all handlers; lives as long as the routes do.
using services_ptr = std::shared_ptr<services const>;
using handler_function = task<response> (*)(services const*, request, caller);

/// How large a body a call takes: reading JSON holds an io thread, so no more than the call can be about.
enum class body_size {
    management, ///< server.management_body_bytes_max
    sample,     ///< the same and a payload
    events      ///< what the server allows: server.body_bytes_max
};

/// What holds for a call besides its permission.
struct call_rules {
    std::vector<std::string_view> query = {}; ///< parameters it takes besides account_id; literals
    bool for_account = true;                  ///< takes ?account_id=
    bool any_query = false;                   ///< overlooks parameters that it does not know; otherwise they are a 400
    bool platform_only = false;
    bool creates = false;  ///< heeds Idempotency-Key
    bool refuses = false;  ///< only says why not
    bool frequent = false; ///< there are many, and those that go well are of little interest
    body_size body = body_size::management;
};

/// A route whose handler is called after the rules were applied.
route make_route(services_ptr const& with, method verb, std::string path, std::string permission,
                 handler_function handler, call_rules rules = {});

void add_delivery_routes(std::vector<route>& out, services_ptr const& with);
void add_event_routes(std::vector<route>& out, services_ptr const& with);
void add_event_type_routes(std::vector<route>& out, services_ptr const& with);
void add_job_routes(std::vector<route>& out, services_ptr const& with);
void add_key_routes(std::vector<route>& out, services_ptr const& with);
void add_openapi_routes(std::vector<route>& out, services_ptr const& with);
void add_webhook_routes(std::vector<route>& out, services_ptr const& with);
void add_webhook_secret_routes(std::vector<route>& out, services_ptr const& with);
void add_webhook_test_routes(std::vector<route>& out, services_ptr const& with);

} // namespace klen::webhooks::api
