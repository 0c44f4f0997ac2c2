#pragma once

#include "session.hpp"

#include "klen/webhooks/store/types.hpp"

namespace klen::webhooks::store {

/// An event with its deliveries and their attempts; `not_found` for another account's.
result<event_row> read_event(session& on, std::string const& account_id, event_id id);

} // namespace klen::webhooks::store
