#pragma once

#include "klen/webhooks/base/clock.hpp"

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

namespace klen::webhooks::dispatch {

/// Who is to be woken when. Pure; belongs to one shard. Nothing is taken out before its time: who was woken by
/// something else meanwhile is woken once more.
template <class Waiter>
class wake_queue {
  public:
    void add(steady_time at, std::shared_ptr<Waiter> who) {
        heap_.push_back({at, std::move(who)});
        std::push_heap(heap_.begin(), heap_.end(), later);
    }
    std::optional<steady_time> next() const { return heap_.empty() ? std::nullopt : std::optional(heap_.front().at); }
    /// The earliest, if its time has come.
    std::optional<std::pair<steady_time, std::shared_ptr<Waiter>>> take_due(steady_time now) {
        if (heap_.empty() || heap_.front().at > now)
            return std::nullopt;
        std::pop_heap(heap_.begin(), heap_.end(), later);
        std::pair out(heap_.back().at, std::move(heap_.back().who));
        heap_.pop_back();
        return out;
    }
    void clear() { heap_.clear(); }
    std::size_t size() const { return heap_.size(); }

  private:
    struct entry {
        steady_time at;
        std::shared_ptr<Waiter> who;
    };
    static bool later(entry const& a, entry const& b) { return a.at > b.at; }
    std::vector<entry> heap_;
};

} // namespace klen::webhooks::dispatch
