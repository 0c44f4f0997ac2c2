#include "dispatch/profile_loader.hpp"

#include <utility>

namespace klen::webhooks::dispatch {

namespace {
constexpr std::size_t batch_max = 500;
} // namespace

task<void> profile_loader::loop() {
    auto const& bell = hub_->loads.bell();
    backoff waits;
    auto not_before = hub_->now();
    while (!hub_->stopping) {
        for (auto const& id : hub_->loads.drain())
            asked_.push_back(id);
        if (asked_.empty()) {
            co_await bell.wait();
            continue;
        }
        if (hub_->now() < not_before) {
            co_await bell.wait_until(not_before);
            continue;
        }
        auto const ids = next_ids();
        auto found = co_await hub_->env.store->load_webhooks(ids);
        if (hub_->stopping)
            break;
        if (found) {
            waits.reset();
            hand_over(ids, std::move(*found));
            continue;
        }
        if (auto const say = trouble_log_.allow(); say.write)
            log::warn("webhooks cannot be read; their deliveries wait",
                      {{"error.message", found.error().message}, {"repeats", say.held_back}});
        asked_.insert(asked_.begin(), ids.begin(), ids.end());
        not_before = hub_->now() + waits.next();
    }
}

std::vector<webhook_id> profile_loader::next_ids() {
    std::vector<webhook_id> out;
    while (!asked_.empty() && out.size() < batch_max) {
        out.push_back(asked_.front());
        asked_.pop_front();
    }
    return out;
}

void profile_loader::hand_over(std::vector<webhook_id> asked, std::vector<store::webhook> found) const {
    struct part {
        std::vector<webhook_id> asked;
        std::vector<store::webhook> found;
    };
    auto const count = shards_->all().size();
    std::vector<std::shared_ptr<part>> parts(count);
    for (auto& p : parts)
        p = std::make_shared<part>();
    for (auto const& id : asked)
        parts[shard_of(id, count)]->asked.push_back(id);
    for (auto& w : found) {
        auto const which = shard_of(w.id, count);
        parts[which]->found.push_back(std::move(w));
    }
    for (std::size_t i = 0; i < count; ++i)
        if (auto const p = parts[i]; !p->asked.empty())
            shards_->all()[i]->post([p](shard& s) { s.loaded(p->asked, p->found); });
}

} // namespace klen::webhooks::dispatch
