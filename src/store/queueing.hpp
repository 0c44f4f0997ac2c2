#pragma once

#include "session.hpp"

#include "klen/webhooks/store/types.hpp"

#include <vector>

/// Into the queue and out of it by request. Each call is one statement, guarded by the state it expects; it returns
/// what it changed.
namespace klen::webhooks::store {

/// A finished delivery and its last attempt, as they were seen.
struct finished_delivery {
    delivery_id id;
    int last_attempt = 0;
};

/// Puts finished deliveries into the queue again, parked, so that their lanes fetch them: for one attempt more
/// (`manual`), or for their whole schedule. Those that are not as they were seen, or were attempted
/// `attempts_of_delivery_max` times, are left alone.
result<std::vector<delivery_id>> requeue(session::work& in, std::string const& account_id,
                                         std::vector<finished_delivery> what, bool manual);

/// Takes waiting deliveries out of the queue, each with a row in attempts. Those that an instance has are left alone.
result<std::vector<delivery_id>> cancel_waiting(session::work& in, std::string const& account_id,
                                                std::vector<delivery_id> ids);

/// What history_store says of these two. `repeated`: the answer of an earlier run was lost, so it may have been us who
/// cancelled it.
result<delivery_row> resend_delivery(session& on, std::string const& account_id, delivery_id id, uuid call);
result<delivery_row> cancel_delivery(session& on, std::string const& account_id, delivery_id id, bool repeated);

} // namespace klen::webhooks::store
