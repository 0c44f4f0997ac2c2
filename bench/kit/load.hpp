#pragma once

#include "kit/times.hpp"

#include <cstdint>
#include <functional>
#include <limits>
#include <string>
#include <vector>

namespace klen::bench {

/// Calls to an HTTP server on this machine over kept connections, one call at a time on each.
struct load_plan {
    std::uint16_t port = 0;
    unsigned connections = 64;
    /// Calls a second over all connections, at even distances, whatever the answers do (open loop); then a call's
    /// latency counts from when it should have been sent, so that a stall is not hidden. 0: each connection calls
    /// again as soon as it was answered (closed loop).
    double rate = 0;
    double seconds = 0;
    std::uint64_t calls_max = std::numeric_limits<std::uint64_t>::max();
    /// Appends the whole request of call number n, from 0 on.
    std::function<void(std::string& out, std::uint64_t n)> write;
    /// After each answer; may be empty. `at`: when its last byte had come.
    std::function<void(std::uint64_t n, int status, std::int64_t at)> answered;
};

struct load_result {
    std::uint64_t accepted = 0;            ///< answered 2xx
    std::uint64_t refused = 0;             ///< answered otherwise
    std::uint64_t lost = 0;                ///< not answered: the connection broke, or patience was over
    std::int64_t began_ns = 0;             ///< steady clock
    double seconds = 0;                    ///< from the begin to the last answer
    double cpu_seconds = 0;                ///< of this thread
    std::vector<std::int64_t> latency_ns;  ///< of the accepted ones, from the (intended) send
    std::vector<std::int64_t> lateness_ns; ///< open loop: how much later than intended the request was written
    std::string first_refusal;             ///< that whole answer, for the person who wonders
};

/// On the calling thread, with epoll and nothing else: the generator shares the machine with what it measures. With a
/// rate, every call of the plan's time is made, late ones too, for at most as long again.
load_result run_load(load_plan const& plan);

} // namespace klen::bench
