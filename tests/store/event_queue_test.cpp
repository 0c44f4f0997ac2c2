// Who goes with the next batch: accounts in turns, and no more than the database does in a moment.
#include "store/event_queue.hpp"

#include "store/store_support.hpp"

#include <gtest/gtest.h>

namespace klen::webhooks::store {
namespace {

using namespace test;

class event_queue_test : public testing::Test {
  protected:
    event_queue_test() {
        limits.batch_events_max = 10;
        limits.batch_deliveries_max = 20;
        limits.account_share_percent = 50;
    }

    event_queue::refusal put(std::string const& account_id, std::string const& type = "call.ended",
                             std::string const& body = "{}") {
        waiting_event one{make_event(account_id, type, body), {}};
        return made().put(one);
    }
    void put_many(int count, std::string const& account_id, std::string const& type = "call.ended") {
        for (int i = 0; i < count; ++i)
            ASSERT_EQ(put(account_id, type), event_queue::refusal::none);
    }
    /// The accounts of the next batch's events. Each of its events becomes `deliveries[account]`, or one.
    std::vector<std::string> next(std::map<std::string, std::uint32_t> const& deliveries = {}) {
        std::vector<std::string> out;
        auto const batch = made().take_batch(now);
        for (auto const& one : batch) {
            auto const& account_id = one.event().account_id;
            auto const found = deliveries.find(account_id);
            made().count(one.event(), found == deliveries.end() ? 1 : found->second);
            out.push_back(account_id);
        }
        made().learn(now);
        return out;
    }
    event_queue& made() {
        if (!queue_)
            queue_.emplace(limits);
        return *queue_;
    }

    using ids = std::vector<std::string>;

    intake_config limits = intake_limits();
    steady_time now{std::chrono::hours(1)};

