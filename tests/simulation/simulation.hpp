#pragma once

#include "simulation/checker.hpp"
#include "simulation/incarnation.hpp"
#include "simulation/plan.hpp"
#include "simulation/world.hpp"

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace klen::webhooks::simulation {

/// What one seed came to.
struct outcome {
    std::uint64_t seed = 0;
    std::string violation; ///< empty: every promise was held
    std::string plan;
    std::string last_events; ///< before the violation
    std::uint64_t trace_hash = 0;
    std::uint64_t steps = 0;
    std::uint64_t deliveries = 0;
    checker::counts counts;
};

/// A world with processes, receivers, publishers and a database, through a storm of faults, a time to heal, and a
/// quiet end. Everything in it follows from the seed.
class simulation {
  public:
    explicit simulation(std::uint64_t seed);
    ~simulation();
    simulation(simulation const&) = delete;
    simulation& operator=(simulation const&) = delete;

    /// `aloud`: write what happens to the standard output.
    outcome run(bool aloud = false);

  private:
    struct slot {
        std::unique_ptr<incarnation> lives;
        std::uint64_t life = 0; ///< grows with each change: late plans for an earlier life are dropped
    };
    struct publication {
        event_ptr event;
        int tries = 0;
        std::uint64_t turn = 0; ///< answers to earlier tries say nothing
        bool doubtful = false;  ///< a try may have stored it
        bool over = false;
    };

    // --- the world at rest ---
    void make_webhooks();
    void begin_life(std::size_t at);
    void end_life(std::size_t at);
    void begin_life_later(std::size_t at, milliseconds after);
    void tell_changes(webhook_id id);
    void tell_change(std::size_t at, webhook_id id);
    bool run_until(steady_time end, std::function<bool()> const& met);
    bool step(steady_time end);
    void look_at_lives();

    // --- publishers ---
    void publish_some(std::size_t count, milliseconds within);
    void try_to_publish(std::shared_ptr<publication> const& p);
    void heard(std::shared_ptr<publication> const& p, publish_answer what);

    // --- the storm (storm.cpp) ---
    void begin_storm();
    void come(fault_kind what);
    void strike(fault_kind what);
    void strike_process(fault_kind what);
    void strike_database(fault_kind what);
    void set_probabilities();
    void kill_soon(std::size_t at);
    void stand_still(std::size_t at, standstill how, milliseconds time);
    void hang_thread(std::size_t at, milliseconds time);
    void cut(link& which, milliseconds time);
    void change_webhook();
    void note_fault(fault_kind what, int at, std::int64_t detail = 0);
    void keep_enabled();
    void calm_down();
    std::size_t any_slot() { return world_.chance.below(slots_.size()); }

    // --- the end ---
    void storm();
    void heal();
    void use_every_place();
    void stop_all();
    milliseconds time_to_heal() const;
    bool all_done() const;
    bool all_given_back() const;

    plan plan_;
    world world_;
    weather weather_;
    signing::sealer seals_;
    std::uint64_t last_id_ = 0;
    testing::model_database database_;
    checker check_;
    surroundings all_;
    std::vector<slot> slots_;
    std::vector<std::unique_ptr<incarnation>> ended_;
    std::size_t incarnations_ = 0;
    std::vector<webhook_id> webhooks_;
    std::size_t publishing_ = 0;
    std::size_t events_ = 0;
    bool storming_ = false;
    struct doom {
        std::size_t slot = 0;
        std::uint64_t life = 0;
        std::uint64_t handlers = 0;
    };
    std::vector<doom> dooms_; ///< kills that wait for some more handlers to run
    std::uint64_t steps_ = 0;
};

} // namespace klen::webhooks::simulation
