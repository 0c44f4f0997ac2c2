#pragma once

#include "simulation/generator.hpp"
#include "simulation/machine.hpp"
#include "simulation/trace.hpp"

#include <functional>
#include <vector>

namespace klen::webhooks::simulation {

/// Time, chance and the order of everything: picks at random which thread of which process runs its next handler, and
/// lets time jump to the next event when nobody can run.
class world {
  public:
    explicit world(std::uint64_t seed) : chance(seed), now_(std::chrono::hours(1000)) {}

    generator chance;
    trace log;

    steady_time now() const { return now_; }
    void at(steady_time when, std::function<void()> what);
    void after(std::chrono::nanoseconds wait, std::function<void()> what) { at(now_ + wait, std::move(what)); }

    void add(machine* m) { machines_.push_back(m); }
    void remove(machine* m) { std::erase(machines_, m); }

    /// One handler, or one event after time has passed; false: nothing is left to happen until then, and it is then.
    bool step(steady_time until);
    /// Whose handler ran in the last step, if one did.
    machine* ran() const { return ran_; }

    /// Threads are slow: sometimes time passes although a handler is ready.
    bool slow_threads = false;

  private:
    struct event {
        steady_time at;
        std::uint64_t order = 0; ///< at random among those of one moment
        std::function<void()> what;
    };
    static bool later(event const& a, event const& b) { return a.at != b.at ? a.at > b.at : a.order > b.order; }
    bool run_handler();
    bool run_event(steady_time until);

    steady_time now_;
    std::vector<event> events_; ///< a heap
    std::vector<machine*> machines_;
    struct runnable {
        machine* of;
        std::size_t queue;
    };
    std::vector<runnable> ready_;
    machine* ran_ = nullptr;
};

} // namespace klen::webhooks::simulation
