#include "openapi_document.hpp"
#include "routes.hpp"

#include "klen/webhooks/base/log.hpp"
#include "klen/webhooks/event/json_body.hpp"

namespace klen::webhooks::api {

namespace {

task<response> show_document(services const*, request, caller) {
    co_return response{.status = 200, .body = openapi_document(), .headers = {}};
}

} // namespace

std::string const& openapi_document() {
    static std::string const compact = [] {
        std::string out;
        if (event::canonical_json(openapi_source(), {}, out))
            bug("the OpenAPI document is not JSON");
        return out;
    }();
    return compact;
}

void add_openapi_routes(std::vector<route>& out, services_ptr const& with) {
    out.push_back(make_route(with, method::get, "/api/v1/openapi.json", "", show_document, {.for_account = false}));
}

} // namespace klen::webhooks::api
