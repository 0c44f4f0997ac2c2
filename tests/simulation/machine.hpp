#pragma once

#include "klen/webhooks/base/clock.hpp"
#include "simulation/run_queue.hpp"
#include "support/sleepers.hpp"

#include <memory>
#include <optional>
#include <vector>

namespace klen::webhooks::simulation {

class world;

/// How a process stands still.
enum class standstill {
    stopped,   ///< SIGSTOP: all clocks go on
    suspended, ///< the machine sleeps: the steady clock stands still, CLOCK_BOOTTIME goes on
    paused,    ///< the hypervisor stops the machine with all its clocks: it cannot know
};

/// One process: its threads, its clocks, and who sleeps in it. The clocks run with the world's time, each with an
/// offset of its own.
class machine : public clock {
  public:
    machine(world& in, int slot, std::size_t threads, std::chrono::milliseconds wall_skew);

    int slot() const { return slot_; }
    std::vector<std::unique_ptr<run_queue>> threads; ///< the first one is the coordinator
    testing::sleepers naps;                          ///< by this machine's steady clock

    steady_time steady() const override { return world_now() + steady_offset_; }
    wall_time wall() const override;
    boot_time boot() const override { return boot_time((world_now() + boot_offset_).time_since_epoch()); }
    void turn_wall_clock(std::chrono::milliseconds by) { wall_skew_ += by; }

    bool frozen() const { return runs_->frozen; }
    void freeze(standstill how);
    void thaw();
    /// What the last standstill was.
    standstill frozen_as() const { return how_; }

    task<void> sleep_until(steady_time at) { return naps.sleep_until(runs_, at); }
    /// In the world's time: when a sleeper wants to be woken.
    std::optional<steady_time> next_wake() const;

    bool dead() const { return dead_; }
    /// From now on it is outside of the world: what is left in it has a time of its own and reaches nobody.
    void die();
    /// After `die`: runs what is left, as long as there is something, and lets its own time jump.
    void run_dry(std::size_t handlers_max);

  private:
    steady_time world_now() const;

    world& world_;
    int const slot_;
    testing::process_ptr runs_ = std::make_shared<testing::process>();
    std::chrono::nanoseconds steady_offset_;
    std::chrono::nanoseconds boot_offset_{0};
    std::chrono::milliseconds wall_skew_;
    standstill how_ = standstill::stopped;
    steady_time frozen_at_{};
    bool dead_ = false;
    steady_time own_now_{};
};

} // namespace klen::webhooks::simulation
