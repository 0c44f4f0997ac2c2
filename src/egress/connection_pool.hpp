#pragma once

#include "egress/connection.hpp"

#include <atomic>
#include <chrono>
#include <list>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

namespace klen::webhooks::egress {

/// Idle connections, by account and origin. The one that was used last is taken first, so that few are kept busy and
/// the rest time out. At a limit the one that has been idle for longest is closed. All members but `size` on its
/// executor; made by `make_shared`.
class connection_pool : public std::enable_shared_from_this<connection_pool> {
  public:
    struct limits {
        std::size_t per_key_max = 0;
        std::size_t all_max = 0;
    };
    connection_pool(executor const& ex, limits with) : limits_(with), sweep_timer_(ex) {}

    /// One that is still quiet; null when there is none. Those found dead are closed.
    connection_ptr take(std::string const& key);
    void put(std::string const& key, connection_ptr which, std::chrono::milliseconds idle_max);
    /// Closes the one that has been idle for longest; false when there is none.
    bool close_oldest();
    /// Closes all and keeps none from now on.
    void stop();
    /// From any thread.
    std::size_t size() const { return size_.load(std::memory_order_relaxed); }

  private:
    struct entry {
        std::string key;
        connection_ptr which;
        steady_time until;
    };
    using entries = std::list<entry>;

    void close_and_drop(entries::iterator which);
    void drop(entries::iterator which);
    void publish_size() { size_.store(idle_.size(), std::memory_order_relaxed); }
    void sweep();

    limits limits_;
    bool stopped_ = false;
    entries idle_; ///< idle for longest first
    std::unordered_map<std::string, std::vector<entries::iterator>> by_key_;
    std::atomic<std::size_t> size_{0};
    asio::steady_timer sweep_timer_;
    bool sweep_armed_ = false;
};

} // namespace klen::webhooks::egress
