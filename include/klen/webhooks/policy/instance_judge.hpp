#pragma once

#include "klen/webhooks/base/clock.hpp"
#include "klen/webhooks/base/ids.hpp"

#include <chrono>
#include <cstdint>
#include <unordered_map>
#include <vector>

namespace klen::webhooks::policy {

/// One row of the table of instances, as the database tells it.
struct instance_sighting {
    instance_id id;
    std::int64_t heartbeat_count = 0;          ///< grows with every heartbeat
    std::chrono::milliseconds heartbeat_age{}; ///< by the database's clock; negative when that clock was set back
};

/// Says which instances are dead. One is, when its heartbeat count was seen unchanged
///  - for `lease_timeout` by this machine's steady clock, or
///  - for `confirm` by the steady clock, and its age by the database's clock is over `lease_timeout`.
/// So a jump of the database's clock takes nobody's leases (everybody's count moves within `confirm`), and a restart
/// after a long stop waits for `confirm` only. Pure; not thread-safe.
class instance_judge {
  public:
    instance_judge(std::chrono::milliseconds lease_timeout, std::chrono::milliseconds confirm)
        : lease_timeout_(lease_timeout), confirm_(confirm) {}

    /// Looks at all rows but `self`; forgets instances that are gone.
    std::vector<instance_sighting> dead(std::vector<instance_sighting> const& rows, instance_id self, steady_time now);

  private:
    struct seen {
        std::int64_t count = 0;
        steady_time since{};
    };
    std::chrono::milliseconds lease_timeout_;
    std::chrono::milliseconds confirm_;
    std::unordered_map<std::int64_t, seen> seen_;
};

} // namespace klen::webhooks::policy
