#pragma once

#include <atomic>
#include <cstdint>

namespace klen::webhooks::api {

/// How many bytes of request bodies may be in memory at once, over all connections of a server. Thread-safe.
class body_budget {
  public:
    explicit body_budget(std::uint64_t bytes_max) : max_(bytes_max) {}

    bool take(std::uint64_t bytes) {
        if (taken_.fetch_add(bytes, std::memory_order_relaxed) + bytes <= max_)
            return true;
        give_back(bytes);
        return false;
    }
    void give_back(std::uint64_t bytes) { taken_.fetch_sub(bytes, std::memory_order_relaxed); }
    std::uint64_t taken() const { return taken_.load(std::memory_order_relaxed); }

  private:
    std::uint64_t const max_;
    std::atomic<std::uint64_t> taken_{0};
};

/// One request's part of a budget.
class body_share {
  public:
    explicit body_share(body_budget& of) : of_(of) {}
    ~body_share() { release(); }
    body_share(body_share const&) = delete;
    body_share& operator=(body_share const&) = delete;

    /// Makes sure that the share is `bytes` at least. False: the budget does not allow it; the share is as it was.
    bool cover(std::uint64_t bytes) {
        if (bytes <= bytes_)
            return true;
        if (!of_.take(bytes - bytes_))
            return false;
        bytes_ = bytes;
        return true;
    }
    void release() {
        if (bytes_ != 0)
            of_.give_back(bytes_);
        bytes_ = 0;
    }

  private:
    body_budget& of_;
    std::uint64_t bytes_ = 0;
};

} // namespace klen::webhooks::api
