#include "app/health_backlog.hpp"

#include <gtest/gtest.h>

namespace klen::webhooks::app {
namespace {

uuid const teller = make_uuid_v7();

wall_time at(int second) { return wall_time(std::chrono::seconds(second)); }

store::health_record failures(webhook_id of, std::int64_t count, int second) {
    store::health_record out;
    out.webhook = of;
    out.failed = count;
    out.durations[3] = count;
    out.last_failure_at = at(second);
    out.last_failure = policy::error_class::timeout;
    out.failures_since_success = count;
    return out;
}

store::health_record success(webhook_id of, int second) {
    store::health_record out;
    out.webhook = of;
    out.delivered = 1;
    out.durations[1] = 1;
    out.last_success_at = at(second);
    return out;
}

TEST(health_backlog, records_of_one_webhook_are_added_up_in_their_order) {
    auto const hook = make_id<webhook_id>();
    health_backlog backlog(teller, 10);
    backlog.add({failures(hook, 2, 1)});
    backlog.add({success(hook, 2)});
    backlog.add({failures(hook, 3, 3)});
    auto const sum = backlog.next(10).records;
    ASSERT_EQ(sum.size(), 1U);
    EXPECT_EQ(sum[0].delivered, 1);
    EXPECT_EQ(sum[0].failed, 5);
    EXPECT_EQ(sum[0].durations[3], 5);
    EXPECT_EQ(sum[0].durations[1], 1);
    EXPECT_EQ(sum[0].last_success_at, at(2));
    EXPECT_EQ(sum[0].last_failure_at, at(3));
    EXPECT_EQ(sum[0].last_failure, policy::error_class::timeout);
    EXPECT_EQ(sum[0].failures_since_success, 3);
    EXPECT_TRUE(sum[0].any_success());
}

TEST(health_backlog, failures_go_on_being_counted_until_a_success) {
    auto const hook = make_id<webhook_id>();
    auto const sum = joined(failures(hook, 2, 1), failures(hook, 3, 2));
    EXPECT_EQ(sum.failures_since_success, 5);
    EXPECT_FALSE(sum.any_success());
    EXPECT_EQ(joined(sum, success(hook, 3)).failures_since_success, 0);
    EXPECT_EQ(joined(sum, success(hook, 3)).last_failure_at, at(2));
}

TEST(health_backlog, what_is_written_is_forgotten_and_nothing_else) {
    health_backlog backlog(teller, 10);
    for (int i = 0; i < 5; ++i)
        backlog.add({success(make_id<webhook_id>(), i)});
    EXPECT_EQ(backlog.next(3).records.size(), 3U);
    backlog.forget();
    EXPECT_FALSE(backlog.empty());
    EXPECT_EQ(backlog.next(3).records.size(), 2U);
    EXPECT_FALSE(backlog.empty()) << "still there until it is written";
    backlog.forget();
    EXPECT_TRUE(backlog.empty());
}

TEST(health_backlog, a_batch_stays_as_it_is_until_it_is_written) {
    auto const hook = make_id<webhook_id>();
    health_backlog backlog(teller, 10);
    backlog.add({success(hook, 1)});
    auto const first = backlog.next(10);
    EXPECT_EQ(first.told_by, teller);
    backlog.add({success(hook, 2), success(make_id<webhook_id>(), 3)});
    auto const again = backlog.next(10);
    EXPECT_EQ(again.number, first.number);
    ASSERT_EQ(again.records.size(), 1U);
    EXPECT_EQ(again.records[0].delivered, 1);
    backlog.forget();
    auto const second = backlog.next(10);
    EXPECT_GT(second.number, first.number);
    EXPECT_EQ(second.records.size(), 2U) << "what was added meanwhile";
}

TEST(health_backlog, with_nothing_to_write_there_is_no_batch) {
    health_backlog backlog(teller, 10);
    EXPECT_TRUE(backlog.next(10).records.empty());
    backlog.forget();
    EXPECT_TRUE(backlog.empty());
}

TEST(health_backlog, at_its_bound_known_webhooks_are_still_counted) {
    auto const first = make_id<webhook_id>();
    health_backlog backlog(teller, 1);
    EXPECT_EQ(backlog.add({success(first, 1)}), 0U);
    EXPECT_EQ(backlog.add({success(make_id<webhook_id>(), 2), success(first, 3)}), 1U);
    EXPECT_EQ(backlog.next(10).records.at(0).delivered, 2);
    EXPECT_EQ(backlog.add({success(first, 4)}), 1U) << "what is being written counts as well";
}

} // namespace
} // namespace klen::webhooks::app
