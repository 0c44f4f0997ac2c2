#include "routes.hpp"

#include "idempotency.hpp"
#include "request_scope.hpp"

namespace klen::webhooks::api {

namespace {

task<response> answered(response with) { co_return with; }

} // namespace

namespace {

std::size_t body_bytes_max(config const& settings, body_size what) {
    std::size_t const management = settings.server.management_body_bytes_max;
    switch (what) {
    case body_size::management:
        return management;
    case body_size::sample:
        return management + settings.intake.payload_bytes_max;
    case body_size::events:
        break;
    }
    return 0;
}

} // namespace

// The call itself is no coroutine: publishing pays for no frame more than it needs.
route make_route(services_ptr const& with, method verb, std::string path, std::string permission,
                 handler_function handler, call_rules rules) {
    route out;
    out.verb = verb;
    out.path = std::move(path);
    out.permission = std::move(permission);
    out.platform_only = rules.platform_only;
    out.creates = rules.creates;
    out.refuses = rules.refuses;
    out.frequent = rules.frequent;
    out.body_bytes_max = body_bytes_max(*with->settings, rules.body);
    if (rules.for_account)
        rules.query.emplace_back("account_id");
    out.handle = [with, handler, rules = std::move(rules)](request what, caller who) {
        if (!rules.any_query)
            if (auto no = refuse_other_parameters(what, rules.query))
                return answered(std::move(*no));
        if (rules.creates && what.idempotency_key)
            return idempotent(with.get(), handler, std::move(what), std::move(who));
        return handler(with.get(), std::move(what), std::move(who));
    };
    return out;
}

std::vector<route> api_routes(services const& with) {
    auto const shared = std::make_shared<services const>(with);
    std::vector<route> out;
    add_delivery_routes(out, shared);
    add_event_routes(out, shared);
    add_event_type_routes(out, shared);
    add_job_routes(out, shared);
    add_key_routes(out, shared);
    add_openapi_routes(out, shared);
    add_webhook_routes(out, shared);
    add_webhook_secret_routes(out, shared);
    add_webhook_test_routes(out, shared);
    return out;
}

} // namespace klen::webhooks::api
