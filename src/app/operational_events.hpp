#pragma once

#include "klen/webhooks/base/async.hpp"
#include "klen/webhooks/intake/intake.hpp"
#include "klen/webhooks/store/history_store.hpp"

#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

namespace klen::webhooks::app {

/// Publishes what the store's outbox holds to the webhooks of the operational account. Each event's id is its row's, so
/// that several daemons, or one that dies between publishing and forgetting, publish it once.
class operational_events {
  public:
    /// `account_id` empty: nobody wants them; they are dropped.
    operational_events(store::history_store& from, intake::intake& to, std::string account_id)
        : from_(from), to_(to), account_id_(std::move(account_id)) {}

    /// Publishes the oldest ones. Returns how many are done with; fewer than `batch` when none is left.
    task<result<std::size_t>> publish_some();

    static constexpr std::uint32_t batch = 100;

    /// Thread-safe.
    std::uint64_t published() const { return published_.load(std::memory_order_relaxed); }
    /// As of the last look, up to `batch`. Thread-safe.
    std::uint64_t waiting() const { return waiting_.load(std::memory_order_relaxed); }

  private:
    task<std::vector<std::string>> publish(std::vector<store::operational_event> events);

    store::history_store& from_;
    intake::intake& to_;
    std::string account_id_;
    std::atomic<std::uint64_t> published_{0};
    std::atomic<std::uint64_t> waiting_{0};
};

/// `{"event_type":…,"payload":…,"id":…,"timestamp":…}`: what intake gets. Pure.
std::string publish_text(store::operational_event const& event);

} // namespace klen::webhooks::app
