#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

namespace klen::webhooks::policy {

/// Durations are counted in buckets: number i counts those under 2^(i/2) ms that no earlier one counts, the last one
/// counts the rest (from 32.8 s on). A bucket's ends are 41 % apart at most, whatever the duration.
inline constexpr std::size_t duration_buckets = 32;

/// In which bucket a duration is counted.
std::size_t duration_bucket(std::chrono::nanoseconds took);

/// The duration, in whole milliseconds, that a `share` (0 to 1) of what was counted stayed under: 0.95 for p95. Told
/// as if the durations within a bucket were spread evenly; for the last bucket, where it begins. Nothing when nothing
/// was counted. `counts`: a number for each bucket; missing ones are zero, negative ones too.
std::optional<std::int64_t> percentile_ms(std::span<std::int64_t const> counts, double share);

} // namespace klen::webhooks::policy
