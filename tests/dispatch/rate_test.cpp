#include "dispatch/virtual_node.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <vector>

namespace klen::webhooks::testing {
namespace {

using policy::decision;
using std::chrono::minutes;

class rate_test : public ::testing::Test {
  protected:
    webhook_id limited(std::string const& host, int rate) {
        auto const id = c.add_webhook(host);
        c.database.webhooks.at(id).max_rate_per_second = rate;
        return id;
    }
    void change_rate(virtual_node& node, webhook_id id, std::optional<int> rate) {
        auto& w = c.database.webhooks.at(id);
        w.max_rate_per_second = rate;
        ++w.revision;
        node.dispatcher->webhook_changed(id);
    }
    std::vector<steady_time> times(std::string const& host) const {
        std::vector<steady_time> out;
        for (auto const& r : c.outside.seen)
            if (r.host == host)
                out.push_back(r.at);
        return out;
    }
    /// The most requests that any time of this length holds.
    static std::size_t most_within(std::vector<steady_time> const& at, milliseconds window) {
        std::size_t out = 0;
        std::size_t first = 0;
        for (std::size_t i = 0; i < at.size(); ++i) {
            while (at[i] - at[first] >= window)
                ++first;
            out = std::max(out, i - first + 1);
        }
        return out;
    }
    virtual_cluster c;
};

TEST_F(rate_test, backlog_leaves_at_the_rate_and_what_waits_waits_in_the_database) {
    auto const hook = limited("a.example", 20);
    auto& node = c.start_node();
    c.database.publish_many(node.dispatcher.get(), hook, 600);
    c.world.run_for(seconds(1));
    EXPECT_LE(node.dispatcher->stats().in_memory, 80U) << "two seconds' worth, twice at most";
    EXPECT_GE(c.database.parked(), 500U);
    ASSERT_TRUE(c.run_until_done(seconds(30)));
    auto const at = times("a.example");
    EXPECT_EQ(at.size(), 600U);
    EXPECT_LE(most_within(at, seconds(1)), 21U);
    EXPECT_LE(most_within(at, seconds(10)), 201U);
    EXPECT_LE(at.back() - at.front(), milliseconds(30'500)) << "and no slower than it may";
    for (auto const& [id, d] : c.database.deliveries)
        EXPECT_EQ(d.attempts_made, 1) << "waiting uses up no attempt";
}

TEST_F(rate_test, idle_time_is_not_saved_up_for_a_burst) {
    auto const hook = limited("a.example", 10);
    auto& node = c.start_node();
    for (int round = 0; round < 5; ++round) {
        c.database.publish_many(node.dispatcher.get(), hook, 25);
        c.world.run_for(seconds(20));
    }
    EXPECT_EQ(c.database.unfinished(), 0U);
    EXPECT_LE(most_within(times("a.example"), seconds(1)), 11U);
    EXPECT_LE(most_within(times("a.example"), milliseconds(89)), 1U);
}

TEST_F(rate_test, high_rate_is_reached) {
    auto const hook = limited("a.example", 1000);
    auto& node = c.start_node();
    c.database.publish_many(node.dispatcher.get(), hook, 3000);
    ASSERT_TRUE(c.run_until_done(seconds(4)));
    EXPECT_LE(most_within(times("a.example"), seconds(1)), 1011U);
}

TEST_F(rate_test, waiting_is_no_part_of_an_attempts_deadline) {
    auto const hook = limited("a.example", 1);
    c.outside.script["a.example"] = [](auto const&) { return scripted_answer{200, {}, milliseconds(9'900)}; };
    auto& node = c.start_node();
    c.database.publish_many(node.dispatcher.get(), hook, 30);
    ASSERT_TRUE(c.run_until_done(minutes(2)));
    EXPECT_EQ(c.database.ended_as(decision::delivered), 30U);
    EXPECT_EQ(times("a.example").size(), 30U);
}

TEST_F(rate_test, neighbours_do_not_wait_and_waiting_costs_no_work) {
    auto const hook = limited("slow.example", 2);
    auto const quick = c.add_webhook("quick.example");
    auto& node = c.start_node();
    c.database.publish_many(node.dispatcher.get(), hook, 2000);
    for (int i = 0; i < 100; ++i) {
        auto const id = c.database.publish(node.dispatcher.get(), quick);
        auto const at = c.world.now();
        c.world.run_for(milliseconds(100));
        ASSERT_EQ(c.outside.of(id.text()).size(), 1U);
        EXPECT_LE(c.outside.of(id.text()).front().at - at, milliseconds(5));
    }
    auto& calls = node.store->calls;
    calls.clear();
    c.world.run_for(seconds(60));
    EXPECT_LE(calls[call::claim_parked], 70) << "a step a second, not one for each delivery or poll";
    EXPECT_LE(calls[call::hand_back], 2);
    EXPECT_LE(node.dispatcher->stats().in_memory, 8U);
}

TEST_F(rate_test, change_takes_effect_at_once) {
    auto const hook = limited("a.example", 1);
    auto& node = c.start_node();
    c.database.publish_many(node.dispatcher.get(), hook, 400);
    c.world.run_for(milliseconds(2'500));
    EXPECT_EQ(times("a.example").size(), 3U);
    change_rate(node, hook, 50);
    c.world.run_for(seconds(2));
    auto const faster = times("a.example").size();
    EXPECT_GE(faster, 95U);
    EXPECT_LE(faster, 3U + 102U);
    change_rate(node, hook, 1);
    c.world.run_for(seconds(10));
    EXPECT_LE(times("a.example").size(), faster + 12U);
    EXPECT_LE(node.dispatcher->stats().in_memory, 4U) << "what was fetched for the other rate went back";
    change_rate(node, hook, std::nullopt);
    ASSERT_TRUE(c.run_until_done(seconds(2)));
}

TEST_F(rate_test, disabled_webhooks_waiting_deliveries_go_back_and_deleted_ones_are_cancelled_at_once) {
    auto const first = limited("a.example", 1);
    auto const second = limited("b.example", 1);
    auto& node = c.start_node();
    c.database.publish_many(node.dispatcher.get(), first, 50);
    c.database.publish_many(node.dispatcher.get(), second, 50);
    c.world.run_for(milliseconds(1'500));
    c.database.webhooks.at(first).enabled = false;
    node.dispatcher->webhook_changed(first);
    c.database.webhooks.at(second).deleted = true;
    node.dispatcher->webhook_changed(second);
    c.world.run_for(seconds(5));
    EXPECT_EQ(times("a.example").size(), 2U);
    EXPECT_EQ(times("b.example").size(), 2U);
    EXPECT_EQ(c.database.ended_as(decision::cancelled), 48U);
    EXPECT_EQ(c.database.leased(), 0U);
    EXPECT_EQ(node.dispatcher->stats().in_memory, 0U);
    c.database.webhooks.at(first).enabled = true;
    node.dispatcher->webhook_changed(first);
    ASSERT_TRUE(c.run_until_done(seconds(50)));
}

TEST_F(rate_test, shutdown_does_not_wait_for_a_slot) {
    auto const hook = limited("a.example", 1);
    auto& node = c.start_node();
    c.database.publish_many(node.dispatcher.get(), hook, 50);
    c.world.run_for(milliseconds(1'500));
    auto const began = c.world.now();
    ASSERT_TRUE(c.stop(node));
    EXPECT_LE(c.world.now() - began, milliseconds(100));
    EXPECT_EQ(c.database.leased(), 0U);
}

TEST_F(rate_test, each_daemon_keeps_to_the_limit_for_itself) {
    auto const hook = limited("a.example", 5);
    auto& first = c.start_node();
    c.start_node();
    c.database.publish_many(first.dispatcher.get(), hook, 300);
    c.world.run_for(seconds(20));
    std::map<int, std::vector<steady_time>> by;
    for (auto const& r : c.outside.seen)
        by[r.by].push_back(r.at);
    EXPECT_EQ(by.size(), 2U);
    for (auto const& [node, at] : by)
        EXPECT_LE(most_within(at, seconds(1)), 6U) << node;
}

} // namespace
} // namespace klen::webhooks::testing
