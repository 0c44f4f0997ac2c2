#pragma once

#include "session.hpp"

#include "klen/webhooks/store/api_store.hpp"

#include <functional>

/// What api_store does with secrets.
namespace klen::webhooks::store {

/// How many secrets may sign for one webhook at a time: each makes the signature header of every request longer.
inline constexpr std::size_t signing_secrets_max = 10;

/// A webhook with those of its secrets that still sign, newest first.
result<webhook> read_with_secrets(session& on, std::string const& account_id, webhook_id id);
result<webhook> replace_secret(session& on, std::string const& account_id, webhook_id id, sealed_secret const& fresh,
                               seconds grace);

using seal_again = std::function<result<sealed_secret>(sealed_secret const&, std::string const& account_id)>;
result<api_store::reseal_step> reseal_some(session& on, secret_id after, std::uint32_t limit,
                                           std::string const& current_key_id, seal_again const& again);

} // namespace klen::webhooks::store
