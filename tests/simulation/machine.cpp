#include "simulation/machine.hpp"

#include "simulation/world.hpp"

#include <algorithm>

namespace klen::webhooks::simulation {

machine::machine(world& in, int slot, std::size_t count, std::chrono::milliseconds wall_skew)
    : world_(in), slot_(slot), steady_offset_(std::chrono::hours(slot + 1)), wall_skew_(wall_skew) {
    for (std::size_t i = 0; i < count; ++i)
        threads.push_back(std::make_unique<run_queue>());
}

steady_time machine::world_now() const { return dead_ ? own_now_ : world_.now(); }

wall_time machine::wall() const {
    constexpr std::chrono::hours some_day{24 * 20'000};
    auto const since = world_now().time_since_epoch() + wall_skew_;
    return wall_time(some_day + std::chrono::duration_cast<wall_time::duration>(since));
}

void machine::freeze(standstill how) {
    runs_->frozen = true;
    how_ = how;
    frozen_at_ = world_.now();
}

void machine::thaw() {
    runs_->frozen = false;
    auto const stood = world_.now() - frozen_at_;
    if (how_ != standstill::stopped)
        steady_offset_ -= stood;
    if (how_ == standstill::paused)
        boot_offset_ -= stood;
}

std::optional<steady_time> machine::next_wake() const {
    auto const first = naps.first();
    if (!first)
        return std::nullopt;
    return *first - steady_offset_;
}

void machine::die() {
    own_now_ = world_.now();
    dead_ = true;
    runs_->frozen = false;
}

void machine::run_dry(std::size_t handlers_max) {
    std::size_t run = 0;
    for (bool some = true; some && run < handlers_max;) {
        some = false;
        for (auto const& thread : threads)
            for (; !thread->empty(); ++run, some = true)
                thread->run_one();
        if (auto const wake = next_wake(); wake && !some) {
            own_now_ = std::max(own_now_, *wake);
            naps.wake_first();
            some = true;
        }
    }
}

} // namespace klen::webhooks::simulation
