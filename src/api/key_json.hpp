#pragma once

#include "api/json_writer.hpp"

#include "klen/webhooks/store/types.hpp"

namespace klen::webhooks::api {

/// The members of an API key as it is shown, into an object that is open. The key itself is none of them.
void write_key(json_writer& out, store::api_key_row const& key);

} // namespace klen::webhooks::api
