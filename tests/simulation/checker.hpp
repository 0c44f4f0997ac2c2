#pragma once

#include "klen/webhooks/egress/http_client.hpp"
#include "simulation/plan.hpp"
#include "simulation/weather.hpp"
#include "simulation/world.hpp"
#include "support/model_database.hpp"

#include <map>
#include <set>
#include <string>
#include <vector>

namespace klen::webhooks::simulation {

/// Why an attempt that was begun is not on record. Anything else is a defect.
enum class excuse : std::uint8_t {
    none,
    killed,        ///< its process was, before it could record it
    given_up,      ///< its lease had expired, and others took over
    shutdown,      ///< the time for a shutdown was over, or the database was not there
    refused,       ///< the database refused the record
    not_an_attempt ///< this machine's own failure: nothing was sent
};

/// Knows what was promised, sees what happens, and compares: at each step and at the end.
class checker : public testing::model_observer {
  public:
    checker(world& in, plan const& of, testing::model_database const& database, weather const& now)
        : world_(in), plan_(of), database_(database), weather_(now) {}

    /// The first thing that should not have happened; empty: all is well so far.
    std::string const& violation() const { return violation_; }
    void fail(std::string what);

    // --- processes; `who`: the number of the incarnation ---
    void process_began(std::size_t who, int slot);
    void process_killed(std::size_t who);
    /// A graceful stop has ended.
    void process_stopped(std::size_t who, steady_time began);
    void process_thawed(std::size_t who, standstill was);
    void look_at(std::size_t who, dispatch::dispatch_stats const& stats);

    // --- attempts ---
    std::size_t attempt_begins(std::size_t who, egress::post_request const& request);
    void attempt_is_written(std::size_t attempt);
    /// `used`: the receiver's answer counts; else this machine failed.
    void attempt_ended(std::size_t attempt, policy::attempt_result const& result);
    /// Its coroutine was cancelled.
    void attempt_dropped(std::size_t attempt);

    // --- events ---
    void accepted(event_id id);
    void refused(event_id id) { refused_.insert(id); }

    // --- the database ---
    void instance_began(instance_id id, std::string const& name) override;
    void heartbeat_came(instance_id id) override;
    void instance_ends(instance_id id, bool given_up) override;
    void recorded(testing::model_delivery const& d, testing::model_attempt const& a) override;
    /// The database refuses to record this one for good.
    void record_refused(delivery_id id);

    /// When the storm is over and the world was given time to heal.
    void at_the_end();

    struct counts {
        std::uint64_t attempts = 0;
        std::uint64_t excused = 0;
        std::uint64_t retries_timed = 0; ///< retries of which the punctuality could be checked
    };
    counts const& counted() const { return counts_; }

  private:
    /// One process's life.
    struct runner {
        int slot = 0;
        bool dead = false;
        steady_time believes_until{}; ///< it cannot know before that its lease is gone
        steady_time crowded{};        ///< when memory or the room for outcomes was last used up
        std::map<webhook_id, std::uint32_t> open_by_webhook;
        std::map<webhook_id, steady_time> webhook_busy; ///< when all its places were last taken
        std::map<std::string, std::uint32_t> open_by_host;
        std::map<std::string, steady_time> host_busy, host_half_full;
        std::map<webhook_id, steady_time> webhook_open; ///< when it last had a request under way
    };
    struct attempt {
        std::size_t who = 0;
        delivery_id delivery;
        webhook_id webhook;
        std::string host;
        int number = 0;
        std::int64_t term = 0; ///< who owned the row when it began
        steady_time begun;
        steady_time ended_at{};
        bool open = true;
        bool written = false;
        bool on_record = false;
        excuse why = excuse::none;
        policy::error_class error{};
        int status = 0;
        seconds asked_for{0}; ///< Retry-After
    };
    struct term {
        std::size_t who = 0;
        steady_time heartbeat;
    };

    void close(attempt& a);
    void check_row(attempt const& a, egress::post_request const& request);
    void check_places(attempt const& a);
    void check_due(attempt const& a, testing::model_delivery const& d);
    void check_late(attempt const& a, testing::model_delivery const& d);
    void excuse_all(std::size_t who, excuse why);
    bool is_owner(std::size_t who, std::int64_t term_id) const;
    void check_attempts();
    void check_deliveries();

    world& world_;
    plan const& plan_;
    testing::model_database const& database_;
    weather const& weather_;
    std::string violation_;
    std::vector<runner> runners_;
    std::vector<attempt> attempts_;
    std::map<delivery_id, std::vector<std::size_t>> attempts_of_;
    std::map<delivery_id, steady_time> due_;
    std::map<delivery_id, steady_time> held_up_; ///< when this machine failed last with it
    std::map<std::int64_t, term> terms_;
    std::set<event_id> accepted_, refused_;
    counts counts_;
};

} // namespace klen::webhooks::simulation
