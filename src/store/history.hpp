#pragma once

#include "session.hpp"

#include "klen/webhooks/store/history_store.hpp"

namespace klen::webhooks::store {

/// An event with its deliveries and their attempts, without what the receivers answered; `not_found` for another
/// account's.
result<event_row> read_event(session& on, std::string const& account_id, event_id id);

/// Its deliveries that pass the filter (status and error), by id, with their last attempts only.
result<std::vector<delivery_row>> read_event_deliveries(session& on, std::string const& account_id, event_id id,
                                                        delivery_filter const& filter);

/// Everything about one delivery.
result<delivery_details> read_details(session& on, std::string const& account_id, delivery_id id);

} // namespace klen::webhooks::store
