#include "dispatch/virtual_node.hpp"

#include <boost/asio/io_context.hpp>
#include <gtest/gtest.h>

#include <chrono>
#include <vector>

namespace klen::webhooks::testing {
namespace {

using policy::decision;
using std::chrono::minutes;

scripted_answer slowly(milliseconds after) { return {200, {}, after}; }

/// No delivery was sent again after its success was on record.
void expect_nothing_after_success(virtual_cluster const& c) {
    for (auto const& [id, d] : c.database.deliveries) {
        ASSERT_FALSE(d.attempts.empty());
        int number = 0;
        for (auto const& a : d.attempts)
            EXPECT_EQ(a.attempt, ++number) << "attempts are numbered without gaps";
        for (auto const& r : c.outside.of(id.text()))
            if (d.ended_as() == decision::delivered) {
                EXPECT_LE(r.at, d.attempts.back().at);
            }
    }
}

TEST(ownership, dead_instances_deliveries_are_taken_over_within_17_seconds) {
    virtual_cluster c;
    auto const hook = c.add_webhook("a.example");
    c.outside.script["a.example"] = [](auto const&) { return slowly(seconds(2)); };
    auto& first = c.start_node();
    auto& second = c.start_node();
    c.database.publish_many(first.dispatcher.get(), hook, 80);
    c.world.run_for(seconds(3));
    auto const died_at = c.world.now();
    c.kill(first);
    auto const in_flight = static_cast<std::size_t>(c.outside.open["a.example"]);
    EXPECT_EQ(in_flight, 10U);
    auto const before = c.outside.seen.size();
    ASSERT_TRUE(c.world.run_until([&] { return c.outside.seen.size() > before; }, seconds(30)));
    EXPECT_LE(c.world.now() - died_at, milliseconds(17'500));
    ASSERT_TRUE(c.run_until_done(minutes(2)));
    EXPECT_EQ(c.database.ended_as(decision::delivered), 80U);
    EXPECT_LE(c.outside.seen.size(), 80U + in_flight) << "only what was in flight is repeated";
    EXPECT_EQ(c.database.instances.size(), 1U);
    EXPECT_GT(second.dispatcher->stats().delivered, 60U);
    expect_nothing_after_success(c);
}

TEST(ownership, heartbeats_go_on_while_a_dead_instances_leases_are_being_freed) {
    virtual_cluster c;
    auto const hook = c.add_webhook("a.example");
    auto& first = c.start_node();
    auto& second = c.start_node();
    second.store->latency_of[call::reap] = minutes(2);
    c.kill(first);
    ASSERT_TRUE(c.world.run_until([&] { return second.store->calls[call::reap] > 0; }, minutes(1)));
    for (int i = 0; i < 30; ++i) {
        c.database.publish(second.dispatcher.get(), hook);
        ASSERT_TRUE(c.run_until_done(seconds(1))) << "a send needs a fresh heartbeat";
        c.world.run_for(seconds(3));
        EXPECT_TRUE(second.dispatcher->healthy());
    }
    EXPECT_EQ(second.store->calls[call::register_instance], 1);
    EXPECT_EQ(second.store->calls[call::reap], 1);
}

TEST(ownership, frozen_instance_begins_nothing_on_old_leases_and_changes_nothing_it_lost) {
    virtual_cluster c;
    auto const hook = c.add_webhook("a.example");
    c.outside.script["a.example"] = [](seen_request const& r) { return slowly(seconds(r.by == 0 ? 2 : 0)); };
    auto& frozen = c.start_node();
    c.start_node();
    auto const ids = c.database.publish_many(frozen.dispatcher.get(), hook, 60);
    c.world.run_for(seconds(1));
    c.world.freeze(frozen.runs);
    ASSERT_TRUE(c.run_until_done(minutes(1)));
    auto const sent = c.outside.seen.size();
    EXPECT_EQ(sent, 70U);
    auto const before = c.database.deliveries;

    c.world.thaw(frozen.runs);
    c.world.run_for(minutes(5));
    EXPECT_EQ(c.outside.seen.size(), sent) << "nothing was sent by the one that woke up";
    for (auto const& id : ids)
        EXPECT_EQ(c.database.deliveries.at(id).attempts.size(), before.at(id).attempts.size());
    EXPECT_EQ(frozen.dispatcher->stats().leases_lost, 10U);
    EXPECT_EQ(frozen.dispatcher->stats().in_memory, 0U);

    // It works on, under a new term.
    c.database.publish(frozen.dispatcher.get(), hook);
    EXPECT_TRUE(c.run_until_done(seconds(10)));
    EXPECT_EQ(c.outside.seen.back().by, 0);
    EXPECT_EQ(c.database.instances.size(), 2U);
}

TEST(ownership, nothing_is_sent_without_a_fresh_heartbeat) {
    virtual_cluster c;
    auto const hook = c.add_webhook("a.example");
    c.database.webhooks.at(hook).max_concurrency = 1;
    c.outside.script["a.example"] = [](auto const&) { return slowly(seconds(1)); };
    auto& node = c.start_node();
    node.store->decide = [](call which) {
        return which == call::heartbeat || which == call::register_instance ? fate::lost_before : fate::done;
    };
    auto const ids = c.database.publish_many(node.dispatcher.get(), hook, 50);
    c.world.run_for(seconds(40));
    EXPECT_GE(c.outside.seen.size(), 10U);
    EXPECT_LE(c.outside.seen.size(), 12U) << "the lease of 15 s is used for 12 s";
    EXPECT_FALSE(node.dispatcher->healthy());
    EXPECT_EQ(node.dispatcher->current_grant({}).owner.value, 0);

    node.store->decide = nullptr;
    ASSERT_TRUE(c.run_until_done(minutes(2)));
    EXPECT_TRUE(node.dispatcher->healthy());
    EXPECT_EQ(c.outside.seen.size(), 50U);
    for (auto const& id : ids)
        EXPECT_EQ(c.database.deliveries.at(id).attempts_made, 1) << "waiting used up no attempt";
}

TEST(ownership, lost_lease_is_noticed_and_a_new_term_begins) {
    virtual_cluster c;
    auto const hook = c.add_webhook("a.example");
    c.outside.script["a.example"] = [](auto const&) { return slowly(seconds(4)); };
    auto& node = c.start_node();
    auto const ids = c.database.publish_many(node.dispatcher.get(), hook, 30);
    c.world.run_for(milliseconds(1500));
    // Somebody took it for dead.
    c.database.leave(instance_id{1});
    EXPECT_TRUE(c.run_until_done(seconds(60)));
    EXPECT_EQ(c.database.instances.size(), 1U);
    EXPECT_FALSE(c.database.instances.contains(1));
    EXPECT_EQ(node.dispatcher->stats().leases_lost, 10U);
    EXPECT_EQ(c.outside.seen.size(), 40U);
    for (auto const& id : ids) {
        EXPECT_EQ(c.database.deliveries.at(id).attempts.size(), 1U);
        EXPECT_EQ(c.database.deliveries.at(id).attempts[0].instance, 2);
    }
}

TEST(ownership, outage_of_the_database_is_no_reason_to_take_one_anothers_leases) {
    virtual_cluster c;
    auto const hook = c.add_webhook("a.example");
    auto& first = c.start_node();
    c.world.run_for(milliseconds(700));
    auto& second = c.start_node();
    c.world.run_for(seconds(5));
    for (auto* n : {&first, &second})
        n->store->down = true;
    c.world.run_for(minutes(10));
    for (auto* n : {&first, &second})
        n->store->down = false;
    c.world.run_for(minutes(1));
    EXPECT_EQ(first.store->calls[call::reap], 0);
    EXPECT_EQ(second.store->calls[call::reap], 0);
    c.database.publish(first.dispatcher.get(), hook);
    EXPECT_TRUE(c.run_until_done(seconds(2)));
    EXPECT_EQ(c.database.instances.size(), 2U) << "terms in doubt were given up";
}

TEST(ownership, claim_whose_fate_is_unknown_leaves_nothing_behind) {
    int lost = 0; // the node's last calls come when the cluster ends
    virtual_cluster c;
    auto const hook = c.add_webhook("a.example");
    c.database.publish_many(nullptr, hook, 20);
    auto& node = c.make_node();
    node.store->decide = [&](call which) {
        return which == call::claim_due && lost++ == 0 ? fate::lost_after : fate::done;
    };
    ASSERT_TRUE(c.world.run(node.dispatcher->start(), seconds(1)).has_value());
    c.world.run_for(milliseconds(50));
    EXPECT_EQ(c.database.leased(), 20U);
    EXPECT_TRUE(c.outside.seen.empty());
    ASSERT_TRUE(c.run_until_done(seconds(15)));
    EXPECT_EQ(c.outside.seen.size(), 20U);
    EXPECT_EQ(c.database.instances.size(), 1U);
}

TEST(ownership, instance_with_a_hanging_io_thread_loses_its_leases) {
    asio::io_context io_thread; // hangs for as long as nobody polls it
    virtual_cluster c;
    auto const hook = c.add_webhook("a.example");
    auto& hung = c.start_node(usual_options(), 1, io_thread.get_executor());
    c.database.publish_many(hung.dispatcher.get(), hook, 30);
    EXPECT_EQ(c.database.leased(), 30U);
    c.start_node();
    ASSERT_TRUE(c.run_until_done(seconds(30)));
    EXPECT_EQ(c.database.ended_as(decision::delivered), 30U);
    EXPECT_FALSE(hung.dispatcher->healthy());
    EXPECT_EQ(hung.dispatcher->current_grant({}).owner.value, 0);

    for (int i = 0; i < 100; ++i) {
        io_thread.restart();
        io_thread.poll();
        c.world.run_for(milliseconds(100));
    }
    EXPECT_TRUE(hung.dispatcher->healthy()) << "it goes on under a new term";
    EXPECT_EQ(c.outside.seen.size(), 30U);
    EXPECT_EQ(hung.dispatcher->stats().in_memory, 0U);
}

TEST(ownership, two_instances_share_the_work_and_repeat_nothing) {
    virtual_cluster c;
    std::vector<webhook_id> hooks;
    for (int i = 0; i < 5; ++i) {
        hooks.push_back(c.add_webhook("h" + std::to_string(i) + ".example"));
        c.outside.script["h" + std::to_string(i) + ".example"] = [n = 0](seen_request const&) mutable {
            return scripted_answer{++n % 7 == 0 ? 500 : 200, {}, milliseconds(30)};
        };
        c.database.publish_many(nullptr, hooks.back(), 400);
    }
    auto& first = c.start_node();
    auto& second = c.start_node();
    ASSERT_TRUE(c.run_until_done(hours(1)));
    EXPECT_EQ(c.database.ended_as(decision::delivered), 2000U);
    EXPECT_GT(first.dispatcher->stats().delivered, 200U);
    EXPECT_GT(second.dispatcher->stats().delivered, 200U);
    std::size_t attempts = 0;
    for (auto const& [id, d] : c.database.deliveries)
        attempts += d.attempts.size();
    EXPECT_EQ(attempts, c.outside.seen.size());
    expect_nothing_after_success(c);
}

TEST(ownership, work_that_a_dead_instance_left_parked_is_found) {
    virtual_cluster c;
    auto const hook = c.add_webhook("a.example");
    auto const ids = c.database.publish_many(nullptr, hook, 250);
    for (auto const& id : ids)
        c.database.deliveries.at(id).parked = true;
    c.start_node();
    EXPECT_TRUE(c.run_until_done(seconds(10)));
    EXPECT_EQ(c.outside.seen.size(), 250U);
}

} // namespace
} // namespace klen::webhooks::testing
