#include "klen/webhooks/policy/instance_judge.hpp"

#include <gtest/gtest.h>

namespace klen::webhooks::policy {
namespace {

using namespace std::chrono_literals;

constexpr instance_id self{1};
constexpr instance_id other{2};

class judging : public testing::Test {
  protected:
    std::vector<std::int64_t> dead_at(std::chrono::milliseconds at, std::vector<instance_sighting> const& rows) {
        std::vector<std::int64_t> out;
        for (auto const& d : judge.dead(rows, self, steady_time{} + 1h + at))
            out.push_back(d.id.value);
        return out;
    }
    static constexpr auto lease = 15'000ms;
    static constexpr auto confirm = 5'000ms;
    instance_judge judge{lease, confirm};
    using ids = std::vector<std::int64_t>;
};

TEST_F(judging, nobody_is_dead_at_first_sight) { EXPECT_EQ(dead_at(0ms, {{other, 7, 10min}}), ids{}); }

TEST_F(judging, an_old_heartbeat_seen_unchanged_for_the_confirm_time_is_dead) {
    dead_at(0ms, {{other, 7, 10min}});
    EXPECT_EQ(dead_at(4'999ms, {{other, 7, 10min}}), ids{});
    EXPECT_EQ(dead_at(5'000ms, {{other, 7, 10min}}), ids{2});
}

TEST_F(judging, a_young_heartbeat_needs_the_whole_lease_time_by_our_own_clock) {
    dead_at(0ms, {{other, 7, 0ms}});
    EXPECT_EQ(dead_at(14'999ms, {{other, 7, 14'999ms}}), ids{});
    EXPECT_EQ(dead_at(15'000ms, {{other, 7, 15'000ms}}), ids{2});
}

TEST_F(judging, a_database_clock_set_back_cannot_keep_the_dead_alive) {
    dead_at(0ms, {{other, 7, -1h}});
    EXPECT_EQ(dead_at(15'000ms, {{other, 7, -1h}}), ids{2});
}

TEST_F(judging, a_database_clock_set_forward_kills_nobody_whose_count_moves) {
    for (int i = 0; i < 20; ++i)
        EXPECT_EQ(dead_at(i * 2'000ms, {{other, i, 1h}}), ids{}) << i;
}

TEST_F(judging, a_count_that_moves_again_starts_the_watch_anew) {
    dead_at(0ms, {{other, 7, 20s}});
    EXPECT_EQ(dead_at(6'000ms, {{other, 7, 26s}}), ids{2});
    EXPECT_EQ(dead_at(7'000ms, {{other, 8, 0ms}}), ids{});
    EXPECT_EQ(dead_at(11'999ms, {{other, 8, 20s}}), ids{});
    EXPECT_EQ(dead_at(12'000ms, {{other, 8, 20s}}), ids{2});
}

TEST_F(judging, a_lower_count_is_a_change_too) {
    dead_at(0ms, {{other, 7, 20s}});
    EXPECT_EQ(dead_at(6'000ms, {{other, 1, 20s}}), ids{});
}

TEST_F(judging, oneself_is_never_dead) {
    dead_at(0ms, {{self, 7, 1h}});
    EXPECT_EQ(dead_at(60s, {{self, 7, 1h}}), ids{});
}

TEST_F(judging, an_instance_that_was_gone_is_new_when_it_comes_back) {
    dead_at(0ms, {{other, 7, 20s}});
    dead_at(1'000ms, {});
    EXPECT_EQ(dead_at(20'000ms, {{other, 7, 40s}}), ids{});
}

TEST_F(judging, each_instance_is_judged_for_itself) {
    dead_at(0ms, {{self, 1, 0ms}, {other, 7, 20s}, {instance_id{3}, 4, 1s}});
    EXPECT_EQ(dead_at(6'000ms, {{self, 1, 1h}, {other, 7, 26s}, {instance_id{3}, 6, 1s}}), ids{2});
}

} // namespace
} // namespace klen::webhooks::policy
