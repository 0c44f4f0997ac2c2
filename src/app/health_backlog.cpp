#include "app/health_backlog.hpp"

namespace klen::webhooks::app {

store::health_record joined(store::health_record out, store::health_record const& later) {
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
    out.failures_since_success = later.failures_since_success + (later.any_success() ? 0 : out.failures_since_success);
    return out;
}

std::size_t health_backlog::add(std::vector<store::health_record> const& records) {
    std::size_t lost = 0;
    for (auto const& record : records) {
        if (auto const known = waiting_.find(record.webhook); known != waiting_.end())
            known->second = joined(known->second, record);
        else if (waiting_.size() + under_way_.records.size() < webhooks_max_)
            waiting_.emplace(record.webhook, record);
        else
            ++lost;
    }
    return lost;
}

store::health_batch const& health_backlog::next(std::size_t count) {
    auto& batch = under_way_.records;
    if (!batch.empty() || waiting_.empty())
        return under_way_;
    ++under_way_.number;
    while (!waiting_.empty() && batch.size() < count)
        batch.push_back(waiting_.extract(waiting_.begin()).mapped());
    return under_way_;
}

void health_backlog::forget() { under_way_.records.clear(); }

} // namespace klen::webhooks::app
