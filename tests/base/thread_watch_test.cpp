#include "klen/webhooks/base/thread_watch.hpp"

#include <gtest/gtest.h>

#include <functional>
#include <future>
#include <thread>

namespace klen::webhooks {
namespace {

/// A watched thread that does `what` until it is let go.
class thread_at {
  public:
    thread_at(std::string name, duty has, std::function<void(std::function<void()> const& stay)> what) {
        running_ = std::thread([this, name = std::move(name), has, what = std::move(what)] {
            watched_thread const watched(name, has);
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

void work(std::function<void()> const& stay) {
    thread_does const now(doing::work);
    stay();
}

void look(int times) {
    for (int i = 0; i < times; ++i)
        look_at_threads();
}

// The first look is the one that notes what a thread is at.
constexpr int enough = looks_until_hung + 1;
constexpr int enough_beside = looks_until_hung_beside + 1;

TEST(thread_watch, a_thread_that_is_at_one_piece_of_work_in_ten_looks_hangs) {
    thread_at const one("claims", duty::deliveries, work);
    look(looks_until_hung);
    EXPECT_EQ(hung_threads(), "");
    look(1);
    EXPECT_EQ(hung_threads(), "claims");
    EXPECT_EQ(hung_delivery_threads(), "claims");
}

TEST(thread_watch, work_beside_the_deliveries_may_take_longer_and_concerns_none_of_them) {
    thread_at const one("judging", duty::other, work);
    look(enough_beside - 1);
    EXPECT_EQ(hung_threads(), "");
    look(1);
    EXPECT_EQ(hung_threads(), "judging");
    EXPECT_EQ(hung_delivery_threads(), "");
}

TEST(thread_watch, names_are_sorted_and_told_once) {
    thread_at const b("b", duty::deliveries, work), a("a", duty::deliveries, work), b_too("b", duty::deliveries, work);
    look(enough);
    EXPECT_EQ(hung_threads(), "a, b");
}

TEST(thread_watch, who_waits_does_not_hang) {
    thread_at const idle("idle", duty::deliveries, [](auto const& stay) { stay(); });
    thread_at const outside("outside", duty::deliveries, [](auto const& stay) {
        thread_does const job(doing::work);
        thread_does const database(doing::wait);
        stay();
    });
    look(enough);
    EXPECT_EQ(hung_threads(), "");
}

TEST(thread_watch, after_a_wait_the_work_goes_on_and_after_the_work_the_wait) {
    thread_at const back_at_work("back at work", duty::deliveries, [](auto const& stay) {
        thread_does const job(doing::work);
        { thread_does const database(doing::wait); }
        stay();
    });
    thread_at const done("done", duty::deliveries, [](auto const& stay) {
        { thread_does const job(doing::work); }
        stay();
    });
    look(enough);
    EXPECT_EQ(hung_threads(), "back at work");
}

TEST(thread_watch, each_piece_of_work_is_judged_by_itself) {
    std::promise<void> begun, next, goes_on, go;
    std::thread running([&] {
        watched_thread const watched("steps", duty::deliveries);
        thread_does const now(doing::work);
        begun.set_value();
        next.get_future().wait();
        work_goes_on();
        goes_on.set_value();
        go.get_future().wait();
    });
    begun.get_future().wait();
    look(enough);
    EXPECT_EQ(hung_threads(), "steps");
    next.set_value();
    goes_on.get_future().wait();
    look(1);
    EXPECT_EQ(hung_threads(), "") << "another piece";
    look(looks_until_hung);
    EXPECT_EQ(hung_threads(), "steps") << "which takes long as well";
    go.set_value();
    running.join();
}

TEST(thread_watch, a_thread_that_has_ended_is_forgotten) {
    {
        thread_at const gone("gone", duty::deliveries, work);
        look(enough);
        EXPECT_EQ(hung_threads(), "gone");
    }
    EXPECT_EQ(hung_threads(), "");
}

TEST(thread_watch, a_thread_that_is_not_watched_is_not_told) {
    thread_does const now(doing::work);
    work_goes_on();
    look(enough);
    EXPECT_EQ(hung_threads(), "");
}

} // namespace
} // namespace klen::webhooks
