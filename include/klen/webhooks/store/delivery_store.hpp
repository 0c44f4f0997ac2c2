#pragma once

#include "klen/webhooks/base/async.hpp"
#include "klen/webhooks/base/config.hpp"
#include "klen/webhooks/policy/instance_judge.hpp"
#include "klen/webhooks/store/connection.hpp"
#include "klen/webhooks/store/types.hpp"

#include <memory>
#include <optional>
#include <vector>

namespace klen::webhooks::store {

struct due_request {
    instance_id owner;
    std::uint32_t limit = 0;
    std::vector<webhook_id> full; ///< deliveries of these are parked instead of leased
};

struct due_result {
    std::vector<claimed_delivery> deliveries; ///< leased to the owner
    std::vector<webhook_id> parked;           ///< webhooks of which something was parked just now
    /// Until the next delivery falls due; none: nothing waits. Zero: more is due already.
    std::optional<std::chrono::milliseconds> next_due;
};

/// Room in one lane, to be filled with what is parked for it.
struct lane_room {
    webhook_id webhook;
    std::uint32_t room = 0;
};

struct parked_result {
    std::vector<claimed_delivery> deliveries;
    std::vector<webhook_id> exhausted; ///< nothing is parked for these any more
};

struct record_result {
    std::vector<delivery_id> lost; ///< of these the lease was lost: the record changed nothing
    std::vector<std::pair<webhook_id, std::string>> disabled; ///< webhooks disabled by this batch, with the reason
};

/// The queue as dispatch sees it: what the database decides, and nothing more. A simulation has a model of it.
///
/// Each call is one short transaction. The tasks may be awaited on any executor and resume there; different groups of
/// calls (heartbeat; claims; records) use connections of their own and do not wait for one another; calls of one group
/// are done one after the other. `reap` and `leave` read through the whole queue, so they belong to the claims: a
/// heartbeat never waits for them. Failures: `connection_lost` (may or may not have happened; every call can be
/// repeated safely), `database_busy`, `database_refused`.
class delivery_store {
  public:
    virtual ~delivery_store() = default;

    /// A new instance id, with a first heartbeat. `name`: host and pid, for people. What this daemon's configuration
    /// puts into request headers is kept with the id.
    virtual task<result<instance_id>> register_instance(std::string name) = 0;
    /// `lease_lost` when the others took this instance for dead: its leases are gone, it must register anew.
    virtual task<result<void>> heartbeat(instance_id self) = 0;
    virtual task<result<std::vector<policy::instance_sighting>>> instances() = 0;
    /// Frees the leases of `dead`, if its heartbeat count still is what was seen. Returns how many deliveries were
    /// freed; none when it lives after all.
    virtual task<result<std::optional<std::uint64_t>>> reap(policy::instance_sighting dead) = 0;
    /// Gives back all leases of `self` and removes it.
    virtual task<result<std::uint64_t>> leave(instance_id self) = 0;

    /// `lease_lost` when the owner was given up by the others; so for `claim_parked`.
    virtual task<result<due_result>> claim_due(due_request request) = 0;
    virtual task<result<parked_result>> claim_parked(instance_id owner, std::vector<lane_room> rooms) = 0;
    /// Enabled or deleted webhooks that have parked deliveries (a deleted one's are to be cancelled), in id order,
    /// after `after`, at most `limit`.
    virtual task<result<std::vector<webhook_id>>> parked_webhooks(webhook_id after, std::uint32_t limit) = 0;
    /// Gives back leased deliveries that were not begun.
    virtual task<result<void>> hand_back(instance_id owner, std::vector<delivery_id> deliveries, bool parked) = 0;

    /// Writes attempts and next states, each guarded by lease and attempt number: repeating a batch whose fate is
    /// unknown counts nothing twice. A retry after a `local_failure` goes back to the queue without being counted or
    /// put on record.
    virtual task<result<record_result>> record(instance_id owner, std::vector<attempt_record> batch) = 0;

    /// With secrets; deleted ones come with `deleted` set; unknown ids are left out.
    virtual task<result<std::vector<webhook>>> load_webhooks(std::vector<webhook_id> ids) = 0;
};

/// The real one, on PostgreSQL: threads `heartbeat`, `claims`, `outcomes`, each with a connection of its own.
/// The destructor waits for what is under way.
std::unique_ptr<delivery_store> make_delivery_store(connection_options const& options, delivery_config const& delivery);

} // namespace klen::webhooks::store
