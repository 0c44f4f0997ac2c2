#include "simulation/world.hpp"

#include <algorithm>
#include <utility>

namespace klen::webhooks::simulation {

void world::at(steady_time when, std::function<void()> what) {
    events_.push_back({std::max(when, now_), chance.next(), std::move(what)});
    std::push_heap(events_.begin(), events_.end(), later);
}

bool world::step(steady_time until) {
    ran_ = nullptr;
    if (slow_threads && chance.chance(0.02) && run_event(std::min(until, now_ + std::chrono::milliseconds(5))))
        return true;
    return run_handler() || run_event(until);
}

bool world::run_handler() {
    ready_.clear();
    for (auto* m : machines_)
        if (!m->frozen())
            for (std::size_t i = 0; i < m->threads.size(); ++i)
                if (auto const& thread = *m->threads[i]; !thread.empty() && !thread.held)
                    ready_.push_back({m, i});
    if (ready_.empty())
        return false;
    auto const chosen = ready_.size() == 1 ? ready_[0] : ready_[chance.below(ready_.size())];
    log.note(now_, mark::handler, chosen.of->slot(), chosen.queue);
    ran_ = chosen.of;
    chosen.of->threads[chosen.queue]->run_one();
    return true;
}

bool world::run_event(steady_time until) {
    machine* sleeping = nullptr;
    auto next = events_.empty() ? steady_time::max() : events_.front().at;
    for (auto* m : machines_)
        if (auto const wake = m->frozen() ? std::nullopt : m->next_wake(); wake && *wake < next) {
            next = *wake;
            sleeping = m;
        }
    if (next > until) {
        now_ = std::max(now_, until);
        return false;
    }
    now_ = std::max(now_, next);
    if (sleeping) {
        log.note(now_, mark::wake, sleeping->slot());
        sleeping->naps.wake_first();
        return true;
    }
    std::pop_heap(events_.begin(), events_.end(), later);
    auto const what = std::move(events_.back().what);
    events_.pop_back();
    what();
    return true;
}

} // namespace klen::webhooks::simulation
