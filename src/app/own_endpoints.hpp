#pragma once

#include "klen/webhooks/base/config.hpp"
#include "klen/webhooks/egress/address_guard.hpp"
#include "klen/webhooks/store/connection.hpp"

#include <vector>

namespace klen::webhooks::app {

/// Where this daemon and its database listen, for the egress guard: no webhook may lead there. A listener on every
/// address counts with each address that this machine has now, loopback included; a database's name with what it
/// resolves to now. A port that the system chooses (0) is not known yet and left out. Blocks while names are resolved.
std::vector<egress::own_endpoint> own_endpoints(server_config const& server, store::connection_options const& database);

} // namespace klen::webhooks::app
