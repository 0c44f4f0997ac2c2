#pragma once

#include "dispatch/claimer.hpp"
#include "dispatch/health_book.hpp"
#include "dispatch/hub.hpp"
#include "dispatch/shard_set.hpp"

#include <deque>
#include <memory>
#include <vector>

namespace klen::webhooks::dispatch {

/// Writes finished attempts, many in one transaction: while one batch is under way the next gathers. A batch that the
/// database did not take is tried again until it does: an outcome is never dropped, short of an end without a database.
class outcome_writer {
  public:
    outcome_writer(hub_ptr shared, shard_set_ptr shards, std::shared_ptr<claimer> claims);

    /// Ends when `finish` was called and everything is written.
    task<void> loop();
    void finish();
    /// How many outcomes wait.
    std::size_t waiting() const;
    /// Gives up what is not written: its deliveries will be sent again by whoever claims them.
    void abandon();
    /// How webhooks did since the last call, as far as it is on record.
    std::vector<store::health_record> take_health() { return health_.take(); }

  private:
    using batch = std::vector<outcome>;
    batch next_batch();
    task<void> write(batch what);
    void room_returned();
    void settled(batch const& what, store::record_result const& told);
    void count(outcome const& o);

    hub_ptr const hub_;
    shard_set_ptr const shards_;
    std::shared_ptr<claimer> const claims_;
    std::deque<outcome> gathered_;
    health_book health_;
    std::size_t under_way_ = 0;
    bool finishing_ = false;
    steady_time begun_{}; ///< when the last batch was
    alarm pause_;
    log::throttle trouble_log_{std::chrono::seconds(10)};
    log::throttle lost_log_{std::chrono::seconds(10)};
};

} // namespace klen::webhooks::dispatch
