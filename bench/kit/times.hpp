#pragma once

#include <chrono>
#include <cstdint>
#include <vector>

namespace klen::bench {

/// Nanoseconds of the steady clock: what everything here is timed with.
inline std::int64_t now_ns() { return std::chrono::steady_clock::now().time_since_epoch().count(); }

inline double seconds_since(std::int64_t ns) { return static_cast<double>(now_ns() - ns) * 1e-9; }

/// What a set of latencies says.
struct latency_summary {
    double p50_ms = 0;
    double p99_ms = 0;
    double p999_ms = 0;
    double max_ms = 0;
    std::size_t count = 0;
};
latency_summary summary_of(std::vector<std::int64_t> nanoseconds);

} // namespace klen::bench
