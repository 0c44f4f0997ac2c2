#pragma once

#include "klen/webhooks/store/types.hpp"

namespace klen::webhooks::dispatch {

/// One line for an attempt, and one more when the delivery has none left. `delivered_too`: successes are worth a line.
void log_attempt(store::attempt_record const& record, bool delivered_too);

} // namespace klen::webhooks::dispatch
