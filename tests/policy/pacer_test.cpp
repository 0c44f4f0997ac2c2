#include "klen/webhooks/policy/pacer.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace klen::webhooks::policy {
namespace {

using namespace std::chrono_literals;
using std::chrono::nanoseconds;

constexpr steady_time start{1000h};

/// When requests begin if each begins `late` after it may.
std::vector<steady_time> run(pacer& p, steady_time now, int count, nanoseconds late = 0ns) {
    std::vector<steady_time> out;
    for (int i = 0; i < count; ++i) {
        now = std::max(now, p.next() + late);
        p.took(now);
        out.push_back(now);
    }
    return out;
}

pacer of(std::uint32_t rate) {
    pacer out;
    out.set(rate, start);
    return out;
}

TEST(pacer, without_a_rate_nothing_waits) {
    pacer p;
    EXPECT_FALSE(p.limits());
    p.set(5, start);
    EXPECT_TRUE(p.limits());
    p.set(std::nullopt, start);
    EXPECT_FALSE(p.limits());
}

TEST(pacer, first_one_may_begin_at_once_and_the_others_are_spaced) {
    auto p = of(4);
    EXPECT_LE(p.next(), start);
    auto const at = run(p, start, 9);
    EXPECT_EQ(at[0], start);
    EXPECT_GE(at[1] - at[0], 240ms);
    for (std::size_t i = 2; i < at.size(); ++i)
        EXPECT_EQ(at[i] - at[i - 1], 250ms);
}

TEST(pacer, no_time_holds_more_than_the_rate_and_a_burst_of_its_slack) {
    for (std::uint32_t const rate : {1U, 3U, 7U, 50U, 100U, 1000U, 20'000U}) {
        auto p = of(rate);
        auto now = start;
        std::vector<steady_time> at;
        for (int round = 0; round < 20; ++round) { // busy for a while, idle for a while, of odd lengths
            auto const part = run(p, now, 17 + round * 13);
            at.insert(at.end(), part.begin(), part.end());
            now = at.back() + 37ms * round;
        }
        for (auto const window : {10ms, 100ms, 1000ms, 5000ms}) {
            auto const most =
                1 + static_cast<double>(rate) * std::chrono::duration<double>(window + pacer::slack).count();
            std::size_t first = 0;
            for (std::size_t i = 0; i < at.size(); ++i) {
                while (at[i] - at[first] > window)
                    ++first;
                ASSERT_LE(static_cast<double>(i - first + 1), most + 1e-6)
                    << rate << " a second in " << window.count() << " ms";
            }
        }
    }
}

TEST(pacer, lateness_within_the_slack_costs_no_throughput) {
    for (std::uint32_t const rate : {10U, 250U, 2000U}) {
        auto p = of(rate);
        auto const count = static_cast<int>(rate) * 10;
        auto const at = run(p, start, count, 2ms);
        EXPECT_LE(at.back() - start, 10s + 2ms) << rate;
    }
}

TEST(pacer, lateness_beyond_it_is_not_made_up_for_by_a_burst) {
    auto p = of(10);
    auto const at = run(p, start, 20, 60ms);
    for (std::size_t i = 1; i < at.size(); ++i)
        EXPECT_GE(at[i] - at[i - 1], 90ms);
}

TEST(pacer, another_rate_is_in_force_at_once) {
    auto p = of(1);
    p.took(start);
    EXPECT_GE(p.next() - start, 990ms);
    p.set(100, start);
    EXPECT_LE(p.next() - start, 10ms);
    p.took(start + 10ms);
    p.set(2, start + 10ms);
    EXPECT_LE(p.next(), start + 20ms) << "what was allowed stays allowed";
    p.took(start + 20ms);
    EXPECT_GE(p.next(), start + 510ms);
}

} // namespace
} // namespace klen::webhooks::policy
