#pragma once

#include "json_input.hpp"

#include "klen/webhooks/base/config.hpp"
#include "klen/webhooks/egress/address_guard.hpp"
#include "klen/webhooks/egress/url.hpp"
#include "klen/webhooks/intake/intake.hpp"
#include "klen/webhooks/signing/secret.hpp"
#include "klen/webhooks/store/api_store.hpp"

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
    webhooks_config limits;
};

/// What was asked for; ids, revision and times are still to come.
struct webhook_draft {
    store::webhook row; ///< without its account
    std::optional<std::string> account_id;
    std::optional<signing::secret> secret; ///< the caller's own
    egress::target leads_to;
};

/// What a change sets.
struct webhook_patch {
    store::webhook_change set;
    std::optional<egress::target> leads_to; ///< where there is a new URL
};

/// Reads the body of a create call. The message names every field that is wrong, with what to write instead. Pure.
std::variant<webhook_draft, std::string> read_webhook(std::string_view body, webhook_rules const& rules);

/// Reads the body of a change: any of the same fields, by the same rules. Pure.
std::variant<webhook_patch, std::string> read_webhook_change(std::string_view body, webhook_rules const& rules);

/// Reads the member `secret`. What is wrong with it is told without a byte of it.
std::optional<signing::secret> read_secret(object_reader& in, problem_list& problems, webhooks_config const& limits);

inline constexpr text_rule note_rule{.characters_min = 0, .characters_max = 500};

} // namespace klen::webhooks::api
