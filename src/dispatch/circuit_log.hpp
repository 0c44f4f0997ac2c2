#pragma once

#include "klen/webhooks/policy/circuit.hpp"
#include "klen/webhooks/store/types.hpp"

#include <chrono>
#include <string_view>

namespace klen::webhooks::dispatch {

/// `last`: the delivery whose attempt opened it.
void log_circuit_opened(webhook_id webhook, store::claimed_delivery const& last, policy::attempt_result const& result,
                        policy::circuit_cause why, std::chrono::nanoseconds wait);
/// `account`: empty where it is not known any more.
void log_circuit_closed(webhook_id webhook, std::string_view account, std::string_view why);

} // namespace klen::webhooks::dispatch
