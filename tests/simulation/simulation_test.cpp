#include "simulation/simulation.hpp"

#include <gtest/gtest.h>

namespace klen::webhooks::simulation {
namespace {

TEST(simulation, a_seed_replays_exactly) {
    for (std::uint64_t const seed : {7U, 2026U, 90'001U}) {
        auto const first = simulation(seed).run();
        auto const second = simulation(seed).run();
        EXPECT_EQ(first.trace_hash, second.trace_hash) << "seed " << seed;
        EXPECT_EQ(first.steps, second.steps) << "seed " << seed;
        EXPECT_GT(first.steps, 1000U);
        EXPECT_EQ(first.violation, "");
    }
}

// Found by `scripts/simulate`: a commit of the intake took longer than it took to end the term that it was granted
// under.
TEST(simulation, what_arrives_while_its_term_is_being_ended_is_not_sent_twice) {
    EXPECT_EQ(simulation(444'818).run().violation, "");
}

TEST(simulation, two_seeds_are_two_stories) {
    EXPECT_NE(simulation(1).run().trace_hash, simulation(2).run().trace_hash);
}

/// Else a hundred thousand quiet seeds would say nothing.
TEST(simulation, seeds_meet_every_fault_and_the_checks_apply) {
    std::bitset<fault_kinds> met;
    std::size_t calm = 0;
    for (std::uint64_t seed = 1; seed <= 100; ++seed) {
        met |= plan::draw(seed).faults;
        calm += plan::draw(seed).faults.count() <= 1 ? 1 : 0;
    }
    EXPECT_TRUE(met.all()) << met;
    EXPECT_GT(calm, 5U);

    checker::counts seen;
    std::uint64_t deliveries = 0;
    for (std::uint64_t seed = 1; seed <= 60; ++seed) {
        auto const o = simulation(seed).run();
        seen.attempts += o.counts.attempts;
        seen.excused += o.counts.excused;
        seen.retries_timed += o.counts.retries_timed;
        deliveries += o.deliveries;
    }
    EXPECT_GT(deliveries, 3000U);
    EXPECT_GT(seen.attempts, deliveries) << "some are repeated";
    EXPECT_GT(seen.excused, 50U) << "some are cut off";
    EXPECT_GT(seen.retries_timed, 50U);
}

} // namespace
} // namespace klen::webhooks::simulation
