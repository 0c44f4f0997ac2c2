#include "dispatch/request_headers.hpp"

#include <array>
#include <chrono>

namespace klen::webhooks::dispatch {

std::string signed_headers(header_template const& lines, signing::webhook_signer& signer, signed_message const& of) {
    std::array<char, 36> id{};
    of.delivery.value.put_text(id.data());
    header_values values;
    values.delivery_id = {id.data(), id.size()};
    values.event_type = of.event_type;
    values.unix_seconds = of.signed_at;
    values.attempt = of.attempt;
    values.traceparent = of.traceparent;
    // Not the clock but the second that is kept: else a secret that expired within it would sign or not, and nobody
    // could tell afterwards.
    wall_time const now{std::chrono::seconds(of.signed_at)};
    auto const signatures = signer.sign(values.delivery_id, of.signed_at, of.body, now);
    values.signed_as = &signatures;
    std::string out;
    lines.append(out, values);
    return out;
}

std::int64_t unix_seconds(wall_time at) {
    return std::chrono::floor<std::chrono::seconds>(at.time_since_epoch()).count();
}

bool may_have_been_sent(policy::error_class how) {
    using policy::error_class;
    switch (how) {
    case error_class::none:
    case error_class::http_status:
    case error_class::timeout:
    case error_class::connection_reset:
    case error_class::malformed_response:
        return true;
    default:
        return false;
    }
}

} // namespace klen::webhooks::dispatch
