#pragma once

#include "klen/webhooks/base/config.hpp"
#include "klen/webhooks/store/connection.hpp"
#include "klen/webhooks/store/types.hpp"

#include <chrono>
#include <functional>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

namespace klen::webhooks::store {

/// What the owner of the lanes tells the writer before each batch, and gets from it after. Called on the writer's
/// thread; the implementation hands over to its own threads.
class lane_gate {
  public:
    virtual ~lane_gate() = default;

    struct grant {
        instance_id owner;                ///< 0: takes nothing; deliveries are born due and unleased
        std::uint32_t deliveries_max = 0; ///< how many the lanes can take at most
        std::vector<webhook_id> full;     ///< webhooks whose lane has no room: their deliveries are born parked
    };
    /// For a batch with events of these accounts, each named once: `full` tells at least of theirs.
    virtual grant current_grant(std::span<std::string_view const> accounts) = 0;
    /// Deliveries that were born leased to `owner`, after the commit.
    virtual void take(instance_id owner, std::vector<claimed_delivery> deliveries) = 0;
    /// Webhooks of which deliveries were parked in the database.
    virtual void note_parked(std::vector<webhook_id> webhooks) = 0;
    /// A batch was committed; the event of it that waited longest did so for `longest`, from `submit` on.
    virtual void publishers_waited(std::chrono::nanoseconds /*longest*/) {}
};

/// Commits events with their deliveries, many in one statement: while one batch is under way the next gathers. Owns a
/// thread and a connection. Events that wait are bounded by `[intake]`.
class event_writer {
  public:
    using done = std::function<void(result<publish_receipt>)>;

    static std::unique_ptr<event_writer> create(connection_options const& options, intake_config const& limits,
                                                lane_gate& gate);
    /// Stops; what still waits is answered `shutting_down`.
    virtual ~event_writer() = default;

    /// Thread-safe. `finished` is called exactly once: on the writer's thread after the commit, or at once on the
    /// caller's when the event is not accepted.
    ///  - `conflict`: the idempotency key was used for other content.
    ///  - `connection_lost`: the database is gone. Nothing was stored; only when the link broke in the middle of the
    ///    commit and the database did not come back within a second, that is not known (the message says so): then a
    ///    repeat with the same idempotency key is safe, and deliveries that were made are found when it is back.
    ///  - `database_refused`: the database does not take this event; its neighbours are not affected.
    ///  - `database_busy`: it could not be stored now (disk full, deadlocks); a repeat may succeed.
    ///  - `overloaded`: the queue is full. `over_limit`: the account's share of it is. `shutting_down`: after `stop`.
    virtual void submit(new_event event, done finished) = 0;

    /// False while the last batch met a database that was gone.
    virtual bool available() const = 0;
    virtual std::size_t waiting() const = 0;
    /// How long the batch under way has been with the database; 0: none is. Thread-safe.
    virtual std::chrono::nanoseconds busy_for() const = 0;

    /// No more submits; waits until what was accepted is answered. Idempotent.
    virtual void stop() = 0;
};

} // namespace klen::webhooks::store
