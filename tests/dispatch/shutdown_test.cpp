#include "dispatch/virtual_node.hpp"

#include <gtest/gtest.h>

#include <chrono>

namespace klen::webhooks::testing {
namespace {

using policy::decision;

TEST(shutdown, requests_end_outcomes_are_written_and_leases_go_back) {
    virtual_cluster c;
    auto const hook = c.add_webhook("a.example");
    c.outside.script["a.example"] = [](auto const&) { return scripted_answer{200, {}, seconds(3)}; };
    auto& node = c.start_node();
    c.database.publish_many(node.dispatcher.get(), hook, 50);
    c.world.run_for(seconds(1));
    auto const began = c.world.now();
    ASSERT_TRUE(c.stop(node));
    EXPECT_LE(c.world.now() - began, seconds(4));
    EXPECT_EQ(c.outside.seen.size(), 10U) << "nothing new was begun";
    EXPECT_EQ(c.database.ended_as(decision::delivered), 10U);
    EXPECT_EQ(c.database.leased(), 0U);
    EXPECT_TRUE(c.database.instances.empty());
    for (auto const& [id, d] : c.database.deliveries)
        EXPECT_EQ(d.attempts_made, d.finished ? 1 : 0);

    c.outside.script.clear();
    c.start_node();
    ASSERT_TRUE(c.run_until_done(seconds(10)));
    EXPECT_EQ(c.outside.seen.size(), 50U) << "nothing was sent twice";
}

TEST(shutdown, hanging_request_is_ended_in_time) {
    virtual_cluster c;
    auto options = usual_options();
    options.delivery.attempt_timeout = seconds(60);
    auto const hook = c.add_webhook("a.example");
    c.outside.script["a.example"] = [](auto const&) { return scripted_answer{200, {}, hours(1)}; };
    auto& node = c.start_node(options);
    c.database.publish(node.dispatcher.get(), hook);
    c.world.run_for(seconds(1));
    auto const began = c.world.now();
    ASSERT_TRUE(c.stop(node));
    EXPECT_LE(c.world.now() - began, seconds(12));
    EXPECT_EQ(c.database.leased(), 0U);
    EXPECT_EQ(c.database.unfinished(), 1U);
}

TEST(shutdown, ends_in_time_without_a_database) {
    virtual_cluster c;
    auto const hook = c.add_webhook("a.example");
    auto& node = c.start_node();
    node.store->down = true;
    c.database.publish_many(node.dispatcher.get(), hook, 5);
    c.world.run_for(seconds(1));
    auto const began = c.world.now();
    ASSERT_TRUE(c.stop(node));
    EXPECT_LE(c.world.now() - began, milliseconds(12'200));
    EXPECT_EQ(c.database.leased(), 5U) << "others take over when the lease has expired";
}

TEST(shutdown, ends_in_time_when_the_database_does_not_answer) {
    virtual_cluster c;
    auto const hook = c.add_webhook("a.example");
    auto& node = c.start_node();
    c.database.publish_many(node.dispatcher.get(), hook, 5);
    node.store->latency = std::chrono::minutes(1);
    c.world.run_for(seconds(3));
    auto const began = c.world.now();
    ASSERT_TRUE(c.stop(node));
    EXPECT_LE(c.world.now() - began, milliseconds(12'200));
    c.world.run_for(std::chrono::minutes(5)); // what the database still held comes back to nobody
}

TEST(shutdown, waits_for_nothing_when_the_database_has_ended_for_good) {
    virtual_cluster c;
    auto const hook = c.add_webhook("a.example");
    c.outside.script["a.example"] = [](auto const&) { return scripted_answer{200, {}, hours(1)}; };
    auto& node = c.start_node();
    c.database.publish(node.dispatcher.get(), hook);
    c.world.run_for(seconds(1));
    node.store->down = true;
    node.dispatcher->database_ended();
    auto const began = c.world.now();
    ASSERT_TRUE(c.stop(node));
    EXPECT_LE(c.world.now() - began, milliseconds(700));
}

TEST(shutdown, is_idempotent_and_safe_before_start) {
    virtual_cluster c;
    auto& never = c.make_node();
    EXPECT_TRUE(c.stop(never));
    EXPECT_TRUE(c.stop(never));
    auto const late = c.world.run(never.dispatcher->start(), seconds(1));
    ASSERT_TRUE(late.has_value());
    EXPECT_FALSE(late->has_value());

    auto const hook = c.add_webhook("a.example");
    c.outside.script["a.example"] = [](auto const&) { return scripted_answer{200, {}, seconds(2)}; };
    auto& node = c.start_node();
    c.database.publish(node.dispatcher.get(), hook);
    c.world.run_for(milliseconds(100));
    bool first = false;
    asio::co_spawn(c.world.ex(), node.dispatcher->stop(), [&](std::exception_ptr) { first = true; });
    EXPECT_TRUE(c.stop(node)) << "a second caller waits for the same end";
    EXPECT_TRUE(first);
    EXPECT_EQ(c.database.ended_as(decision::delivered), 1U);
}

TEST(shutdown, takes_nothing_more) {
    virtual_cluster c;
    auto const hook = c.add_webhook("a.example");
    auto& node = c.start_node();
    ASSERT_TRUE(c.stop(node));
    EXPECT_EQ(node.dispatcher->current_grant({}).owner.value, 0);
    c.database.publish(node.dispatcher.get(), hook);
    c.world.run_for(seconds(5));
    EXPECT_TRUE(c.outside.seen.empty());
    EXPECT_EQ(c.database.leased(), 0U);
    EXPECT_FALSE(node.dispatcher->healthy());
}

TEST(shutdown, start_tells_that_the_database_cannot_be_used) {
    virtual_cluster c;
    auto& node = c.make_node();
    node.store->down = true;
    auto const failed = c.world.run(node.dispatcher->start(), seconds(1));
    ASSERT_TRUE(failed.has_value());
    ASSERT_FALSE(failed->has_value());
    EXPECT_EQ(failed->error().kind, fault::connection_lost);
    node.store->down = false;
    auto const again = c.world.run(node.dispatcher->start(), seconds(1));
    EXPECT_TRUE(again && again->has_value());
}

} // namespace
} // namespace klen::webhooks::testing
