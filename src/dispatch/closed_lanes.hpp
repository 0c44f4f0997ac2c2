#pragma once

#include "klen/webhooks/base/ids.hpp"

#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

namespace klen::webhooks::dispatch {

/// Webhooks whose new deliveries should be born parked, found by account: a batch of events asks for its own accounts
/// alone, so what is closed elsewhere costs its publishers nothing. Thread-safe.
class closed_lanes {
  public:
    /// `account` may be empty: not known yet. Then the webhook may be anybody's, until it is added again.
    void add(webhook_id webhook, std::string const& account);
    void remove(webhook_id webhook);

    /// Appends those of `accounts`, and those of which it is not known whose they are.
    void append_of(std::span<std::string_view const> accounts, std::vector<webhook_id>& out) const;
    void append_all(std::vector<webhook_id>& out) const;

  private:
    struct text_hash {
        using is_transparent = void;
        std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
    };
    using webhooks = std::unordered_set<webhook_id>;
    void remove_locked(webhook_id webhook);

    mutable std::mutex mutex_;
    std::unordered_map<std::string, webhooks, text_hash, std::equal_to<>> of_account_;
    std::unordered_map<webhook_id, std::string> account_of_;
};

} // namespace klen::webhooks::dispatch
