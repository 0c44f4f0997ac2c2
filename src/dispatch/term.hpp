#pragma once

#include "klen/webhooks/base/clock.hpp"
#include "klen/webhooks/base/ids.hpp"

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

namespace klen::webhooks::dispatch {

/// One registration of this daemon, and everything that was leased under it. Thread-safe.
class term {
  public:
    /// `usable`: how long after the start of a committed heartbeat an attempt may still begin.
    term(instance_id id, boot_time heartbeat_started, std::chrono::nanoseconds usable)
        : id_(id), usable_(usable), heartbeat_(heartbeat_started.time_since_epoch().count()) {}

    instance_id id() const { return id_; }

    /// A heartbeat that began then was committed. The start counts: the database may have stamped it that early.
    void renewed(boot_time heartbeat_started) { heartbeat_.store(heartbeat_started.time_since_epoch().count()); }
    std::chrono::nanoseconds age(boot_time now) const {
        return now.time_since_epoch() - std::chrono::nanoseconds(heartbeat_.load());
    }
    /// May an attempt begin now?
    bool fresh(boot_time now) const { return !ended() && age(now) < usable_; }

    /// The database has given its leases to others.
    void end() { ended_.store(true); }
    bool ended() const { return ended_.load(); }

    /// The fate of a claim or of a hand-back is unknown: something may be leased under this term that nobody here knows
    /// of. Only the end of the term gives that back, so another term has to follow.
    void doubt() { doubtful_.store(true); }
    bool doubtful() const { return doubtful_.load(); }

    /// Deliveries in memory that are leased under it.
    void hold() { held_.fetch_add(1); }
    void let_go() { held_.fetch_sub(1); }
    std::int64_t held() const { return held_.load(); }

  private:
    instance_id const id_;
    std::chrono::nanoseconds const usable_;
    std::atomic<std::int64_t> heartbeat_;
    std::atomic<bool> ended_{false};
    std::atomic<bool> doubtful_{false};
    std::atomic<std::int64_t> held_{0};
};
using term_ptr = std::shared_ptr<term>;

/// The terms that live: the current one, under which is claimed, and older ones that are being finished. Thread-safe.
class lease_book {
  public:
    /// Null while not registered.
    term_ptr current() const {
        std::lock_guard lock(mutex_);
        return current_;
    }
    bool knows(instance_id id) const {
        std::lock_guard lock(mutex_);
        return at(id) != nullptr;
    }
    /// Null when that term is over. It does not end as one under which nothing is held until it is let go of.
    term_ptr find_and_hold(instance_id id) {
        std::lock_guard lock(mutex_);
        auto out = at(id);
        if (out)
            out->hold();
        return out;
    }
    /// Ends a term that is being finished, and forgets it, if nothing is held under it.
    bool end_unheld(term_ptr const& which) {
        std::lock_guard lock(mutex_);
        if (which->held() > 0)
            return false;
        which->end();
        std::erase(retiring_, which);
        return true;
    }
    /// The term before is finished from now on, unless it has ended.
    void begin(term_ptr next) {
        std::lock_guard lock(mutex_);
        if (current_ && !current_->ended())
            retiring_.push_back(std::move(current_));
        current_ = std::move(next);
    }
    void forget(term_ptr const& gone) {
        std::lock_guard lock(mutex_);
        if (current_ == gone)
            current_.reset();
        std::erase(retiring_, gone);
    }
    std::vector<term_ptr> retiring() const {
        std::lock_guard lock(mutex_);
        return retiring_;
    }
    /// The current one first.
    std::vector<term_ptr> all() const {
        std::lock_guard lock(mutex_);
        std::vector<term_ptr> out;
        if (current_)
            out.push_back(current_);
        out.insert(out.end(), retiring_.begin(), retiring_.end());
        return out;
    }

  private:
    term_ptr at(instance_id id) const {
        if (current_ && current_->id() == id)
            return current_;
        for (auto const& t : retiring_)
            if (t->id() == id)
                return t;
        return nullptr;
    }

    mutable std::mutex mutex_;
    term_ptr current_;
    std::vector<term_ptr> retiring_;
};

} // namespace klen::webhooks::dispatch
