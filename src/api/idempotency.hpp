#pragma once

#include "routes.hpp"

#include <array>
#include <cstdint>
#include <string>

/// Creating calls that may be repeated: the first answer to an Idempotency-Key is kept and given again.
namespace klen::webhooks::api {

/// Runs `handler` for the first call with this key, and answers later ones with what it answered then. What the handler
/// makes has the id `request::resource_id`, so that a call whose answer was lost (a crash, a database that went away)
/// makes the same thing again, not another one. Only answers below 400 are kept.
task<response> idempotent(services const* with, handler_function handler, request what, caller who);

/// Whose call of what: the keys of two accounts, or for two webhooks, have nothing to do with each other. Pure.
std::string idempotency_scope(request const& what, caller const& who);

/// What was asked for, whatever the spelling of its JSON and the order of its query. The caller's permissions are a
/// part of it: they decide what a new key may do, and whoever has fewer must not be given such a key again. Pure.
std::array<std::uint8_t, 32> idempotency_hash(request const& what, caller const& who);

} // namespace klen::webhooks::api