  private:
    std::optional<event_queue> queue_;
};

TEST_F(event_queue_test, accounts_take_turns) {
    put_many(3, "a");
    put_many(1, "b");
    put_many(2, "c");
    EXPECT_EQ(next(), (ids{"a", "b", "c", "a", "c", "a"}));
    EXPECT_EQ(made().events(), 0U);
    EXPECT_EQ(next(), ids{});
}

TEST_F(event_queue_test, an_accounts_events_stay_in_order) {
    std::vector<event_id> given;
    for (int i = 0; i < 3; ++i) {
        waiting_event one{make_event("a"), {}};
        given.push_back(one.event().id);
        ASSERT_EQ(made().put(one), event_queue::refusal::none);
    }
    std::vector<event_id> taken;
    for (auto const& one : made().take_batch(now))
        taken.push_back(one.event().id);
    EXPECT_EQ(taken, given);
}

TEST_F(event_queue_test, a_few_events_go_first_and_tell_what_the_others_will_be) {
    put_many(25, "a");
    EXPECT_EQ(next().size(), 4U);
    EXPECT_EQ(next().size(), 10U);
    now += milliseconds(99);
    EXPECT_EQ(next().size(), 10U) << "what is known is fresh";
}

TEST_F(event_queue_test, what_was_known_a_while_ago_is_found_out_again) {
    put_many(20, "a");
    EXPECT_EQ(next().size(), 4U);
    now += milliseconds(100);
    EXPECT_EQ(next().size(), 4U);
    EXPECT_EQ(next().size(), 10U);
}

TEST_F(event_queue_test, each_type_is_known_for_itself) {
    put_many(6, "a", "call.ended");
    EXPECT_EQ(next().size(), 4U);
    put_many(6, "a", "call.started");
    EXPECT_EQ(next().size(), 6U) << "two of the known type, four of the other";
}

TEST_F(event_queue_test, a_batch_is_bounded_by_the_deliveries_that_it_becomes) {
    put_many(9, "heavy");
    EXPECT_EQ(next({{"heavy", 9}}).size(), 4U);
    EXPECT_EQ(next({{"heavy", 9}}).size(), 2U);
    EXPECT_EQ(next({{"heavy", 9}}).size(), 2U);
    EXPECT_EQ(next({{"heavy", 9}}).size(), 1U);
}

TEST_F(event_queue_test, others_go_beside_an_account_whose_events_become_many) {
    put_many(8, "heavy");
    EXPECT_EQ(next({{"heavy", 18}}).size(), 4U);
    put_many(2, "a");
    EXPECT_EQ(next({{"heavy", 18}}), (ids{"heavy", "a", "a"}));
    EXPECT_EQ(next({{"heavy", 18}}), (ids{"heavy"}));
}

TEST_F(event_queue_test, an_event_that_becomes_more_than_a_batch_may_goes_alone) {
    put_many(6, "heavy");
    EXPECT_EQ(next({{"heavy", 1000}}).size(), 4U);
    put_many(1, "a");
    EXPECT_EQ(next({{"heavy", 1000}}), ids{"heavy"});
    EXPECT_EQ(next({{"heavy", 1000}}), ids{"a"}) << "its turn";
    EXPECT_EQ(next({{"heavy", 1000}}), ids{"heavy"});
}

TEST_F(event_queue_test, events_that_become_nothing_count_as_well) {
    put_many(30, "a");
    EXPECT_EQ(next({{"a", 0}}).size(), 4U);
    EXPECT_EQ(next({{"a", 0}}).size(), 10U);
}

TEST_F(event_queue_test, a_batch_takes_few_events_of_each_while_several_publish) {
    limits.batch_account_events_max = 3;
    put_many(20, "flood");
    put_many(1, "b");
    EXPECT_EQ(next(), (ids{"flood", "b", "flood", "flood"}));
    put_many(4, "c");
    EXPECT_EQ(next(), (ids{"flood", "c", "flood", "c", "flood", "c"}));
}

TEST_F(event_queue_test, who_publishes_alone_fills_the_batches) {
    limits.batch_account_events_max = 3;
    limits.batch_events_max = 5;
    put_many(40, "flood");
    EXPECT_EQ(next().size(), 4U) << "scouts";
    EXPECT_EQ(next().size(), 5U);
}

TEST_F(event_queue_test, who_published_within_a_second_counts_as_publishing) {
    limits.batch_account_events_max = 5;
    put_many(1, "b");
    put_many(40, "flood");
    EXPECT_EQ(next().size(), 5U) << "one of b, four scouts";
    now += milliseconds(50);
    EXPECT_EQ(next().size(), 5U);
    now += milliseconds(950);
    EXPECT_EQ(next().size(), 4U) << "what flood's events become is not known any more";
    EXPECT_EQ(next().size(), 10U) << "b is forgotten";
}

TEST_F(event_queue_test, bytes_bound_a_batch) {
    limits.batch_bytes_max = 10'000;
    for (int i = 0; i < 3; ++i)
        put("a", "call.ended", std::string(5'000, ' '));
    EXPECT_EQ(next().size(), 1U);
    EXPECT_EQ(next().size(), 1U);
}

TEST_F(event_queue_test, an_account_waits_with_so_many_deliveries_at_most) {
    limits.queue_deliveries_max = 200;
    put_many(1, "heavy");
    EXPECT_EQ(next({{"heavy", 40}}).size(), 1U);
    put_many(2, "heavy");
    EXPECT_EQ(put("heavy"), event_queue::refusal::share_taken);
    put_many(100, "a");
    EXPECT_EQ(put("a"), event_queue::refusal::share_taken);
    put_many(20, "b");
    EXPECT_EQ(put("b"), event_queue::refusal::full);
}

TEST_F(event_queue_test, an_account_of_which_nothing_waits_may_put_one_event) {
    limits.queue_deliveries_max = 10;
    put_many(1, "heavy");
    EXPECT_EQ(next({{"heavy", 1000}}).size(), 1U);
    EXPECT_EQ(put("heavy"), event_queue::refusal::none);
    EXPECT_EQ(next({{"heavy", 1000}}).size(), 1U);
}

TEST_F(event_queue_test, nothing_is_left_when_all_were_taken) {
    put_many(3, "a");
    put_many(2, "b");
    EXPECT_EQ(made().take_all().size(), 5U);
    EXPECT_EQ(made().events(), 0U);
    EXPECT_EQ(next(), ids{});
    put_many(1, "a");
    EXPECT_EQ(next(), ids{"a"});
}

/// More accounts than are remembered, each with more than one event: none is forgotten while something of it waits.
TEST_F(event_queue_test, many_accounts_come_and_go) {
    limits.batch_events_max = 500;
    limits.batch_deliveries_max = 1000;
    std::size_t given = 0;
    std::size_t taken = 0;
    for (int round = 0; round < 10; ++round) {
        for (int i = 0; i < 2000; ++i) {
            put_many(1, "a" + std::to_string(i));
            ++given;
        }
        for (int i = 0; i < 3; ++i)
            taken += next().size();
        now += milliseconds(200);
    }
    while (made().events() != 0)
        taken += next().size();
    EXPECT_EQ(taken, given);
}

} // namespace
} // namespace klen::webhooks::store
