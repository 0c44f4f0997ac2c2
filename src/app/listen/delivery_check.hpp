#pragma once

#include "klen/webhooks/base/clock.hpp"
#include "klen/webhooks/signing/secret.hpp"

#include <functional>
#include <span>
#include <string>
#include <string_view>

namespace klen::webhooks::app::listen {

/// What the demo receiver found out about one request. Pure: it is made from the header fields and the body alone.
struct delivery_check {
    std::string event_type; ///< as sent; show it through terminal_safe
    std::string delivery_id;
    int attempt = 1;
    bool klen_signature = false;     ///< X-Klen-Signature verifies with one of the secrets
    bool standard_signature = false; ///< webhook-signature does, and its time stamp is within five minutes
    bool checked = true;             ///< there was a secret to check them with
    std::string problem;             ///< why it is not verified, for people; empty when it is
    bool verified() const { return problem.empty(); }
};

/// Value of a header field, empty when it is not there.
using header_lookup = std::function<std::string(std::string const& name)>;

/// `prefix`: "X-Klen-". Without secrets nothing is verified, and `problem` says so.
delivery_check check_delivery(header_lookup const& header, std::string_view body, std::string const& prefix,
                              std::span<signing::secret const> secrets, wall_time now);

} // namespace klen::webhooks::app::listen
