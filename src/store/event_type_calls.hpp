#pragma once

#include "session.hpp"

#include "klen/webhooks/store/api_store.hpp"

/// What api_store does with the catalogue of event types.
namespace klen::webhooks::store {

result<std::vector<event_type_row>> read_event_types(session& on);
/// `may_be_ours`: an earlier run of the same call may have added it without having heard so; then what is there counts
/// as added when it is the same.
result<event_type_row> insert_event_type(session& on, event_type_row const& type, bool may_be_ours);
result<event_type_row> update_event_type(session& on, std::string const& event_type,
                                         std::optional<std::string> const& description,
                                         std::optional<std::string> const& sample);
/// `may_be_ours`: the same for one that is gone.
result<void> remove_event_type(session& on, std::string const& event_type, bool may_be_ours);

} // namespace klen::webhooks::store
