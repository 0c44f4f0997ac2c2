#include "dispatch/closed_lanes.hpp"

namespace klen::webhooks::dispatch {

void closed_lanes::add(webhook_id webhook, std::string const& account) {
    std::lock_guard lock(mutex_);
    remove_locked(webhook);
    account_of_.emplace(webhook, account);
    of_account_[account].insert(webhook);
}

void closed_lanes::remove(webhook_id webhook) {
    std::lock_guard lock(mutex_);
    remove_locked(webhook);
}

void closed_lanes::remove_locked(webhook_id webhook) {
    auto const known = account_of_.find(webhook);
    if (known == account_of_.end())
        return;
    auto const of = of_account_.find(known->second);
    of->second.erase(webhook);
    if (of->second.empty())
        of_account_.erase(of);
    account_of_.erase(known);
}

void closed_lanes::append_of(std::span<std::string_view const> accounts, std::vector<webhook_id>& out) const {
    std::lock_guard lock(mutex_);
    auto const append = [&](std::string_view account) {
        if (auto const at = of_account_.find(account); at != of_account_.end())
            out.insert(out.end(), at->second.begin(), at->second.end());
    };
    append({});
    for (auto const account : accounts)
        if (!account.empty())
            append(account);
}

void closed_lanes::append_all(std::vector<webhook_id>& out) const {
    std::lock_guard lock(mutex_);
    out.reserve(out.size() + account_of_.size());
    for (auto const& [webhook, account] : account_of_)
        out.push_back(webhook);
}

} // namespace klen::webhooks::dispatch
