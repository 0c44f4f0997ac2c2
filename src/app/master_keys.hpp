#pragma once

#include "app/database.hpp"
#include "klen/webhooks/base/config.hpp"
#include "klen/webhooks/base/result.hpp"
#include "klen/webhooks/signing/sealer.hpp"

namespace klen::webhooks::app {

/// Seals with secrets.master_key (or the private PostgreSQL's own, from its folder) and opens with the previous ones
/// as well. `invalid_argument`: the configuration does not fit, or one of the keys is not the one that the database
/// knows under its id. Needs the complete schema. Blocks.
result<signing::sealer> open_sealer(config const& settings, database const& where);

/// The exit code of its errors.
int sealer_exit_code(failure const& failed);

} // namespace klen::webhooks::app
