#include "klen/webhooks/policy/durations.hpp"

#include <algorithm>
#include <array>
#include <cmath>

namespace klen::webhooks::policy {

namespace {

using bounds = std::array<double, duration_buckets - 1>;

/// Where each bucket but the last ends, in milliseconds. Powers of two are exact.
bounds make_ends() {
    bounds out{};
    for (std::size_t i = 0; i < out.size(); ++i)
        out[i] = std::ldexp(i % 2 == 0 ? 1.0 : std::sqrt(2.0), static_cast<int>(i / 2));
    return out;
}

bounds const& ends() {
    static bounds const all = make_ends();
    return all;
}

} // namespace

std::size_t duration_bucket(std::chrono::nanoseconds took) {
    auto const ms = std::chrono::duration<double, std::milli>(took).count();
    auto const& all = ends();
    return static_cast<std::size_t>(std::upper_bound(all.begin(), all.end(), ms) - all.begin());
}

std::optional<std::int64_t> percentile_ms(std::span<std::int64_t const> counts, double share) {
    auto const known = std::min(counts.size(), duration_buckets);
    auto const count = [&](std::size_t i) { return static_cast<double>(std::max<std::int64_t>(counts[i], 0)); };
    double total = 0;
    for (std::size_t i = 0; i < known; ++i)
        total += count(i);
    if (total == 0)
        return std::nullopt;
    double below = 0;
    auto const wanted = std::clamp(share, 0.0, 1.0) * total;
    double at = 0;
    for (std::size_t i = 0; i < known; ++i) {
        auto const here = count(i);
        if (here == 0)
            continue;
        auto const from = i == 0 ? 0.0 : ends()[i - 1];
        auto const to = i < ends().size() ? ends()[i] : from;
        at = from + (to - from) * std::clamp((wanted - below) / here, 0.0, 1.0);
        below += here;
        if (below >= wanted)
            break;
    }
    return std::llround(at);
}

} // namespace klen::webhooks::policy
