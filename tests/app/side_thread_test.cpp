#include "app/side_thread.hpp"

#include "app/blocking.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <gtest/gtest.h>

#include <future>
#include <optional>

namespace klen::webhooks::app {
namespace {

/// What came of a computation; it runs in `on`.
struct waiter {
    std::optional<result<void>> done;

    void start(asio::io_context& on, side_thread& where, std::function<void()> what) {
        auto body = [this, &where, what = std::move(what)]() -> task<void> {
            auto outcome = co_await where.run(what);
            done.emplace(std::move(outcome));
        };
        asio::co_spawn(on.get_executor(), std::move(body), [](std::exception_ptr) {});
    }
};

TEST(side_thread, computes_elsewhere_and_completes_on_the_callers_thread) {
    side_thread side("side", 4);
    auto const here = std::this_thread::get_id();
    std::thread::id computed, completed;
    run_here([&]() -> task<void> {
        std::function<void()> const what = [&] { computed = std::this_thread::get_id(); };
        auto const done = co_await side.run(what);
        EXPECT_TRUE(done);
        completed = std::this_thread::get_id();
    });
    EXPECT_NE(computed, here);
    EXPECT_EQ(completed, here);
}

TEST(side_thread, refuses_what_is_too_much_and_what_waits_at_the_end) {
    asio::io_context context;
    side_thread side("side", 1);
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

} // namespace
} // namespace klen::webhooks::app
