#pragma once

#include "dispatch/claimer.hpp"
#include "dispatch/hub.hpp"
#include "dispatch/shard_set.hpp"
#include "klen/webhooks/policy/instance_judge.hpp"

#include <memory>
#include <vector>

namespace klen::webhooks::dispatch {

/// Keeps this daemon registered: heartbeats while every io thread answers, a new term when the old one was lost or is
/// in doubt, an end for other instances' terms when they are dead. All members on the coordinator.
class instance_keeper {
  public:
    instance_keeper(hub_ptr shared, shard_set_ptr shards, std::shared_ptr<claimer> claims);

    /// Begins the first or another term.
    task<result<void>> begin_term();
    /// Ends when `finish` was called.
    task<void> loop();
    /// The same, for what may take long, and no heartbeat may wait for: ends terms, its own that are finished and those
    /// of the dead.
    task<void> clean_up_loop();
    void finish();
    /// Gives back all leases, with every term.
    task<void> leave();

  private:
    struct ping {
        bool outstanding = false;
        steady_time sent{};
    };
    void ping_shards();
    bool shards_answer();
    /// False: a heartbeat was not committed.
    task<bool> heartbeats();
    task<void> replace_term();
    task<void> end_finished_terms();
    task<void> look_for_dead();
    bool is_retired(instance_id id) const;
    void term_lost(term_ptr const& gone);
    void renewed(term_ptr const& which, boot_time started);
    policy::instance_judge new_judge() const;

    hub_ptr const hub_;
    shard_set_ptr const shards_;
    std::shared_ptr<claimer> const claims_;
    alarm const alarm_;
    alarm const clean_up_;
    bool finishing_ = false;
    std::vector<std::shared_ptr<ping>> pings_;
    /// Since when each is being finished. Of those that are ended here the database does not know it yet.
    std::vector<std::pair<term_ptr, steady_time>> retired_at_;
    policy::instance_judge judge_;
    log::throttle heartbeat_log_{std::chrono::seconds(10)};
    log::throttle hung_log_{std::chrono::seconds(10)};
};

} // namespace klen::webhooks::dispatch
