#pragma once

#include "json_writer.hpp"

#include "klen/webhooks/store/types.hpp"

namespace klen::webhooks::api {

/// How a webhook does, as an object.
void write_health(json_writer& out, store::webhook_health const& health);

} // namespace klen::webhooks::api
