#include "dispatch/health_book.hpp"
#include "dispatch/virtual_node.hpp"

#include "klen/webhooks/policy/durations.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <numeric>

namespace klen::webhooks::testing {
namespace {

using policy::decision;
using policy::error_class;

store::attempt_record attempt(webhook_id of, decision what, error_class error, milliseconds took = milliseconds(3)) {
    store::attempt_record out;
    out.webhook = of;
    out.verdict.what = what;
    out.result.error = error;
    out.result.duration = took;
    return out;
}

wall_time at(int second) { return wall_time(seconds(1'800'000'000 + second)); }

TEST(health_book, sums_up_each_webhook_and_forgets_what_was_taken) {
    dispatch::health_book book;
    auto const good = make_id<webhook_id>();
    auto const bad = make_id<webhook_id>();
    book.add(attempt(good, decision::delivered, error_class::none), at(1));
    book.add(attempt(bad, decision::retry, error_class::timeout, seconds(10)), at(2));
    book.add(attempt(good, decision::delivered, error_class::none), at(3));
    book.add(attempt(bad, decision::failed, error_class::http_status), at(4));
    auto const records = book.take();
    ASSERT_EQ(records.size(), 2U);
    for (auto const& r : records) {
        bool const is_good = r.webhook == good;
        EXPECT_EQ(r.delivered, is_good ? 2 : 0);
        EXPECT_EQ(r.failed, is_good ? 0 : 2);
        EXPECT_EQ(r.any_success(), is_good);
        EXPECT_EQ(r.failures_since_success, is_good ? 0 : 2);
        EXPECT_EQ(r.last_success_at, is_good ? std::optional(at(3)) : std::nullopt);
        EXPECT_EQ(r.last_failure_at, is_good ? std::nullopt : std::optional(at(4)));
        if (!is_good) {
            EXPECT_EQ(r.last_failure, error_class::http_status);
            EXPECT_EQ(r.durations[policy::duration_bucket(seconds(10))], 1);
        }
        EXPECT_EQ(std::accumulate(r.durations.begin(), r.durations.end(), std::int64_t{0}), 2);
    }
    EXPECT_TRUE(book.take().empty());
}

TEST(health_book, failures_are_counted_from_the_last_success) {
    dispatch::health_book book;
    auto const hook = make_id<webhook_id>();
    book.add(attempt(hook, decision::retry, error_class::timeout), at(1));
    book.add(attempt(hook, decision::delivered, error_class::none), at(2));
    book.add(attempt(hook, decision::retry, error_class::dns_failure), at(4));
    book.add(attempt(hook, decision::retry, error_class::timeout), at(3)); // written later than it ended
    auto const r = book.take().at(0);
    EXPECT_TRUE(r.any_success());
    EXPECT_EQ(r.failures_since_success, 2);
    EXPECT_EQ(r.last_failure_at, at(4));
    EXPECT_EQ(r.last_failure, error_class::dns_failure);
}

TEST(health_book, cancellations_say_nothing_and_refused_urls_take_no_time) {
    dispatch::health_book book;
    auto const hook = make_id<webhook_id>();
    book.add(attempt(hook, decision::cancelled, error_class::webhook_deleted), at(1));
    EXPECT_TRUE(book.take().empty());
    book.add(attempt(hook, decision::retry, error_class::url_not_allowed, milliseconds(0)), at(2));
    auto const r = book.take().at(0);
    EXPECT_EQ(r.failed, 1);
    EXPECT_EQ(std::accumulate(r.durations.begin(), r.durations.end(), std::int64_t{0}), 0);
}

TEST(health, is_told_of_recorded_outcomes_only) {
    virtual_cluster c;
    auto const hook = c.add_webhook("a.example");
    int status = 500;
    c.outside.script["a.example"] = [&](auto const&) { return scripted_answer{status, {}, milliseconds(100)}; };
    auto& node = c.start_node();
    node.store->decide = [](call which) { return which == call::record ? fate::lost_before : fate::done; };
    auto const id = c.database.publish(node.dispatcher.get(), hook);
    c.world.run_for(seconds(2));
    ASSERT_EQ(c.outside.seen.size(), 1U);
    EXPECT_TRUE(node.dispatcher->take_health().empty()) << "not committed yet";

    node.store->decide = nullptr;
    c.world.run_for(seconds(3));
    auto const ended = c.database.deliveries.at(id).attempts.at(0).at;
    auto const failed = node.dispatcher->take_health();
    ASSERT_EQ(failed.size(), 1U);
    EXPECT_EQ(failed[0].webhook, hook);
    EXPECT_EQ(failed[0].failed, 1);
    EXPECT_EQ(failed[0].last_failure, error_class::http_status);
    EXPECT_EQ(failed[0].durations[policy::duration_bucket(milliseconds(100))], 1);
    ASSERT_TRUE(failed[0].last_failure_at);
    // When it ended, not when it could be written.
    auto const now = c.world.wall();
    EXPECT_GT(now - *failed[0].last_failure_at, seconds(4));
    EXPECT_LT(c.world.now() - ended, now - *failed[0].last_failure_at);

    status = 200;
    ASSERT_TRUE(c.run_until_done(seconds(70)));
    c.world.run_for(seconds(1));
    auto const delivered = node.dispatcher->take_health();
    ASSERT_EQ(delivered.size(), 1U);
    EXPECT_EQ(delivered[0].delivered, 1);
    EXPECT_EQ(delivered[0].failed, 0);
    EXPECT_TRUE(node.dispatcher->take_health().empty());
}

TEST(health, outcomes_whose_lease_was_lost_do_not_count) {
    virtual_cluster c;
    auto const hook = c.add_webhook("a.example");
    c.outside.script["a.example"] = [](auto const&) { return scripted_answer{200, {}, seconds(5)}; };
    auto& node = c.start_node();
    auto const id = c.database.publish(node.dispatcher.get(), hook);
    c.world.run_for(seconds(1));
    c.database.deliveries.at(id).owner = 0; // another one took it
    c.database.deliveries.at(id).finished = true;
    c.world.run_for(seconds(10));
    EXPECT_EQ(node.dispatcher->stats().leases_lost, 1U);
    EXPECT_TRUE(node.dispatcher->take_health().empty());
}

TEST(health, what_ends_during_a_shutdown_can_be_taken_after_it) {
    virtual_cluster c;
    auto const hook = c.add_webhook("a.example");
    c.outside.script["a.example"] = [](auto const&) { return scripted_answer{200, {}, seconds(1)}; };
    auto& node = c.start_node();
    c.database.publish(node.dispatcher.get(), hook);
    c.world.run_for(milliseconds(500));
    ASSERT_TRUE(c.stop(node));
    auto const health = node.dispatcher->take_health();
    ASSERT_EQ(health.size(), 1U);
    EXPECT_EQ(health[0].delivered, 1);
}

} // namespace
} // namespace klen::webhooks::testing
