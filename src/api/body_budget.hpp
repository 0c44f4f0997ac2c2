#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <string>
#include <unordered_map>
#include <utility>

namespace klen::webhooks::api {

/// How many bytes of request bodies may be in memory at once, over all connections of a server, and how many of them
/// one account may take. Thread-safe.
class body_budget {
  public:
    body_budget(std::uint64_t bytes_max, std::uint64_t account_bytes_max)
        : max_(bytes_max), account_max_(account_bytes_max) {}

    enum class outcome { taken, full, account_full };
    /// For nobody's account when `account_id` is empty.
    outcome take(std::string const& account_id, std::uint64_t bytes) {
        if (taken_.fetch_add(bytes, std::memory_order_relaxed) + bytes > max_) {
            taken_.fetch_sub(bytes, std::memory_order_relaxed);
            return outcome::full;
        }
        if (account_id.empty() || take_for(account_id, bytes))
            return outcome::taken;
        taken_.fetch_sub(bytes, std::memory_order_relaxed);
        return outcome::account_full;
    }
    void give_back(std::string const& account_id, std::uint64_t bytes) {
        taken_.fetch_sub(bytes, std::memory_order_relaxed);
        if (account_id.empty())
            return;
        std::lock_guard lock(mutex_);
        auto const found = accounts_.find(account_id);
        found->second -= bytes;
        if (found->second == 0)
            accounts_.erase(found);
    }
    std::uint64_t taken() const { return taken_.load(std::memory_order_relaxed); }

  private:
    bool take_for(std::string const& account_id, std::uint64_t bytes) {
        std::lock_guard lock(mutex_);
        auto const found = accounts_.find(account_id);
        auto const before = found == accounts_.end() ? 0 : found->second;
        if (bytes > account_max_ || before > account_max_ - bytes)
            return false;
        if (found == accounts_.end())
            accounts_.emplace(account_id, bytes);
        else
            found->second += bytes;
        return true;
    }

    std::uint64_t const max_;
    std::uint64_t const account_max_;
    std::atomic<std::uint64_t> taken_{0};
    std::mutex mutex_;
    std::unordered_map<std::string, std::uint64_t> accounts_; ///< those that have taken something
};

/// One request's part of a budget.
class body_share {
  public:
    explicit body_share(body_budget& of) : of_(of) {}
    ~body_share() { release(); }
    body_share(body_share const&) = delete;
    body_share& operator=(body_share const&) = delete;

    /// Whose part it is, from here to `release`. Nothing is covered yet.
    void belong_to(std::string account_id) { account_id_ = std::move(account_id); }
    /// Makes sure that the share is `bytes` at least. False: the budget does not allow it; the share is as it was.
    bool cover(std::uint64_t bytes) {
        if (bytes <= bytes_)
            return true;
        auto const got = of_.take(account_id_, bytes - bytes_);
        account_is_full_ = got == body_budget::outcome::account_full;
        if (got != body_budget::outcome::taken)
            return false;
        bytes_ = bytes;
        return true;
    }
    /// Why `cover` refused: its account has as much as it may, while others have room.
    bool account_is_full() const { return account_is_full_; }
    void release() {
        if (bytes_ != 0)
            of_.give_back(account_id_, bytes_);
        bytes_ = 0;
        account_id_.clear();
    }

  private:
    body_budget& of_;
    std::string account_id_;
    std::uint64_t bytes_ = 0;
    bool account_is_full_ = false;
};

} // namespace klen::webhooks::api
