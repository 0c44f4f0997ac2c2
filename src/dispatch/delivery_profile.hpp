#pragma once

#include "klen/webhooks/base/config.hpp"
#include "klen/webhooks/dispatch/delivery_headers.hpp"
#include "klen/webhooks/egress/url.hpp"
#include "klen/webhooks/signing/sealer.hpp"
#include "klen/webhooks/signing/signer.hpp"
#include "klen/webhooks/store/types.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace klen::webhooks::dispatch {

/// Stored secrets, ready to sign with. `corrupt` when one cannot be read, or when there is none.
result<std::vector<signing::webhook_signer::live_secret>> open_secrets(std::vector<store::sealed_secret> const& sealed,
                                                                       std::string_view account_id,
                                                                       signing::sealer const& seals);

/// What a lane needs of its webhook to make a request: parsed, unsealed, ready to sign.
struct delivery_profile {
    std::optional<egress::target> to; ///< none: the URL is refused by the configuration in force
    std::string refused;              ///< why
    header_template headers;
    signing::webhook_signer signer;
    std::uint32_t concurrency = 1;
    std::optional<std::uint32_t> rate; ///< requests a second
    std::int64_t revision = 0;
};

struct profile_maker {
    signing::sealer const* seals = nullptr;
    egress::url_policy urls;
    std::string header_prefix;
    std::string user_agent;
    std::uint32_t concurrency_max = 1;

    /// `corrupt` when a secret cannot be read.
    result<std::shared_ptr<delivery_profile>> make(store::webhook const& from) const;
};

} // namespace klen::webhooks::dispatch
