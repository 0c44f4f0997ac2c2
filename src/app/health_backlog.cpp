#include "app/health_backlog.hpp"

namespace klen::webhooks::app {

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
