#pragma once

#include "dispatch/shard.hpp"

#include <algorithm>
#include <map>
#include <utility>
#include <vector>

namespace klen::webhooks::dispatch {

/// All shards, and which belongs to what. Thread-safe.
class shard_set {
  public:
    /// What may go to one host at once is divided among the shards, because webhooks of one host may be on all of them
    /// and nothing is shared between them; so there are never more shards than that.
    explicit shard_set(hub_ptr const& shared) {
        auto const per_host = std::max(shared->options.dispatch.host_concurrency_max, 1U);
        auto const count = static_cast<std::uint32_t>(std::min<std::size_t>(shared->env.shards.size(), per_host));
        for (std::uint32_t i = 0; i < count; ++i)
            shards_.push_back(std::make_shared<shard>(shared, shared->env.shards[i],
                                                      per_host / count + (i < per_host % count ? 1 : 0)));
    }

    std::vector<shard_ptr> const& all() const { return shards_; }
    shard_ptr const& of(webhook_id id) const { return shards_[shard_of(id, shards_.size())]; }

    void post_all(std::function<void(shard&)> const& what) const {
        for (auto const& s : shards_)
            s->post(what);
    }

    /// Splits by shard and hands each its part, in one post a shard. `webhook_of` tells an item's webhook.
    template <class T, class WebhookOf, class Use>
    void hand_out(std::vector<T> items, WebhookOf webhook_of, Use use) const {
        std::vector<std::shared_ptr<std::vector<T>>> parts(shards_.size());
        for (auto& item : items) {
            auto& part = parts[shard_of(webhook_of(item), shards_.size())];
            if (!part)
                part = std::make_shared<std::vector<T>>();
            part->push_back(std::move(item));
        }
        for (std::size_t i = 0; i < parts.size(); ++i)
            if (auto const part = parts[i])
                shards_[i]->post([part, use](shard& s) { use(s, std::move(*part)); });
    }

    void deliver(std::vector<leased_delivery> deliveries) const {
        hand_out(
            std::move(deliveries), [](leased_delivery const& d) { return d.what.webhook; },
            [](shard& s, std::vector<leased_delivery> part) { s.deliver(std::move(part)); });
    }
    void note_parked(std::vector<webhook_id> webhooks) const {
        hand_out(
            std::move(webhooks), [](webhook_id const& id) { return id; },
            [](shard& s, std::vector<webhook_id> part) { s.note_parked(part); });
    }
    void webhook_changed(webhook_id id) const {
        of(id)->post([id](shard& s) { s.webhook_changed(id); });
    }
    /// Those whose new deliveries should be born parked: of these accounts, or all.
    std::vector<webhook_id> closed_webhooks(std::span<std::string_view const> accounts) const {
        std::vector<webhook_id> out;
        for (auto const& s : shards_)
            s->closed().append_of(accounts, out);
        return out;
    }
    std::vector<webhook_id> closed_webhooks() const {
        std::vector<webhook_id> out;
        for (auto const& s : shards_)
            s->closed().append_all(out);
        return out;
    }

  private:
    std::vector<shard_ptr> shards_;
};
using shard_set_ptr = std::shared_ptr<shard_set const>;

} // namespace klen::webhooks::dispatch
