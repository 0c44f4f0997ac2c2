#include "app/listen/delivery_check.hpp"

#include "klen/webhooks/signing/signer.hpp"

#include <algorithm>
#include <charconv>

namespace klen::webhooks::app::listen {

namespace {

int attempt_number(std::string const& text) {
    int value = 1;
    std::from_chars(text.data(), text.data() + text.size(), value);
    return std::max(value, 1);
}

std::string problem_of(delivery_check const& found, bool any_secret, std::string const& signature,
                       std::string const& standard_signature, std::string const& message_id) {
    if (!any_secret)
        return "not checked: no secret was given";
    if (signature.empty() && standard_signature.empty())
        return "not signed";
    if (!found.klen_signature && !found.standard_signature)
        return "neither signature fits this body and these secrets";
    if (!found.klen_signature)
        return "the X-Klen-Signature form does not fit";
    if (!found.standard_signature)
        return "the webhook-signature form does not fit, or its time stamp is more than five minutes off";
    if (message_id != found.delivery_id)
        return "webhook-id and the delivery id differ";
    return {};
}

} // namespace

delivery_check check_delivery(header_lookup const& header, std::string_view body, std::string const& prefix,
                              std::span<signing::secret const> secrets, wall_time now) {
    delivery_check found;
    found.event_type = header(prefix + "Event");
    found.delivery_id = header(prefix + "Delivery-ID");
    found.attempt = attempt_number(header(prefix + "Attempt"));
    auto const signature = header(prefix + "Signature");
    auto const message_id = header("webhook-id");
    auto const message_time = header("webhook-timestamp");
    auto const standard = header("webhook-signature");
    for (auto const& secret : secrets) {
        found.klen_signature = found.klen_signature || signing::verify_klen(secret, signature, body);
        found.standard_signature =
            found.standard_signature ||
            signing::verify_standard_webhooks(secret, message_id, message_time, standard, body, now);
    }
    found.checked = !secrets.empty();
    found.problem = problem_of(found, !secrets.empty(), signature, standard, message_id);
    return found;
}

} // namespace klen::webhooks::app::listen
