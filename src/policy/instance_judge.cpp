#include "klen/webhooks/policy/instance_judge.hpp"

namespace klen::webhooks::policy {

std::vector<instance_sighting> instance_judge::dead(std::vector<instance_sighting> const& rows, instance_id self,
                                                    steady_time now) {
    std::vector<instance_sighting> out;
    std::unordered_map<std::int64_t, seen> still_there;
    for (auto const& row : rows) {
        if (row.id == self)
            continue;
        seen sight{row.heartbeat_count, now};
        if (auto const before = seen_.find(row.id.value);
            before != seen_.end() && before->second.count == row.heartbeat_count)
            sight = before->second;
        still_there.emplace(row.id.value, sight);

        auto const unchanged = now - sight.since;
        bool const silent_here = unchanged >= lease_timeout_;
        bool const silent_there = unchanged >= confirm_ && row.heartbeat_age > lease_timeout_;
        if (silent_here || silent_there)
            out.push_back(row);
    }
    seen_ = std::move(still_there);
    return out;
}

} // namespace klen::webhooks::policy
