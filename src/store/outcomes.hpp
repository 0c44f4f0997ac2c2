#pragma once

#include "session.hpp"

#include "klen/webhooks/store/delivery_store.hpp"

namespace klen::webhooks::store {

/// Writes a batch of attempts and what follows from them: one statement, and a second one only when a lease was lost.
result<record_result> record_outcomes(session& link, instance_id owner, std::vector<attempt_record> batch,
                                      hours disable_after);

} // namespace klen::webhooks::store
