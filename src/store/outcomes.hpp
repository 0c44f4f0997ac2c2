#pragma once

#include "session.hpp"

#include "klen/webhooks/store/delivery_store.hpp"

namespace klen::webhooks::store {

/// What a webhook's failures lead to.
struct failure_rules {
    hours disable_after{};               ///< 0: never
    std::chrono::minutes report_after{}; ///< 0: never
    std::string operational_account;     ///< whose webhooks are told; empty: nobody's
};

/// Writes a batch of attempts and what follows from them: one statement for the first attempts that succeeded, one for
/// the others, each a transaction of its own, and a third only when a lease was lost. After an error the same batch may
/// be written again: what was written already counts nothing twice.
result<record_result> record_outcomes(session& link, instance_id owner, std::vector<attempt_record> batch,
                                      failure_rules const& rules);

} // namespace klen::webhooks::store
