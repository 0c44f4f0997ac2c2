#pragma once

#include "klen/webhooks/egress/address_guard.hpp"
#include "klen/webhooks/egress/url.hpp"
#include "klen/webhooks/intake/intake.hpp"
#include "klen/webhooks/store/types.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <variant>

namespace klen::webhooks::api {

/// What a webhook may be, as configured.
struct webhook_rules {
    egress::url_policy urls;
    egress::address_guard const* addresses = nullptr;
    intake::event_catalogue const* catalogue = nullptr;
    bool allow_unknown_event_types = false;
    std::string_view header_prefix;
};

/// What was asked for; ids, revision and times are still to come.
struct webhook_draft {
    store::webhook row; ///< without its account
    std::optional<std::string> account_id;
};

/// Reads the body of a create call. The message names every field that is wrong, with what to write instead. Pure.
std::variant<webhook_draft, std::string> read_webhook(std::string_view body, webhook_rules const& rules);

} // namespace klen::webhooks::api
