#pragma once

#include "kit/nginx.hpp"
#include "kit/socket.hpp"

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <thread>
#include <vector>

namespace klen::bench {

/// A receiver of ours, for what nginx cannot tell or do: when each delivery came, how many connections a host has, and
/// bad manners. One thread, epoll; listens on every address of this machine. What it does with a request its path says:
/// /hang never answers, /drip answers a byte a second, /endless sends a body without end, every other path is answered
/// 200 after `answer_after`.
class sink {
  public:
    struct options {
        std::uint16_t port = 0;         ///< 0: any free one
        std::size_t deliveries_max = 0; ///< arrivals are kept for slots below this
        std::size_t fan_out = 1;        ///< slot = event number × fan_out + the number in the path
        std::chrono::milliseconds answer_after{0};
        certificates const* tls = nullptr; ///< speaks TLS when set; outlives the sink
    };
    explicit sink(options const& how);
    ~sink();
    sink(sink const&) = delete;
    sink& operator=(sink const&) = delete;

    std::uint16_t port() const { return port_; }
    /// First byte of the first request (over TLS: when it was decrypted) for that slot, ns of the steady clock; 0: none
    /// came.
    std::int64_t arrived(std::size_t slot) const { return arrived_[slot].load(std::memory_order_relaxed); }
    /// Forgets all arrivals.
    void reset();
    std::uint64_t received() const { return received_.load(std::memory_order_acquire); } ///< well-behaved paths only
    std::uint64_t repeats() const { return repeats_.load(std::memory_order_relaxed); }
    std::uint64_t hostile() const { return hostile_.load(std::memory_order_relaxed); }
    double cpu_seconds() const; ///< of its thread

    /// At the worst moment so far, of the worst address.
    std::uint32_t most_connections_of_a_host() const { return most_connections_.load(std::memory_order_relaxed); }
    std::uint32_t most_requests_of_a_host() const { return most_requests_.load(std::memory_order_relaxed); }

  private:
    class server;

    std::vector<std::atomic<std::int64_t>> arrived_;
    std::uint16_t port_ = 0;
    std::atomic<std::uint64_t> received_{0};
    std::atomic<std::uint64_t> repeats_{0};
    std::atomic<std::uint64_t> hostile_{0};
    std::atomic<std::uint32_t> most_connections_{0};
    std::atomic<std::uint32_t> most_requests_{0};
    std::atomic<bool> ends_{false};
    descriptor wake_;
    std::thread thread_;
};

} // namespace klen::bench
