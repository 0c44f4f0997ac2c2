#pragma once

#include "doubt.hpp"
#include "session.hpp"

#include "klen/webhooks/store/delivery_store.hpp"

#include <vector>

namespace klen::webhooks::store {

/// Leasing what waits. A claim is one transaction of two statements: the first locks rows and tells their ids, the
/// second leases them. So when the commit's answer is lost, it is known which rows this instance may have leased
/// without hearing of it; they are given back by the next call. For one thread.
class claims {
  public:
    result<due_result> due(session& link, due_request const& request);
    result<parked_result> parked(session& link, instance_id owner, std::vector<lane_room> const& rooms);
    /// Gives back what a claim in doubt may have leased.
    result<void> settle(session& link);

  private:
    struct doubt {
        backend_identity backend;
        instance_id owner;
        std::vector<delivery_id> ids;
    };
    struct claimed {
        std::vector<claimed_delivery> leased;
        std::vector<webhook_id> parked;
        std::vector<webhook_id> locked; ///< the webhook of each row that was found, for `exhausted`
    };
    result<claimed> claim(session& link, instance_id owner, statement const& lock, parameters const& with,
                          std::vector<webhook_id> const& full);

    std::vector<doubt> doubts_;
};

/// Gives back leases, if `owner` still has them.
result<void> release(session& link, instance_id owner, std::vector<delivery_id> ids, bool parked);

} // namespace klen::webhooks::store
