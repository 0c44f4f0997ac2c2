#pragma once

#include "klen/webhooks/base/clock.hpp"
#include "klen/webhooks/store/types.hpp"

#include <unordered_map>
#include <vector>

namespace klen::webhooks::dispatch {

/// Sums up how webhooks did, one entry for each that had an attempt since the last `take`.
class health_book {
  public:
    /// A recorded attempt, in the order in which they ended. A cancellation says nothing about the receiver.
    void add(store::attempt_record const& one, wall_time ended);
    std::vector<store::health_record> take();

  private:
    std::unordered_map<webhook_id, store::health_record> since_;
};

} // namespace klen::webhooks::dispatch
