#include "dispatch/circuit_log.hpp"

#include "klen/webhooks/base/log.hpp"

namespace klen::webhooks::dispatch {

void log_circuit_opened(webhook_id webhook, store::claimed_delivery const& last, policy::attempt_result const& result,
                        policy::circuit_cause why, std::chrono::nanoseconds wait) {
    log::warn("circuit opened: nothing is sent to this webhook for a while",
              {{"webhook_id", webhook},
               {"account_id", last.account_id},
               {"delivery_id", last.id},
               {"reason", policy::to_string(why)},
               {"error_class", policy::to_string(result.error)},
               {"http.response.status_code", result.status},
               {"wait_ms", std::chrono::duration_cast<std::chrono::milliseconds>(wait)}});
}

void log_circuit_closed(webhook_id webhook, std::string_view account, std::string_view why) {
    log::info("circuit closed", {{"webhook_id", webhook}, {"account_id", account}, {"reason", why}});
}

} // namespace klen::webhooks::dispatch
