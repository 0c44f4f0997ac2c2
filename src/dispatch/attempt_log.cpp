#include "dispatch/attempt_log.hpp"

#include "klen/webhooks/base/log.hpp"

#include <chrono>

namespace klen::webhooks::dispatch {

void log_attempt(store::attempt_record const& record, bool delivered_too) {
    bool const delivered = record.verdict.what == policy::decision::delivered;
    auto const at = delivered ? log::level::info : log::level::warn;
    if ((delivered && !delivered_too) || !log::enabled(at))
        return;
    auto const took = std::chrono::nanoseconds(record.ended - record.started).count();
    auto const* const trigger = record.manual ? "manual" : "schedule";
    if (delivered) {
        log::write(at, "delivery attempted",
                   {{"event_id", record.event},
                    {"delivery_id", record.delivery},
                    {"webhook_id", record.webhook},
                    {"account_id", record.account_id},
                    {"attempt", record.attempt},
                    {"trigger", trigger},
                    {"decision", policy::to_string(record.verdict.what)},
                    {"http.response.status_code", record.result.status},
                    {"event.duration", took}});
        return;
    }
    // 0: none follows, or it is manual and only the database knows when its schedule goes on.
    auto const next = record.manual ? 0.0 : std::chrono::duration<double>(record.verdict.wait).count();
    log::write(at, "delivery attempted",
               {{"event_id", record.event},
                {"delivery_id", record.delivery},
                {"webhook_id", record.webhook},
                {"account_id", record.account_id},
                {"attempt", record.attempt},
                {"trigger", trigger},
                {"decision", policy::to_string(record.verdict.what)},
                {"error_class", policy::to_string(record.result.error)},
                {"http.response.status_code", record.result.status},
                {"event.duration", took},
                {"next_attempt_in_s", next}});
    if (record.verdict.what == policy::decision::failed)
        log::warn("delivery failed", {{"event_id", record.event},
                                      {"delivery_id", record.delivery},
                                      {"webhook_id", record.webhook},
                                      {"account_id", record.account_id},
                                      {"attempt", record.attempt},
                                      {"error_class", policy::to_string(record.result.error)}});
}

} // namespace klen::webhooks::dispatch
