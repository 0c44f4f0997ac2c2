#include "dispatch/virtual_node.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <random>
#include <vector>

namespace klen::webhooks::testing {
namespace {

using policy::decision;
using std::chrono::minutes;

TEST(database_fault, outcomes_wait_while_the_database_is_gone_and_are_written_after) {
    virtual_cluster c;
    auto const hook = c.add_webhook("a.example");
    c.outside.script["a.example"] = [](auto const&) { return scripted_answer{200, {}, milliseconds(500)}; };
    auto& node = c.start_node();
    c.database.publish_many(node.dispatcher.get(), hook, 100);
    c.world.run_for(milliseconds(700));
    node.store->down = true;
    c.world.run_for(minutes(2));
    auto const sent = c.outside.seen.size();
    auto const waiting = node.dispatcher->stats().unrecorded;
    EXPECT_GT(waiting, 0U);
    node.store->down = false;
    auto const back_at = c.world.now();
    ASSERT_TRUE(c.world.run_until([&] { return node.dispatcher->stats().delivered >= sent; }, seconds(10)));
    EXPECT_LE(c.world.now() - back_at, seconds(5));
    ASSERT_TRUE(c.run_until_done(seconds(30)));
    EXPECT_EQ(c.outside.seen.size(), 100U) << "nothing was sent twice";
}

TEST(database_fault, record_whose_fate_is_unknown_counts_once) {
    int records = 0; // the node's last calls come when the cluster ends
    virtual_cluster c;
    auto const hook = c.add_webhook("a.example");
    c.outside.script["a.example"] = [](seen_request const& r) {
        return scripted_answer{r.header("X-Klen-Attempt") == "1" ? 500 : 200, {}, milliseconds(5)};
    };
    auto& node = c.start_node();
    node.store->decide = [&](call which) {
        return which == call::record && records++ % 2 == 0 ? fate::lost_after : fate::done;
    };
    c.database.publish_many(node.dispatcher.get(), hook, 20);
    ASSERT_TRUE(c.run_until_done(minutes(2)));
    EXPECT_EQ(c.outside.seen.size(), 40U);
    for (auto const& [id, d] : c.database.deliveries)
        EXPECT_EQ(d.attempts.size(), 2U);
}

TEST(database_fault, record_that_the_database_refuses_does_not_hold_up_the_others) {
    virtual_cluster c;
    auto const hook = c.add_webhook("a.example");
    auto& node = c.start_node();
    auto const ids = c.database.publish_many(node.dispatcher.get(), hook, 50);
    auto const poison = ids[17];
    node.store->decide_record = [poison](auto const& batch) {
        bool const has = std::any_of(batch.begin(), batch.end(), [&](auto const& r) { return r.delivery == poison; });
        return has ? fate::refused : fate::done;
    };
    c.world.run_for(seconds(5));
    EXPECT_EQ(c.database.ended_as(decision::delivered), 49U);
    EXPECT_EQ(node.dispatcher->stats().unrecorded, 0U);
    EXPECT_EQ(c.database.deliveries.at(poison).owner, 1) << "it is reclaimed after this instance's end";
    EXPECT_TRUE(c.stop(node));
    EXPECT_EQ(c.database.leased(), 0U);
}

TEST(database_fault, slow_commits_make_bigger_batches) {
    virtual_cluster c;
    auto const hook = c.add_webhook("a.example");
    auto& node = c.start_node();
    node.store->latency = milliseconds(500);
    c.database.publish_many(nullptr, hook, 1000);
    ASSERT_TRUE(c.run_until_done(minutes(1)));
    EXPECT_LE(node.store->calls[call::record], 60);
    EXPECT_EQ(c.outside.seen.size(), 1000U);
}

TEST(database_fault, hand_back_whose_fate_is_unknown_sends_nothing_twice) {
    int tries = 0; // the node's last calls come when the cluster ends
    virtual_cluster c;
    auto const hook = c.add_webhook("a.example");
    auto& node = c.start_node();
    c.database.publish_many(node.dispatcher.get(), hook, 250); // more than twice the queue, before a lane looked
    node.store->decide = [&](call which) {
        if (which != call::hand_back || tries++ >= 3)
            return fate::done;
        return tries == 1 ? fate::busy : fate::lost_after;
    };
    ASSERT_TRUE(c.run_until_done(seconds(30)));
    EXPECT_GE(tries, 2);
    EXPECT_EQ(c.outside.seen.size(), 250U);
}

/// Every kind of fault at any call: everything ends, numbered without gaps, and nothing is sent after its success is on
/// record.
class any_faults : public ::testing::TestWithParam<unsigned> {};

TEST_P(any_faults, lose_nothing) {
    std::mt19937 random(GetParam());
    virtual_cluster c;
    std::vector<webhook_id> hooks;
    for (int i = 0; i < 3; ++i) {
        hooks.push_back(c.add_webhook("h" + std::to_string(i) + ".example"));
        c.outside.script["h" + std::to_string(i) + ".example"] = [&](seen_request const&) {
            return scripted_answer{random() % 3 == 0 ? 500 : 200, {}, milliseconds(random() % 12'000)};
        };
    }
    auto options = usual_options();
    if (GetParam() % 2 == 0) { // half of them with circuits that open at every turn, and a limited rate
        options = options_with_circuits();
        options.dispatch.circuit_failures = 2;
        options.dispatch.slow_start_concurrency = 2;
        c.database.webhooks.at(hooks[0]).max_rate_per_second = 1;
    }
    bool faulty = true;
    auto const dice = [&](call) {
        if (!faulty || random() % 10 != 0)
            return fate::done;
        return std::vector{fate::lost_before, fate::lost_after, fate::busy}[random() % 3];
    };
    std::vector<virtual_node*> nodes;
    for (int i = 0; i < 2; ++i) {
        nodes.push_back(&c.start_node(options, 2));
        nodes.back()->store->decide = dice;
    }
    for (int round = 0; round < 150; ++round) {
        auto& node = *nodes[random() % 2];
        c.database.publish(random() % 4 == 0 ? nullptr : node.dispatcher.get(), hooks[random() % 3]);
        if (random() % 40 == 0) {
            auto const& p = nodes[random() % 2]->runs;
            p->frozen ? c.world.thaw(p) : c.world.freeze(p);
        }
        c.world.run_for(milliseconds(random() % 1000));
    }
    for (auto* n : nodes)
        c.world.thaw(n->runs);
    faulty = false;
    ASSERT_TRUE(c.run_until_done(hours(3))) << c.database.unfinished() << " unfinished, " << c.database.leased()
                                            << " leased, " << c.database.parked() << " parked";
    for (auto const& [id, d] : c.database.deliveries) {
        int number = 0;
        for (auto const& a : d.attempts)
            EXPECT_EQ(a.attempt, ++number);
        for (auto const& r : c.outside.of(id.text()))
            EXPECT_LE(r.at, d.attempts.back().at);
    }
    c.world.run_for(seconds(1)); // the last answers arrive
    for (auto* n : nodes) {
        EXPECT_EQ(n->dispatcher->stats().in_memory, 0U);
        EXPECT_EQ(n->dispatcher->stats().in_flight, 0U);
        EXPECT_TRUE(c.stop(*n));
    }
    EXPECT_TRUE(c.database.instances.empty());
}

INSTANTIATE_TEST_SUITE_P(seeds, any_faults, ::testing::Range(1U, 21U));

} // namespace
} // namespace klen::webhooks::testing
