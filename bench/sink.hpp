#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <thread>
#include <vector>

namespace klen::bench {

using time_point = std::chrono::steady_clock::time_point;

/// When things happened to event number n; written once each, by one thread, read after the run.
struct event_times {
    std::vector<std::atomic<std::int64_t>> answered; ///< 202 received, ns; 0: not yet
    std::vector<std::atomic<std::int64_t>> arrived;  ///< first byte of the request at the sink, ns; 0: not yet
    explicit event_times(std::size_t n) : answered(n), arrived(n) {}
};
inline std::int64_t now_ns() { return std::chrono::steady_clock::now().time_since_epoch().count(); }

/// A receiver that answers 200 at once, on one thread of its own. Events are told apart by `"seq":n` in the body.
class sink {
  public:
    explicit sink(event_times& times);
    ~sink();
    std::uint16_t port() const { return port_; }
    std::uint64_t received() const { return received_.load(std::memory_order_relaxed); }
    std::uint64_t repeats() const { return repeats_.load(std::memory_order_relaxed); }
    std::uint64_t connections() const { return connections_.load(std::memory_order_relaxed); }

  private:
    struct connection;
    void accept();

    event_times& times_;
    boost::asio::io_context context_{1};
    boost::asio::ip::tcp::acceptor acceptor_{context_};
    std::uint16_t port_ = 0;
    std::atomic<std::uint64_t> received_{0};
    std::atomic<std::uint64_t> repeats_{0};
    std::atomic<std::uint64_t> connections_{0};
    std::thread thread_;
};

} // namespace klen::bench
