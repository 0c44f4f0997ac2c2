#pragma once

#include "klen/webhooks/api/handlers.hpp"

#include <memory>
#include <vector>

/// One function a resource. Adding a call: a handler beside its neighbours, and a line in that file's list of routes.
namespace klen::webhooks::api {

/// Shared by all handlers; lives as long as the routes do.
using services_ptr = std::shared_ptr<services const>;
using handler_function = task<response> (*)(services const*, request, caller);

inline route make_route(services_ptr const& with, method verb, std::string path, std::string permission,
                        handler_function handler) {
    auto call = [with, handler](request what, caller who) {
        return handler(with.get(), std::move(what), std::move(who));
    };
    return {verb, std::move(path), std::move(permission), std::move(call)};
}

void add_event_routes(std::vector<route>& out, services_ptr const& with);
void add_event_type_routes(std::vector<route>& out, services_ptr const& with);
void add_webhook_routes(std::vector<route>& out, services_ptr const& with);

} // namespace klen::webhooks::api
