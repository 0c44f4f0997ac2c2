#include "app/health_backlog.hpp"

#include <utility>

namespace klen::webhooks::app {

store::health_record joined(store::health_record earlier, store::health_record const& later) {
    auto out = std::move(earlier);
    out.delivered += later.delivered;
    out.failed += later.failed;
    for (std::size_t i = 0; i < out.durations.size(); ++i)
        out.durations[i] += later.durations[i];
    if (later.last_success_at)
        out.last_success_at = later.last_success_at;
    if (later.last_failure_at) {
        out.last_failure_at = later.last_failure_at;
        out.last_failure = later.last_failure;
    }
    out.failures_since_success = later.failures_since_success + (later.any_success ? 0 : out.failures_since_success);
    out.any_success = out.any_success || later.any_success;
    return out;
}

std::size_t health_backlog::add(std::vector<store::health_record> const& records) {
    std::size_t lost = 0;
    for (auto const& record : records) {
        if (auto const known = waiting_.find(record.webhook); known != waiting_.end())
            known->second = joined(known->second, record);
        else if (waiting_.size() < webhooks_max_)
            waiting_.emplace(record.webhook, record);
        else
            ++lost;
    }
    return lost;
}

std::vector<store::health_record> health_backlog::first(std::size_t count) const {
    std::vector<store::health_record> out;
    for (auto at = waiting_.begin(); at != waiting_.end() && out.size() < count; ++at)
        out.push_back(at->second);
    return out;
}

void health_backlog::forget(std::vector<store::health_record> const& written) {
    for (auto const& record : written)
        waiting_.erase(record.webhook);
}

} // namespace klen::webhooks::app
