#pragma once

#include "app/database.hpp"
#include "klen/webhooks/base/config.hpp"
#include "klen/webhooks/base/result.hpp"
#include "klen/webhooks/signing/sealer.hpp"

namespace klen::webhooks::app {

/// What to do where secrets in use are sealed under a key that is not here: `told` leaves it to the caller, who meets
/// them.
enum class missing_keys { refused, told };

/// Seals with secrets.master_key (or the private PostgreSQL's own, from its folder) and opens with the previous ones
/// as well. `invalid_argument`: the configuration does not fit, or one of the keys is not the one that the database
/// knows under its id, or one is missing that secrets in use need. Needs the complete schema. Blocks.
result<signing::sealer> open_sealer(config const& settings, database const& where, missing_keys missing);

/// The exit code of its errors.
int sealer_exit_code(failure const& failed);

} // namespace klen::webhooks::app
