#pragma once

#include "session.hpp"

#include "klen/webhooks/store/history_store.hpp"

namespace klen::webhooks::store {

/// An event with a part of its deliveries and their newest attempts, without what the receivers answered; `not_found`
/// for another account's.
result<event_details> read_event(session& on, std::string const& account_id, event_id id,
                                 event_deliveries_filter const& which);

/// A part of its deliveries that pass the filter (status and error), by id, with their last attempts only.
result<slice_of<delivery_row>> read_event_deliveries(session& on, std::string const& account_id, event_id id,
                                                     delivery_filter const& filter);

/// One delivery with a part of its attempts.
result<delivery_details> read_details(session& on, std::string const& account_id, delivery_id id,
                                      attempts_filter const& which);

} // namespace klen::webhooks::store
