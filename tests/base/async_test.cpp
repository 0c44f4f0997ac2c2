#include "klen/webhooks/base/async.hpp"

#include <atomic>
#include <thread>
#include <vector>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/redirect_error.hpp>
#include <gtest/gtest.h>

namespace klen::webhooks {
namespace {

using namespace std::chrono_literals;

/// One io thread's worth of executor; `run` ends when nothing is left to do.
struct loop {
    asio::io_context context{1};
    executor ex = context.get_executor();

    void run() {
        context.restart();
        context.run();
    }
};

/// Waits until it is cancelled.
task<void> wait_for_ever() {
    asio::steady_timer timer(co_await asio::this_coro::executor, asio::steady_timer::time_point::max());
    boost::system::error_code ec;
    auto token = asio::redirect_error(use_task, ec);
    co_await timer.async_wait(token);
}

/// The order for cleaning up: look, shield, then wait.
task<void> wait_then_clean_up(bool& saw_cancellation, bool& cleaned) {
    asio::steady_timer timer(co_await asio::this_coro::executor, asio::steady_timer::time_point::max());
    boost::system::error_code ec;
    auto token = asio::redirect_error(use_task, ec);
    co_await timer.async_wait(token);
    auto const state = co_await asio::this_coro::cancellation_state;
    saw_cancellation = state.cancelled() != asio::cancellation_type::none;
    co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
    timer.expires_after(1ms);
    co_await timer.async_wait(token);
    cleaned = !ec;
}

TEST(one_shot, value_set_before_the_wait_is_received) {
    loop l;
    task_group group(l.ex, "test");
    one_shot<int> box;
    box.set()(7);
    int got = 0;
    group.spawn([&]() -> task<void> { got = co_await box.wait(); });
    l.run();
    EXPECT_EQ(got, 7);
}

TEST(one_shot, waiter_is_resumed_by_a_later_set_and_never_inside_it) {
    loop l;
    task_group group(l.ex, "test");
    one_shot<std::string> box;
    std::string got;
    group.spawn([&]() -> task<void> { got = co_await box.wait(); });
    asio::post(l.ex, [&] {
        box.set()("later");
        EXPECT_EQ(got, "");
    });
    l.run();
    EXPECT_EQ(got, "later");
}

TEST(one_shot, only_the_first_value_counts) {
    loop l;
    task_group group(l.ex, "test");
    one_shot<int> box;
    auto const set = box.set();
    set(1);
    set(2);
    int got = 0;
    group.spawn([&]() -> task<void> { got = co_await box.wait(); });
    l.run();
    EXPECT_EQ(got, 1);
}

TEST(one_shot, move_only_values_pass) {
    loop l;
    task_group group(l.ex, "test");
    one_shot<std::unique_ptr<int>> box;
    box.set()(std::make_unique<int>(3));
    std::unique_ptr<int> got;
    group.spawn([&]() -> task<void> { got = co_await box.wait(); });
    l.run();
    ASSERT_TRUE(got);
    EXPECT_EQ(*got, 3);
}

TEST(one_shot, value_from_another_thread_arrives_on_the_waiters_own_executor) {
    constexpr int rounds = 500; // the set races with the wait: either order must do
    loop l;
    task_group group(l.ex, "test");
    std::vector<one_shot<int>> boxes(rounds);
    std::atomic<bool> begun = false;
    std::jthread other([&] {
        begun.wait(false);
        for (int i = 0; i < rounds; ++i)
            boxes[static_cast<std::size_t>(i)].set()(i);
    });
    int sum = 0;
    bool elsewhere = false;
    auto const here = std::this_thread::get_id();
    for (auto& box : boxes) {
        group.spawn([&, box]() -> task<void> {
            begun = true;
            begun.notify_one();
            sum += co_await box.wait();
            elsewhere = elsewhere || std::this_thread::get_id() != here;
        });
    }
    l.run();
    EXPECT_EQ(sum, rounds * (rounds - 1) / 2);
    EXPECT_FALSE(elsewhere);
}

TEST(one_shot, wait_outlives_a_cancellation_until_the_value_comes) {
    loop l;
    task_group group(l.ex, "test");
    one_shot<int> box;
    bool ended = false;
    group.spawn([&]() -> task<void> {
        co_await box.wait();
        ended = true;
    });
    asio::post(l.ex, [&] {
        group.cancel();
        asio::post(l.ex, [&] {
            EXPECT_FALSE(ended);
            box.set()(1);
        });
    });
    l.run();
    EXPECT_TRUE(ended);
    EXPECT_TRUE(group.empty());
}

TEST(task_group, counts_its_members) {
    loop l;
    task_group group(l.ex, "test");
    EXPECT_TRUE(group.empty());
    group.spawn([]() -> task<void> { co_await wait_for_ever(); });
    group.spawn([]() -> task<void> { co_return; });
    EXPECT_EQ(group.size(), 2u);
    while (group.size() > 1 && l.context.poll_one() > 0) {
    }
    EXPECT_EQ(group.size(), 1u);
    group.cancel();
    l.run();
    EXPECT_TRUE(group.empty());
}

TEST(task_group, cancel_ends_members_and_wait_empty_completes_for_all_who_wait) {
    loop l;
    task_group group(l.ex, "members");
    task_group owner(l.ex, "owner");
    int ended = 0;
    int told = 0;
    for (int i = 0; i < 3; ++i) {
        group.spawn([&]() -> task<void> {
            co_await wait_for_ever();
            ++ended;
        });
    }
    for (int i = 0; i < 2; ++i) {
        owner.spawn([&]() -> task<void> {
            co_await group.wait_empty();
            EXPECT_EQ(ended, 3);
            ++told;
        });
    }
    asio::post(l.ex, [&] { group.cancel(); });
    l.run();
    EXPECT_EQ(ended, 3);
    EXPECT_EQ(told, 2);
}

TEST(task_group, wait_empty_of_an_empty_group_completes_at_once) {
    loop l;
    task_group group(l.ex, "members");
    task_group owner(l.ex, "owner");
    bool told = false;
    owner.spawn([&]() -> task<void> {
        co_await group.wait_empty();
        told = true;
    });
    l.run();
    EXPECT_TRUE(told);
}

TEST(task_group, nothing_is_started_after_cancel) {
    loop l;
    task_group group(l.ex, "test");
    group.cancel();
    group.cancel();
    EXPECT_TRUE(group.cancelled());
    bool begun = false;
    EXPECT_FALSE(group.spawn([&]() -> task<void> {
        begun = true;
        co_return;
    }));
    l.run();
    EXPECT_FALSE(begun);
    EXPECT_TRUE(group.empty());
}

TEST(task_group, member_may_spawn_into_its_own_group) {
    loop l;
    task_group group(l.ex, "test");
    int ended = 0;
    group.spawn([&]() -> task<void> {
        group.spawn([&]() -> task<void> {
            ++ended;
            co_return;
        });
        ++ended;
        co_return;
    });
    l.run();
    EXPECT_EQ(ended, 2);
}

TEST(task_group, cancellation_that_surfaces_as_an_exception_is_an_ordinary_end) {
    loop l;
    task_group group(l.ex, "test");
    group.spawn([]() -> task<void> {
        asio::steady_timer timer(co_await asio::this_coro::executor, asio::steady_timer::time_point::max());
        co_await timer.async_wait(use_task);
    });
    asio::post(l.ex, [&] { group.cancel(); });
    l.run();
    EXPECT_TRUE(group.empty());
}

TEST(task_group, cleaning_up_after_a_cancellation_may_wait) {
    loop l;
    task_group group(l.ex, "test");
    bool saw_cancellation = false;
    bool cleaned = false;
    group.spawn([&]() -> task<void> { co_await wait_then_clean_up(saw_cancellation, cleaned); });
    asio::post(l.ex, [&] { group.cancel(); });
    l.run();
    EXPECT_TRUE(saw_cancellation);
    EXPECT_TRUE(cleaned);
}

TEST(task_group_death, exception_of_a_member_aborts_with_the_groups_name) {
    testing::FLAGS_gtest_death_test_style = "threadsafe";
    EXPECT_DEATH(
        {
            loop l;
            task_group group(l.ex, "writers");
            group.spawn([]() -> task<void> {
                throw std::runtime_error("half-way");
                co_return;
            });
            l.run();
        },
        "a task ended with an exception.*task_group=writers.*half-way");
}

} // namespace
} // namespace klen::webhooks
