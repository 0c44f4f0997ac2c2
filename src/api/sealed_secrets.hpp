#pragma once

#include "klen/webhooks/signing/sealer.hpp"
#include "klen/webhooks/signing/secret.hpp"
#include "klen/webhooks/store/types.hpp"

#include <string>
#include <string_view>

namespace klen::webhooks::api {

/// A webhook's secret as it is stored: bound to its row and account, so that it can be opened there only.
store::sealed_secret seal_secret(signing::sealer const& seals, secret_id id, signing::secret const& secret,
                                 std::string_view account_id);

/// `corrupt` when it was not sealed for this account.
result<std::string> open_secret(signing::sealer const& seals, store::sealed_secret const& sealed,
                                std::string_view account_id);

} // namespace klen::webhooks::api
