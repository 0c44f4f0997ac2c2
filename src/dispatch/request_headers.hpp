#pragma once

#include "klen/webhooks/base/clock.hpp"
#include "klen/webhooks/base/ids.hpp"
#include "klen/webhooks/dispatch/delivery_headers.hpp"
#include "klen/webhooks/policy/attempt_result.hpp"
#include "klen/webhooks/signing/signer.hpp"

#include <cstdint>
#include <string>
#include <string_view>

namespace klen::webhooks::dispatch {

/// What is signed in one attempt.
struct signed_message {
    delivery_id delivery;
    std::string_view event_type;
    std::string_view traceparent; ///< empty: none
    std::string_view body;
    int attempt = 1;
    std::int64_t signed_at = 0; ///< unix seconds; also decides which secrets of a rotation still sign
};

/// The header lines of an attempt: the same bytes whenever they are made of the same.
std::string signed_headers(header_template const& lines, signing::webhook_signer& signer, signed_message const& of);

std::int64_t unix_seconds(wall_time at);

/// False: an attempt that ended so sent no request, so there is nothing to show of its headers.
bool may_have_been_sent(policy::error_class how);

} // namespace klen::webhooks::dispatch
