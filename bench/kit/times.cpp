#include "kit/times.hpp"

#include <algorithm>

namespace klen::bench {

latency_summary summary_of(std::vector<std::int64_t> nanoseconds) {
    latency_summary out;
    out.count = nanoseconds.size();
    if (nanoseconds.empty())
        return out;
    std::ranges::sort(nanoseconds);
    auto const at = [&](double q) {
        auto const place = static_cast<std::size_t>(q * static_cast<double>(nanoseconds.size() - 1));
        return static_cast<double>(nanoseconds[place]) * 1e-6;
    };
    out.p50_ms = at(0.5);
    out.p99_ms = at(0.99);
    out.p999_ms = at(0.999);
    out.max_ms = at(1);
    return out;
}

} // namespace klen::bench
