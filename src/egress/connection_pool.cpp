#include "egress/connection_pool.hpp"

#include <algorithm>

namespace klen::webhooks::egress {

namespace {
constexpr std::chrono::milliseconds sweep_every{500};
}

connection_ptr connection_pool::take(std::string const& key) {
    for (;;) {
        auto const at = by_key_.find(key);
        if (at == by_key_.end())
            return nullptr;
        auto const newest = at->second.back();
        auto which = newest->which;
        bool const fresh = std::chrono::steady_clock::now() < newest->until;
        drop(newest);
        if (fresh && which->is_quiet())
            return which;
        which->close();
    }
}

void connection_pool::put(std::string const& key, connection_ptr which, std::chrono::milliseconds idle_max) {
    if (stopped_ || idle_max <= std::chrono::milliseconds::zero() || limits_.per_key_max == 0 || limits_.all_max == 0) {
        which->close();
        return;
    }
    if (auto const at = by_key_.find(key); at != by_key_.end() && at->second.size() >= limits_.per_key_max)
        close_and_drop(at->second.front());
    if (idle_.size() >= limits_.all_max)
        close_oldest();
    idle_.push_back({key, std::move(which), std::chrono::steady_clock::now() + idle_max});
    by_key_[key].push_back(std::prev(idle_.end()));
    publish_size();
    sweep();
}

bool connection_pool::close_oldest() {
    if (idle_.empty())
        return false;
    close_and_drop(idle_.begin());
    return true;
}

void connection_pool::stop() {
    stopped_ = true;
    sweep_timer_.cancel();
    for (auto& e : idle_)
        e.which->close();
    by_key_.clear();
    idle_.clear();
    publish_size();
}

void connection_pool::close_and_drop(entries::iterator which) {
    which->which->close();
    drop(which);
}

void connection_pool::drop(entries::iterator which) {
    auto const at = by_key_.find(which->key);
    std::erase(at->second, which);
    if (at->second.empty())
        by_key_.erase(at);
    idle_.erase(which);
    publish_size();
}

/// Closes what has been idle for too long, again and again while there is anything.
void connection_pool::sweep() {
    if (sweep_armed_ || idle_.empty() || stopped_)
        return;
    sweep_armed_ = true;
    sweep_timer_.expires_after(sweep_every);
    sweep_timer_.async_wait([weak = weak_from_this()](boost::system::error_code const& ec) {
        auto const self = weak.lock();
        if (ec || !self)
            return;
        self->sweep_armed_ = false;
        auto const now = std::chrono::steady_clock::now();
        for (auto at = self->idle_.begin(); at != self->idle_.end();) {
            auto const here = at++;
            if (here->until > now)
                continue;
            self->close_and_drop(here);
        }
        self->sweep();
    });
}

} // namespace klen::webhooks::egress
