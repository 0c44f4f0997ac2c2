#pragma once

#include "dispatch/claimer.hpp"
#include "dispatch/hub.hpp"

#include <memory>
#include <vector>

namespace klen::webhooks::dispatch {

/// Hands deliveries that were not begun back to the database. Ends soon after `hub::stopping` is set and `wake` called:
/// what it has left goes back with the lease.
class returner {
  public:
    returner(hub_ptr shared, std::shared_ptr<claimer> claims) : hub_(std::move(shared)), claims_(std::move(claims)) {}

    task<void> loop();
    void wake() const { hub_->returns.bell().ring(); }

  private:
    using batch = std::vector<returned_delivery>;
    /// What may go back now, of one term and one kind.
    batch next_batch(steady_time now);
    /// When the earliest of the others may.
    steady_time next_time(steady_time now) const;
    task<bool> hand_back(batch what);

    hub_ptr const hub_;
    std::shared_ptr<claimer> const claims_;
    batch waiting_;
    log::throttle trouble_log_{std::chrono::seconds(10)};
};

} // namespace klen::webhooks::dispatch
