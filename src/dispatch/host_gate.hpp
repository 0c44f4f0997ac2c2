#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <unordered_map>
#include <utility>

namespace klen::webhooks::dispatch {

/// Limits how many requests go to one host at once, and keeps who waits for it in order. An eighth of the places is
/// kept for those that have none: whoever has some asks for one of the others, of which so many are free, by
/// `may_take(free)`, which is true of whoever has none. Pure; belongs to one shard.
template <class Waiter>
class host_gate {
  public:
    explicit host_gate(std::uint32_t limit) : limit_(limit), kept_(limit < limit_to_share ? 0 : (limit + 7) / 8) {}

    bool try_enter(std::string const& host, Waiter const& who) {
        auto& h = hosts_[host];
        if (!lets_in(h, who))
            return false;
        ++h.inside;
        return true;
    }
    void wait(std::string const& host, std::shared_ptr<Waiter> who) { hosts_[host].waiting.push_back(std::move(who)); }

    /// Returns who has waited longest of those that may enter, if anybody has: it may try again.
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
        return at == hosts_.end() ? nullptr : next_of(at->second);
    }
    std::size_t hosts() const { return hosts_.size(); }

  private:
    struct state {
        std::uint32_t inside = 0;
        std::deque<std::shared_ptr<Waiter>> waiting;
    };
    /// An empty host lets everybody in: what somebody has under way elsewhere must not keep it out for ever.
    bool lets_in(state const& h, Waiter const& who) const {
        auto const free = limit_ - h.inside;
        return free > 0 && (h.inside == 0 || who.may_take(free > kept_ ? free - kept_ : 0));
    }
    /// Those in front that may not enter have requests under way each, nearly always here: there are not many.
    std::shared_ptr<Waiter> next_of(state& h) {
        if (h.inside >= limit_)
            return nullptr;
        auto const at = std::ranges::find_if(h.waiting, [&](auto const& who) { return lets_in(h, *who); });
        if (at == h.waiting.end())
            return nullptr;
        auto next = std::move(*at);
        h.waiting.erase(at);
        return next;
    }
    static constexpr std::uint32_t limit_to_share = 4; ///< of less nothing is kept

    std::uint32_t limit_;
    std::uint32_t kept_;
    std::unordered_map<std::string, state> hosts_;
};

} // namespace klen::webhooks::dispatch
