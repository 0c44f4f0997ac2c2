#pragma once

#include "egress/resolver.hpp"
#include "egress/response_reader.hpp"
#include "klen/webhooks/base/config.hpp"
#include "klen/webhooks/egress/address_guard.hpp"
#include "klen/webhooks/egress/http_client.hpp"

#include <boost/asio/ssl/context.hpp>

#include <memory>

namespace klen::webhooks::egress {

/// What all clients of the process share; nothing in it changes after its making.
class client_context {
  public:
    egress_config config;
    response_reader::limits response_limits;
    resolver_options dns;
    address_guard guard;
    std::shared_ptr<asio::ssl::context> tls; ///< OpenSSL counts its uses from all threads by itself
};

} // namespace klen::webhooks::egress
