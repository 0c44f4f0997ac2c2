#pragma once

#include "dispatch/alarm.hpp"

#include <mutex>
#include <utility>
#include <vector>

namespace klen::webhooks::dispatch {

/// What the shards and other threads hand to one of the coordinator's loops. `push` from any thread; the loop is rung
/// once for what gathers until it looks.
template <class T>
class inbox {
  public:
    explicit inbox(alarm reader) : reader_(std::move(reader)) {}

    void push(T item) {
        bool first = false;
        {
            std::lock_guard lock(mutex_);
            first = items_.empty();
            items_.push_back(std::move(item));
        }
        if (first)
            reader_.ring_soon();
    }

    /// Everything there is, in order.
    std::vector<T> drain() {
        std::lock_guard lock(mutex_);
        return std::exchange(items_, {});
    }

    /// What the reading loop waits on.
    alarm const& bell() const { return reader_; }

  private:
    alarm reader_;
    std::mutex mutex_;
    std::vector<T> items_;
};

} // namespace klen::webhooks::dispatch
