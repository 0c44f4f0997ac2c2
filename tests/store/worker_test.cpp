#include "store/worker.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <future>

namespace klen::webhooks::store {
namespace {

/// Jobs that touch no database and wait until they are let go.
struct worker_test : testing::Test {
    using answer = std::future<result<int>>;

    answer post(worker& to, std::string account, bool waits = true, admission is = admission::asked) {
        auto done = std::make_shared<std::promise<result<int>>>();
        auto out = done->get_future();
        auto job = [this, waits](session&) -> result<int> {
            ++begun;
            if (waits)
                open.wait();
            return 1;
        };
        to.post<int>(
            job, [done](result<int> got) { done->set_value(std::move(got)); }, std::move(account), is);
        return out;
    }
    void wait_until_begun(int n) {
        while (begun < n)
            std::this_thread::yield();
    }
    static bool is_answered(answer const& one) {
        return one.wait_for(std::chrono::seconds(0)) == std::future_status::ready;
    }

    std::promise<void> gate;
    std::shared_future<void> open = gate.get_future().share();
    std::atomic<int> begun{0};
    connection_options const nowhere{.url = "postgresql://127.0.0.1:1/none"};
};

TEST_F(worker_test, an_account_never_takes_all_connections) {
    worker to(nowhere, {.name = "test"}, 3, 256);
    std::vector<answer> slow;
    for (int i = 0; i < 10; ++i)
        slow.push_back(post(to, "a"));
    wait_until_begun(2);
    EXPECT_TRUE(post(to, "b", false).get()) << "passes the others by";
    EXPECT_TRUE(post(to, "", false).get());
    EXPECT_EQ(begun, 4);
    gate.set_value();
    for (auto& one : slow)
        EXPECT_TRUE(one.get());
}

TEST_F(worker_test, an_account_has_so_many_calls_under_way_at_most) {
    worker to(nowhere, {.name = "test"}, 3, 32);
    std::vector<answer> slow;
    for (int i = 0; i < 4; ++i)
        slow.push_back(post(to, "a"));
    auto refused = post(to, "a");
    ASSERT_TRUE(is_answered(refused));
    EXPECT_EQ(refused.get().error().kind, fault::over_limit);
    EXPECT_TRUE(post(to, "b", false).get());
    gate.set_value();
    for (auto& one : slow)
        EXPECT_TRUE(one.get());
    for (int i = 0; i < 10; ++i)
        EXPECT_TRUE(post(to, "a", false).get()) << "what is done counts no more";
}

TEST_F(worker_test, what_ends_a_call_is_not_refused_but_takes_its_turn) {
    worker to(nowhere, {.name = "test"}, 3, 32);
    std::vector<answer> slow;
    for (int i = 0; i < 4; ++i)
        slow.push_back(post(to, "a"));
    slow.push_back(post(to, "a", false, admission::had));
    EXPECT_FALSE(is_answered(slow.back()));
    EXPECT_TRUE(post(to, "b", false).get()) << "a connection is left";
    EXPECT_EQ(post(to, "a").get().error().kind, fault::over_limit);
    gate.set_value();
    for (auto& one : slow)
        EXPECT_TRUE(one.get());
    EXPECT_TRUE(post(to, "a", false).get()) << "it counts no more, either";
}

TEST_F(worker_test, one_connection_serves_everybody_in_turn_and_the_end_leaves_nothing) {
    std::vector<answer> all;
    {
        worker to(nowhere, {.name = "test"}, 1, 256);
        for (std::string const account : {"a", "a", "b", "a", ""})
            all.push_back(post(to, account));
        wait_until_begun(1);
        gate.set_value();
    }
    for (auto& one : all)
        EXPECT_TRUE(one.get());
}

} // namespace
} // namespace klen::webhooks::store
