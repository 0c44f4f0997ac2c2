#pragma once

#include "session.hpp"

#include "klen/webhooks/store/api_store.hpp"

/// What api_store does with calls that came with an Idempotency-Key.
namespace klen::webhooks::store {

result<idempotent_begin> take_call(session& on, idempotent_call const& call);
result<void> keep_answer(session& on, std::string const& scope, std::string const& idempotency_key,
                         idempotent_answer const& answer);
result<void> release_call(session& on, std::string const& scope, std::string const& idempotency_key, uuid holder);

} // namespace klen::webhooks::store
