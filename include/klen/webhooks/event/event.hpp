#pragma once

#include "klen/webhooks/base/ids.hpp"

#include <memory>
#include <string>

namespace klen::webhooks {

/// An event as it was accepted: immutable, shared by its deliveries. `body` is what every receiver gets, byte for byte.
struct accepted_event {
    event_id id;
    std::string account_id;
    std::string event_type;
    std::string body;
    std::string traceparent; ///< W3C trace context as the publisher gave it; empty: none
};
using event_ptr = std::shared_ptr<accepted_event const>;

} // namespace klen::webhooks
