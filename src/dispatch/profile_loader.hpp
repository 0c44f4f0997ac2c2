#pragma once

#include "dispatch/hub.hpp"
#include "dispatch/shard_set.hpp"

#include <deque>

namespace klen::webhooks::dispatch {

/// Reads webhooks' configurations for lanes that ask, many at once. Ends soon after `hub::stopping` is set and `wake`
/// called.
class profile_loader {
  public:
    profile_loader(hub_ptr shared, shard_set_ptr shards) : hub_(std::move(shared)), shards_(std::move(shards)) {}

    task<void> loop();
    void wake() const { hub_->loads.bell().ring(); }

  private:
    std::vector<webhook_id> next_ids();
    void hand_over(std::vector<webhook_id> asked, std::vector<store::webhook> found) const;

    hub_ptr const hub_;
    shard_set_ptr const shards_;
    std::deque<webhook_id> asked_;
    log::throttle trouble_log_{std::chrono::seconds(10)};
};

} // namespace klen::webhooks::dispatch
