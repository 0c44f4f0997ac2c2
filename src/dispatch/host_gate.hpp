#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <unordered_map>
#include <utility>

namespace klen::webhooks::dispatch {

/// Limits how many requests go to one host at once, and keeps who waits for it in order. Pure; belongs to one shard.
template <class Waiter>
class host_gate {
  public:
    explicit host_gate(std::uint32_t limit) : limit_(limit) {}

    bool try_enter(std::string const& host) {
        auto& h = hosts_[host];
        if (h.inside >= limit_)
            return false;
        ++h.inside;
        return true;
    }
    void wait(std::string const& host, std::shared_ptr<Waiter> who) { hosts_[host].waiting.push_back(std::move(who)); }

    /// Returns who has waited longest, if anybody has: it may try again.
    std::shared_ptr<Waiter> leave(std::string const& host) {
        auto const at = hosts_.find(host);
        if (at == hosts_.end())
            return nullptr;
        auto& h = at->second;
        if (h.inside > 0)
            --h.inside;
        auto next = next_of(h);
        if (h.inside == 0 && h.waiting.empty())
            hosts_.erase(at);
        return next;
    }
    /// For one that was let in line but did not enter after all: the next in line.
    std::shared_ptr<Waiter> pass(std::string const& host) {
        auto const at = hosts_.find(host);
        return at == hosts_.end() || at->second.inside >= limit_ ? nullptr : next_of(at->second);
    }
    std::size_t hosts() const { return hosts_.size(); }

  private:
    struct state {
        std::uint32_t inside = 0;
        std::deque<std::shared_ptr<Waiter>> waiting;
    };
    static std::shared_ptr<Waiter> next_of(state& h) {
        if (h.waiting.empty())
            return nullptr;
        auto next = std::move(h.waiting.front());
        h.waiting.pop_front();
        return next;
    }
    std::uint32_t limit_;
    std::unordered_map<std::string, state> hosts_;
};

} // namespace klen::webhooks::dispatch
