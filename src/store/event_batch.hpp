#pragma once

#include "session.hpp"

#include "klen/webhooks/store/event_writer.hpp"
#include "klen/webhooks/store/types.hpp"

#include <map>
#include <set>
#include <span>
#include <unordered_map>
#include <vector>

/// The statements of the intake: one batch of events with its deliveries, and what is needed when its fate is unknown.
namespace klen::webhooks::store {

struct waiting_event {
    new_event what;
    event_writer::done finished;
    steady_time since{};                   ///< when it was handed in
    std::uint32_t deliveries_foreseen = 1; ///< when it was taken into the queue

    accepted_event const& event() const { return *what.event; }
};

struct born_delivery {
    delivery_id id;
    event_id event;
    webhook_id webhook;
};

struct batch_outcome {
    std::vector<born_delivery> leased; ///< to the grant's owner
    std::vector<webhook_id> parked;    ///< webhooks of which something was parked
    /// How many deliveries nobody leases, of all events that have the account and the type of this one.
    std::unordered_map<event_id, std::uint32_t> unleased;
    std::set<event_id> repeated; ///< of these the idempotency key was taken: nothing was stored
};

/// Commits the batch: one statement, one round trip.
result<batch_outcome> write_batch(session& link, std::span<waiting_event const> batch, lane_gate::grant const& grant);

struct first_use {
    event_id event;
    std::string content_hash;
};
/// Who used the keys of these events first, by the event that asks.
result<std::map<event_id, first_use>> look_up_keys(session& link, std::span<waiting_event const> batch,
                                                   std::set<event_id> const& asking);

/// Which of these events are stored.
result<std::set<event_id>> stored_events(session& link, std::span<event_ptr const> events);
/// What was made for these events: what `owner` leases, and the webhooks of what is parked.
result<batch_outcome> born_deliveries(session& link, std::span<event_ptr const> events, instance_id owner);

} // namespace klen::webhooks::store
