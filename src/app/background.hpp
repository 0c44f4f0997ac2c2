#pragma once

#include "klen/webhooks/api/handlers.hpp"
#include "klen/webhooks/base/async.hpp"
#include "klen/webhooks/base/config.hpp"
#include "klen/webhooks/dispatch/dispatcher.hpp"
#include "klen/webhooks/intake/intake.hpp"
#include "klen/webhooks/store/api_store.hpp"

#include <string>
#include <unordered_map>

namespace klen::webhooks::app {

/// What the background work reads and feeds. All of it outlives the work.
struct background_parts {
    store::api_store* store = nullptr;
    dispatch::dispatcher* dispatcher = nullptr;
    api::key_cache* keys = nullptr;
    intake::event_catalogue* catalogue = nullptr;
};

struct background_times {
    milliseconds watch{}; ///< how often changes to webhooks and keys are looked for
    milliseconds catalogue{std::chrono::seconds(15)};
    milliseconds maintenance{std::chrono::hours(1)};
    hours events_kept{};
    hours idempotency_window{};
};

/// Work beside the deliveries, on the coordinator's executor: follows what other instances and commands change, and
/// makes and drops partitions. All members are to be called there.
class background {
  public:
    background(executor ex, background_parts parts, background_times times);

    /// Everything once, in order: a server that starts afterwards knows its keys and types, and today has a partition.
    task<result<void>> first_round();
    void start();
    task<void> stop();

  private:
    task<result<void>> watch();
    task<result<void>> read_catalogue();
    task<result<void>> maintain();
    /// `step` again and again, `every` apart; a failure is logged and the step tried again next time.
    task<void> repeat(milliseconds every, std::string name, task<result<void>> (background::*step)());

    executor ex_;
    background_parts parts_;
    background_times times_;
    std::string cursor_;
    std::unordered_map<webhook_id, std::int64_t> revisions_; ///< what the last look showed: looks overlap by seconds
    task_group group_;
};

} // namespace klen::webhooks::app
