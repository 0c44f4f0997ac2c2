#include "routes.hpp"

namespace klen::webhooks::api {

std::vector<route> api_routes(services const& with) {
    auto const shared = std::make_shared<services const>(with);
    std::vector<route> out;
    add_event_routes(out, shared);
    add_event_type_routes(out, shared);
    add_webhook_routes(out, shared);
    return out;
}

} // namespace klen::webhooks::api
