#include "sealed_secrets.hpp"

namespace klen::webhooks::api {

namespace {

signing::sealer::place place_of(secret_id const& id, std::string_view account_id) {
    return {"webhook_secrets", id.value, account_id};
}

} // namespace

store::sealed_secret seal_secret(signing::sealer const& seals, secret_id id, signing::secret const& secret,
                                 std::string_view account_id) {
    store::sealed_secret out;
    out.id = id;
    out.sealed = seals.seal(secret.text(), place_of(id, account_id));
    out.key_id = seals.key_id();
    out.created_at = system_clock().wall();
    return out;
}

result<std::string> open_secret(signing::sealer const& seals, store::sealed_secret const& sealed,
                                std::string_view account_id) {
    return seals.open(sealed.sealed, sealed.key_id, place_of(sealed.id, account_id));
}

} // namespace klen::webhooks::api
