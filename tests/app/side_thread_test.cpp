#include "app/side_thread.hpp"

#include "app/blocking.hpp"
#include "store/store_support.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <gtest/gtest.h>

#include <deque>
#include <future>
#include <new>
#include <optional>

namespace klen::webhooks::app {
namespace {

/// What came of a computation; it runs in `on`.
struct waiter {
    std::optional<result<void>> done;

    void start(asio::io_context& on, side_thread& where, std::function<void()> what, std::string account = "a") {
        auto body = [this, &where, what = std::move(what), account = std::move(account)]() -> task<void> {
            auto outcome = co_await where.run(account, what);
            done.emplace(std::move(outcome));
        };
        asio::co_spawn(on.get_executor(), std::move(body), [](std::exception_ptr) {});
    }
};

TEST(side_thread, computes_elsewhere_and_completes_on_the_callers_thread) {
    side_thread side("side", {4, 4});
    auto const here = std::this_thread::get_id();
    std::thread::id computed, completed;
    run_here([&]() -> task<void> {
        std::function<void()> const what = [&] { computed = std::this_thread::get_id(); };
        auto const done = co_await side.run("a", what);
        EXPECT_TRUE(done);
        completed = std::this_thread::get_id();
    });
    EXPECT_NE(computed, here);
    EXPECT_EQ(completed, here);
}

TEST(side_thread, a_computation_that_does_not_end_is_told) {
    asio::io_context context;
    side_thread side("side", {1, 1});
    std::promise<void> go;
    waiter running;
    running.start(context, side, [&] { go.get_future().wait(); });
    context.poll();
    EXPECT_TRUE(test::come_to_hang("side"));
    go.set_value();
    EXPECT_TRUE(test::come_to_hang("")) << "now it waits";
}

TEST(side_thread, refuses_what_is_too_much_and_what_waits_at_the_end) {
    asio::io_context context;
    side_thread side("side", {1, 1});
    std::promise<void> begun, go;
    int computed = 0; // by the side thread alone
    waiter running, waiting, refused, late;
    running.start(context, side, [&] {
        begun.set_value();
        go.get_future().wait();
        ++computed;
    });
    context.poll();
    begun.get_future().wait();
    waiting.start(context, side, [&] { ++computed; });
    refused.start(context, side, [&] { ++computed; });
    context.restart();
    context.poll();
    ASSERT_TRUE(refused.done);
    EXPECT_EQ(refused.done->error().kind, fault::overloaded);
    EXPECT_FALSE(waiting.done);
    std::thread stopping([&] { side.stop(); });
    context.restart();
    context.run_one(); // what waits is told at once
    go.set_value();
    stopping.join();
    late.start(context, side, [&] { ++computed; });
    context.restart();
    context.run();
    EXPECT_EQ(waiting.done->error().kind, fault::shutting_down);
    EXPECT_TRUE(*running.done);
    EXPECT_EQ(late.done->error().kind, fault::shutting_down);
    EXPECT_EQ(computed, 1);
}

/// Keeps the thread busy until `go`.
struct obstacle {
    std::promise<void> begun, go;
    waiter outcome;

    void put(asio::io_context& on, side_thread& where) {
        outcome.start(on, where, [this] {
            begun.set_value();
            go.get_future().wait();
        });
        on.poll();
        begun.get_future().wait();
    }
};

TEST(side_thread, lets_accounts_take_turns) {
    asio::io_context context;
    side_thread side("side", {10, 4});
    obstacle first;
    first.put(context, side);
    std::string order; // by the side thread alone
    std::deque<waiter> waiters(7);
    for (std::size_t i = 0; i < 4; ++i)
        waiters[i].start(
            context, side, [&order] { order += 'a'; }, "a");
    waiters[4].start(
        context, side, [&order] { order += 'b'; }, "b");
    waiters[5].start(
        context, side, [&order] { order += 'c'; }, "c");
    waiters[6].start(
        context, side, [&order] { order += 'b'; }, "b");
    context.restart();
    context.poll();
    first.go.set_value();
    context.restart();
    context.run();
    EXPECT_EQ(order, "abcabaa");
    for (auto const& one : waiters)
        EXPECT_TRUE(one.done && *one.done);
}

TEST(side_thread, an_account_that_asks_for_too_much_is_refused_and_nobody_else) {
    asio::io_context context;
    side_thread side("side", {10, 2});
    obstacle first;
    first.put(context, side);
    std::deque<waiter> waiters(4);
    for (std::size_t i = 0; i < 3; ++i)
        waiters[i].start(
            context, side, [] {}, "a");
    waiters[3].start(
        context, side, [] {}, "b");
    context.restart();
    context.poll();
    ASSERT_TRUE(waiters[2].done);
    EXPECT_EQ(waiters[2].done->error().kind, fault::over_limit);
    first.go.set_value();
    context.restart();
    context.run();
    EXPECT_TRUE(*waiters[1].done);
    EXPECT_TRUE(*waiters[3].done);
}

TEST(side_thread, goes_on_after_a_computation_that_throws) {
    asio::io_context context;
    side_thread side("side", {4, 4});
    waiter thrown, next;
    thrown.start(context, side, [] { throw std::bad_alloc(); });
    next.start(context, side, [] {});
    context.run();
    ASSERT_TRUE(thrown.done && next.done);
    EXPECT_EQ(thrown.done->error().kind, fault::corrupt);
    EXPECT_TRUE(*next.done);
}

} // namespace
} // namespace klen::webhooks::app
