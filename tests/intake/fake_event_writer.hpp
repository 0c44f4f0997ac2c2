#pragma once

#include "klen/webhooks/store/event_writer.hpp"

#include <atomic>
#include <chrono>
#include <deque>
#include <functional>
#include <mutex>
#include <vector>

namespace klen::webhooks::testing_support {

/// Keeps what is submitted and answers when told to, or at once.
class fake_event_writer : public store::event_writer {
  public:
    void submit(store::new_event event, done finished) override {
        std::unique_lock lock(mutex_);
        submitted_.push_back(event);
        if (!answer_) {
            held_.emplace_back(std::move(event), std::move(finished));
            return;
        }
        auto answer = answer_(event);
        lock.unlock();
        finished(std::move(answer));
    }

    bool available() const override { return true; }
    std::size_t waiting() const override {
        std::lock_guard lock(mutex_);
        return held_.size();
    }
    std::chrono::nanoseconds busy_for() const override { return busy; }
    void stop() override {}

    std::atomic<std::chrono::nanoseconds> busy{std::chrono::nanoseconds(0)};

    using answerer = std::function<result<store::publish_receipt>(store::new_event const&)>;
    static result<store::publish_receipt> accept(store::new_event const& event) {
        return store::publish_receipt{event.event->id, false};
    }
    /// From now on each submit is answered at once.
    void answer_with(answerer how) {
        std::lock_guard lock(mutex_);
        answer_ = std::move(how);
    }
    /// From now on submits wait for `release`.
    void hold() { answer_with(nullptr); }
    /// Answers all that wait, last one first.
    void release(answerer const& how) {
        std::deque<std::pair<store::new_event, done>> held;
        {
            std::lock_guard lock(mutex_);
            held.swap(held_);
        }
        for (auto it = held.rbegin(); it != held.rend(); ++it)
            it->second(how(it->first));
    }

    std::vector<store::new_event> submitted() const {
        std::lock_guard lock(mutex_);
        return submitted_;
    }

  private:
    mutable std::mutex mutex_;
    answerer answer_ = accept;
    std::vector<store::new_event> submitted_;
    std::deque<std::pair<store::new_event, done>> held_;
};

} // namespace klen::webhooks::testing_support
