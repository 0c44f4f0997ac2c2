#include "klen/webhooks/policy/durations.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <vector>

namespace klen::webhooks::policy {
namespace {

using namespace std::chrono_literals;
using counts = std::array<std::int64_t, duration_buckets>;

TEST(durations, bucket_i_ends_before_two_to_the_half_i_milliseconds) {
    struct row {
        std::chrono::nanoseconds took;
        std::size_t bucket;
    };
    for (auto const& [took, bucket] : std::vector<row>{{-1ms, 0},
                                                       {0ms, 0},
                                                       {999'999ns, 0},
                                                       {1ms, 1},
                                                       {1414us, 1},
                                                       {1415us, 2},
                                                       {1'999'999ns, 2},
                                                       {2ms, 3},
                                                       {1024ms - 1ns, 20},
                                                       {1024ms, 21},
                                                       {32'768ms - 1ns, 30},
                                                       {32'768ms, 31},
                                                       {10h, 31}})
        EXPECT_EQ(duration_bucket(took), bucket) << took.count();
    for (std::size_t i = 0; i + 1 < duration_buckets; ++i) {
        auto const end = std::chrono::duration<double, std::milli>(std::pow(2.0, static_cast<double>(i) / 2));
        auto const nearly = std::chrono::duration_cast<std::chrono::nanoseconds>(end) - 1ns;
        EXPECT_EQ(duration_bucket(nearly), i);
        EXPECT_EQ(duration_bucket(nearly + 3ns), i + 1);
    }
}

TEST(durations, percentiles_of_nothing_are_not_known) {
    EXPECT_EQ(percentile_ms({}, 0.5), std::nullopt);
    EXPECT_EQ(percentile_ms(counts{}, 0.5), std::nullopt);
    counts damaged{};
    damaged[3] = -4;
    EXPECT_EQ(percentile_ms(damaged, 0.5), std::nullopt);
}

TEST(durations, percentiles_are_interpolated_within_a_bucket) {
    counts all{};
    all[21] = 100; // 1024 to 1448 ms
    EXPECT_EQ(percentile_ms(all, 0.0), 1024);
    EXPECT_EQ(percentile_ms(all, 0.5), 1236);
    EXPECT_EQ(percentile_ms(all, 1.0), 1448);
    EXPECT_EQ(percentile_ms(all, 7.0), 1448);
    EXPECT_EQ(percentile_ms(all, -7.0), 1024);
    all[0] = 900;
    EXPECT_EQ(percentile_ms(all, 0.45), 1) << "half of the first millisecond, rounded";
    EXPECT_EQ(percentile_ms(all, 0.95), 1236);
}

TEST(durations, empty_buckets_between_are_stepped_over) {
    counts all{};
    all[3] = 1;  // 2 to 2.8 ms
    all[21] = 1; // 1024 to 1448 ms
    EXPECT_EQ(percentile_ms(all, 0.5), 3);
    EXPECT_EQ(percentile_ms(all, 0.51), 1032);
}

TEST(durations, last_bucket_tells_where_it_begins) {
    counts all{};
    all.back() = 5;
    EXPECT_EQ(percentile_ms(all, 0.95), 32'768);
    EXPECT_EQ(percentile_ms(std::vector<std::int64_t>{1}, 1.0), 1) << "a shorter list has zeros at its end";
}

TEST(durations, percentiles_are_within_a_bucket_of_the_truth) {
    counts all{};
    for (int ms = 1; ms <= 10'000; ++ms)
        ++all[duration_bucket(std::chrono::milliseconds(ms))];
    for (double const share : {0.1, 0.5, 0.9, 0.95, 0.99}) {
        auto const told = static_cast<double>(*percentile_ms(all, share));
        EXPECT_NEAR(told / (share * 10'000), 1.0, 0.2) << share;
    }
}

} // namespace
} // namespace klen::webhooks::policy
