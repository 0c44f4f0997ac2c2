#include "app/errand_gate.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

namespace klen::webhooks::app {
namespace {

using answer = errand_gate::answer;
using ticket = errand_gate::ticket;

TEST(errand_gate, an_account_takes_no_more_than_its_share) {
    auto const gate = std::make_shared<errand_gate>(errand_gate::limits{3, 2});
    ticket const first(gate, "a"), second(gate, "a"), third(gate, "a");
    EXPECT_EQ(first.got(), answer::entered);
    EXPECT_EQ(second.got(), answer::entered);
    EXPECT_EQ(third.got(), answer::account_is_full);
    ticket const of_other(gate, "b");
    EXPECT_EQ(of_other.got(), answer::entered);
    EXPECT_EQ(ticket(gate, "c").got(), answer::is_full);
    EXPECT_EQ(ticket(gate, "a").got(), answer::account_is_full) << "what it can mend itself is said first";
}

TEST(errand_gate, whoever_leaves_makes_room_and_whoever_was_refused_makes_none) {
    auto const gate = std::make_shared<errand_gate>(errand_gate::limits{1, 1});
    for (int i = 0; i < 3; ++i) {
        ticket const inside(gate, "a");
        EXPECT_EQ(inside.got(), answer::entered);
        EXPECT_EQ(ticket(gate, "a").got(), answer::account_is_full);
        EXPECT_EQ(ticket(gate, "b").got(), answer::is_full);
        EXPECT_EQ(ticket(gate, "b").got(), answer::is_full);
    }
}

TEST(errand_gate, a_ticket_may_outlive_whoever_made_the_gate) {
    auto gate = std::make_shared<errand_gate>(errand_gate::limits{1, 1});
    ticket const inside(gate, "a");
    gate.reset();
    EXPECT_EQ(inside.got(), answer::entered);
}

TEST(errand_gate, threads_never_get_in_beyond_the_limit) {
    auto const gate = std::make_shared<errand_gate>(errand_gate::limits{2, 2});
    std::atomic<int> inside{0}, most{0}, entered{0};
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i)
        threads.emplace_back([&, account = i % 2 == 0 ? "a" : "b"] {
            for (int n = 0; n < 2000; ++n) {
                ticket const one(gate, account);
                if (one.got() != answer::entered)
                    continue;
                ++entered;
                int const now = ++inside;
                for (int before = most; before < now && !most.compare_exchange_weak(before, now);) {
                }
                --inside;
            }
        });
    for (auto& thread : threads)
        thread.join();
    EXPECT_LE(most, 2);
    EXPECT_GT(entered, 0);
    EXPECT_EQ(ticket(gate, "a").got(), answer::entered) << "all have left";
}

} // namespace
} // namespace klen::webhooks::app
