#include "klen/webhooks/base/thread_watch.hpp"

#include <gtest/gtest.h>

#include <functional>
#include <future>
#include <thread>

namespace klen::webhooks {
namespace {

using namespace std::chrono_literals;

/// A watched thread that does `what` until it is let go.
class thread_at {
  public:
    thread_at(std::string name, std::function<void(std::function<void()> const& stay)> what) {
        running_ = std::thread([this, name = std::move(name), what = std::move(what)] {
            watched_thread const watched(name);
            what([this] {
                there_.set_value();
                go_.get_future().wait();
            });
        });
        there_.get_future().wait();
    }
    ~thread_at() {
        go_.set_value();
        running_.join();
    }

  private:
    std::promise<void> there_, go_;
    std::thread running_;
};

/// What hangs once more time than the bound has passed.
std::string hung_after_a_moment() {
    auto const bound = 1ms;
    auto const until = std::chrono::steady_clock::now() + 2 * bound;
    while (std::chrono::steady_clock::now() < until)
        std::this_thread::yield();
    return hung_threads(bound);
}

TEST(thread_watch, a_thread_that_works_for_longer_than_the_bound_hangs) {
    thread_at const one("claims", [](auto const& stay) {
        thread_does const now(doing::work);
        stay();
    });
    EXPECT_EQ(hung_after_a_moment(), "claims");
    EXPECT_EQ(hung_threads(1h), "");
}

TEST(thread_watch, names_are_sorted_and_told_once) {
    auto const work = [](auto const& stay) {
        thread_does const now(doing::work);
        stay();
    };
    thread_at const b("b", work), a("a", work), b_too("b", work);
    EXPECT_EQ(hung_after_a_moment(), "a, b");
}

TEST(thread_watch, who_waits_does_not_hang) {
    thread_at const idle("idle", [](auto const& stay) { stay(); });
    thread_at const outside("outside", [](auto const& stay) {
        thread_does const job(doing::work);
        thread_does const database(doing::wait);
        stay();
    });
    EXPECT_EQ(hung_after_a_moment(), "");
}

TEST(thread_watch, after_a_wait_the_work_goes_on_and_after_the_work_the_wait) {
    thread_at const back_at_work("back at work", [](auto const& stay) {
        thread_does const job(doing::work);
        { thread_does const database(doing::wait); }
        stay();
    });
    thread_at const done("done", [](auto const& stay) {
        { thread_does const job(doing::work); }
        stay();
    });
    EXPECT_EQ(hung_after_a_moment(), "back at work");
}

TEST(thread_watch, each_piece_of_work_is_judged_by_itself) {
    std::promise<void> next, begun, go;
    std::thread running([&] {
        watched_thread const watched("steps");
        thread_does const now(doing::work);
        next.get_future().wait();
        work_goes_on();
        begun.set_value();
        go.get_future().wait();
    });
    while (hung_threads(50ms) != "steps")
        std::this_thread::yield();
    next.set_value();
    begun.get_future().wait();
    EXPECT_EQ(hung_threads(10s), "") << "the first step's time does not count for the second";
    while (hung_threads(50ms) != "steps") // the second counts by itself
        std::this_thread::yield();
    go.set_value();
    running.join();
}

TEST(thread_watch, a_thread_that_has_ended_is_forgotten) {
    {
        thread_at const gone("gone", [](auto const& stay) {
            thread_does const now(doing::work);
            stay();
        });
        EXPECT_EQ(hung_after_a_moment(), "gone");
    }
    EXPECT_EQ(hung_after_a_moment(), "");
}

TEST(thread_watch, a_thread_that_is_not_watched_is_not_told) {
    thread_does const now(doing::work);
    work_goes_on();
    EXPECT_EQ(hung_after_a_moment(), "");
}

} // namespace
} // namespace klen::webhooks
