#pragma once

#include "json_writer.hpp"

#include "klen/webhooks/api/server.hpp"
#include "klen/webhooks/store/types.hpp"

#include <string_view>

/// How webhooks are shown.
namespace klen::webhooks::api {

inline constexpr std::string_view no_such_webhook = "no such webhook in this account";

/// The members of a webhook, without its secrets, into an object that is open.
void write_webhook(json_writer& out, store::webhook const& w);

/// A webhook alone.
response webhook_response(store::webhook const& w);

} // namespace klen::webhooks::api
