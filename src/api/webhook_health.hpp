#pragma once

#include "json_writer.hpp"

#include "klen/webhooks/dispatch/dispatcher.hpp"
#include "klen/webhooks/store/types.hpp"

namespace klen::webhooks::api {

/// How a webhook does, as an object. `circuit`: what this daemon says of it.
void write_health(json_writer& out, store::webhook_health const& health, dispatch::circuit_status const& circuit,
                  clock const& time);

} // namespace klen::webhooks::api
