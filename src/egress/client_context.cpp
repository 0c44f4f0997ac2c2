#include "egress/client_context.hpp"

#include "egress/tls_support.hpp"

namespace klen::webhooks::egress {

result<client_context_ptr> make_client_context(egress_config const& config, delivery_config const& delivery,
                                               std::vector<own_endpoint> const& own) {
    auto out = std::make_shared<client_context>();
    out->config = config;
    out->response_limits = {delivery.response_header_bytes_max, delivery.response_body_bytes_max};
    out->dns.timeout = config.dns_timeout;
    out->dns.cache_max = config.dns_cache_max;
    out->dns.negative_cache = config.dns_negative_cache;
    for (auto const& text : config.dns_servers) {
        auto server = parse_dns_server(text);
        if (!server)
            return failure{server.error().kind, "egress.dns_servers: " + server.error().message};
        out->dns.servers.push_back(std::move(*server));
    }
    auto guard = address_guard::create(config.allowed_ranges, config.refused_ranges);
    if (!guard)
        return failure{guard.error().kind, "egress.allowed_ranges or egress.refused_ranges: " + guard.error().message};
    if (auto const refused = guard->refuse(own); !refused)
        return refused.error();
    out->guard = std::move(*guard);
    auto tls = make_tls_context(config.ca_file);
    if (!tls)
        return failure{tls.error().kind, "egress.ca_file: " + tls.error().message};
    out->tls = std::move(*tls);
    return client_context_ptr(std::move(out));
}

address_guard const& guard_of(client_context const& context) { return context.guard; }

url_policy url_policy_of(client_context const& context) {
    return {context.config.allow_http, context.config.allowed_ports, context.guard.allows_some_local()};
}

} // namespace klen::webhooks::egress
