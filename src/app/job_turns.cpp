#include "app/job_turns.hpp"

#include <algorithm>

namespace klen::webhooks::app {

store::job_plan job_turns::plan(steady_time now) const {
    store::job_plan out;
    out.deliveries_max = how_.step_max;
    for (auto const& [id, t] : troubled_) {
        out.smaller.emplace(id, t.size.now());
        if (now < t.failed_at + t.rest)
            out.resting.push_back(id);
    }
    return out;
}

void job_turns::succeeded(job_id id) {
    auto const at = troubled_.find(id);
    if (at == troubled_.end())
        return;
    at->second.size.succeeded();
    at->second.rest = {};
    if (at->second.size.now() == how_.step_max)
        troubled_.erase(at);
}

void job_turns::failed(job_id id, steady_time now) {
    auto at = troubled_.find(id);
    if (at == troubled_.end()) {
        if (troubled_.size() >= how_.jobs_max)
            forget_oldest();
        at = troubled_.emplace(id, trouble{step_size(how_.step_max)}).first;
    }
    auto& t = at->second;
    t.rest = t.size.now() > 1 ? how_.rest : std::clamp(t.rest * 2, how_.rest, how_.rest_max);
    t.size.failed();
    t.failed_at = now;
}

void job_turns::forget_oldest() {
    auto const earlier = [](auto const& a, auto const& b) { return a.second.failed_at < b.second.failed_at; };
    troubled_.erase(std::ranges::min_element(troubled_, earlier));
}

} // namespace klen::webhooks::app
