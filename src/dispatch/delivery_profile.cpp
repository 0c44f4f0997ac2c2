#include "dispatch/delivery_profile.hpp"

#include <algorithm>
#include <utility>

namespace klen::webhooks::dispatch {

result<std::vector<signing::webhook_signer::live_secret>> open_secrets(std::vector<store::sealed_secret> const& sealed,
                                                                       std::string_view account_id,
                                                                       signing::sealer const& seals) {
    std::vector<signing::webhook_signer::live_secret> out;
    for (auto const& s : sealed) {
        auto text = seals.open(s.sealed, s.key_id, {"webhook_secrets", s.id.value, account_id});
        if (!text)
            return std::move(text).error();
        auto value = signing::secret::parse(*text);
        signing::wipe(*text);
        if (!value)
            return failure{fault::corrupt, "a stored secret does not have the form of one"};
        out.push_back({std::move(*value), s.expires_at});
    }
    if (out.empty())
        return failure{fault::corrupt, "the webhook has no secret"};
    return out;
}

result<std::shared_ptr<delivery_profile>> profile_maker::make(store::webhook const& from) const {
    auto secrets = open_secrets(from.secrets, from.account_id, *seals);
    if (!secrets)
        return std::move(secrets).error();
    std::optional<egress::target> to;
    std::string refused;
    if (auto parsed = egress::parse_target(from.url, urls))
        to = std::move(*parsed);
    else
        refused = parsed.error().message;
    auto const wanted = static_cast<std::uint32_t>(std::max(from.max_concurrency.value_or(0), 0));
    auto const concurrency = wanted == 0 ? concurrency_max : std::min(wanted, concurrency_max);
    std::optional<std::uint32_t> rate;
    if (from.max_rate_per_second && *from.max_rate_per_second > 0)
        rate = static_cast<std::uint32_t>(*from.max_rate_per_second);
    return std::make_shared<delivery_profile>(
        delivery_profile{std::move(to), std::move(refused), header_template(header_prefix, user_agent, from.headers),
                         signing::webhook_signer(*secrets), std::max(concurrency, 1U), rate, from.revision});
}

} // namespace klen::webhooks::dispatch
