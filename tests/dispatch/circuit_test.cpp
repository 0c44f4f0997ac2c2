#include "dispatch/virtual_node.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <vector>

namespace klen::webhooks::testing {
namespace {

using policy::circuit_state;
using policy::decision;
using std::chrono::minutes;

class circuit_test : public ::testing::Test {
  protected:
    void answer_with(std::string const& host, int status, milliseconds after = milliseconds(5)) {
        c.outside.script[host] = [status, after](auto const&) { return scripted_answer{status, {}, after}; };
    }
    circuit_state state(webhook_id id) const { return node->dispatcher->circuit_of(id).state; }
    bool run_until_state(webhook_id id, circuit_state wanted, milliseconds at_most = seconds(60)) {
        return c.world.run_until([this, id, wanted] { return state(id) == wanted; }, at_most);
    }
    /// A webhook that is down, its circuit open, with so much waiting.
    webhook_id broken(std::string const& host, std::size_t waiting = 200) {
        auto const id = c.add_webhook(host);
        answer_with(host, 500);
        c.database.publish_many(node->dispatcher.get(), id, waiting);
        EXPECT_TRUE(run_until_state(id, circuit_state::open));
        return id;
    }
    /// As the API's call does.
    void ask(webhook_id hook, std::vector<delivery_id> const& which) {
        for (auto const& id : which) {
            ASSERT_TRUE(c.database.resend(node->dispatcher.get(), id));
            node->dispatcher->attempt_asked(hook);
        }
    }
    int attempts() const {
        int out = 0;
        for (auto const& [id, d] : c.database.deliveries)
            out += d.attempts_made;
        return out;
    }
    virtual_cluster c;
    virtual_node* node = &c.start_node(options_with_circuits());
};

TEST_F(circuit_test, dead_webhook_is_left_alone_but_for_one_probe_at_a_time) {
    auto const hook = broken("dead.example");
    c.world.run_for(seconds(1));
    auto const seen = c.outside.count("dead.example");
    EXPECT_LE(seen, 30U) << "twenty failures, and those under way";
    EXPECT_EQ(node->dispatcher->stats().circuits_open, 1U);
    EXPECT_EQ(node->dispatcher->stats().in_memory, 0U) << "what waits does so in the database";
    answer_with("dead.example", 500, seconds(2));
    c.outside.open_most.clear();
    c.world.run_for(minutes(10));
    EXPECT_EQ(c.outside.open_most["dead.example"], 1);
    auto const probes = c.outside.count("dead.example") - seen;
    EXPECT_GE(probes, 10U);
    EXPECT_LE(probes, 16U) << "about one a minute";
    EXPECT_EQ(static_cast<std::size_t>(attempts()), c.outside.count("dead.example")) << "only requests count";
    EXPECT_EQ(c.database.unfinished(), 200U);
    EXPECT_EQ(node->dispatcher->stats().circuits_opened, 1U);
    EXPECT_NE(state(hook), circuit_state::closed);
}

TEST_F(circuit_test, few_failures_open_nothing) {
    auto const hook = c.add_webhook("a.example");
    answer_with("a.example", 500);
    c.database.publish_many(node->dispatcher.get(), hook, 4);
    ASSERT_TRUE(c.run_until_done(hours(1)));
    EXPECT_EQ(c.outside.seen.size(), 16U);
    EXPECT_EQ(node->dispatcher->stats().circuits_opened, 0U);
}

TEST_F(circuit_test, refusals_of_a_living_endpoint_open_nothing) {
    auto const hook = c.add_webhook("a.example");
    answer_with("a.example", 422);
    c.database.publish_many(node->dispatcher.get(), hook, 300);
    c.world.run_for(seconds(30));
    EXPECT_EQ(c.outside.seen.size(), 300U);
    EXPECT_EQ(node->dispatcher->stats().circuits_opened, 0U);
}

TEST_F(circuit_test, webhook_that_works_again_gets_everything_soon_and_slowly_at_first) {
    auto const hook = broken("a.example", 500);
    c.world.run_for(minutes(3));
    answer_with("a.example", 200, milliseconds(100));
    c.outside.open_most.clear();
    auto const before = c.outside.seen.size();
    ASSERT_TRUE(run_until_state(hook, circuit_state::closed, seconds(65)));
    EXPECT_EQ(c.outside.open_most["a.example"], 1) << "the probe";
    auto const closed_at = c.world.now();
    ASSERT_TRUE(c.world.run_until([&] { return c.database.unfinished() == 0; }, minutes(30)));
    std::vector<int> open; // under way at once, as requests begin
    for (std::size_t i = before + 1; i < std::min(before + 16, c.outside.seen.size()); ++i) {
        auto const at = c.outside.seen[i].at;
        open.push_back(static_cast<int>(std::count_if(c.outside.seen.begin() + static_cast<std::ptrdiff_t>(before),
                                                      c.outside.seen.begin() + static_cast<std::ptrdiff_t>(i) + 1,
                                                      [at](auto const& r) { return r.at + milliseconds(100) > at; })));
    }
    EXPECT_EQ(open.front(), 1);
    EXPECT_TRUE(std::all_of(open.begin(), open.begin() + 3, [](int n) { return n <= 2; }));
    EXPECT_TRUE(std::all_of(open.begin(), open.begin() + 7, [](int n) { return n <= 4; }));
    EXPECT_EQ(c.outside.open_most["a.example"], 10) << "and all that it may have in the end";
    EXPECT_EQ(c.database.ended_as(decision::delivered), 500U);
    EXPECT_LT(c.world.now() - closed_at, minutes(30));
}

TEST_F(circuit_test, idle_webhook_probes_with_what_falls_due) {
    auto const hook = broken("a.example", 20); // all of them tried, none waits
    answer_with("a.example", 200);
    ASSERT_TRUE(run_until_state(hook, circuit_state::half_open));
    EXPECT_LE(c.outside.count("a.example"), 20U);
    auto const id = c.database.publish(node->dispatcher.get(), hook);
    c.world.run_for(milliseconds(20));
    EXPECT_EQ(c.outside.of(id.text()).size(), 1U) << "a new one is the probe";
    EXPECT_EQ(state(hook), circuit_state::closed);
    ASSERT_TRUE(c.run_until_done(seconds(70))) << "and the others come at their time";
}

TEST_F(circuit_test, first_attempts_and_retries_wait_for_an_open_circuit_and_none_is_forgotten) {
    auto const hook = broken("a.example", 25); // their retries fall due in a minute
    c.database.publish_many(node->dispatcher.get(), hook, 25);
    c.world.run_for(minutes(4));
    EXPECT_EQ(c.database.leased(), 0U);
    answer_with("a.example", 200);
    ASSERT_TRUE(c.run_until_done(minutes(40)));
    EXPECT_EQ(c.database.ended_as(decision::delivered), 50U);
}

TEST_F(circuit_test, hundred_thousand_for_a_dead_webhook_touch_no_neighbour) {
    auto const dead = c.add_webhook("dead.example");
    auto const quick = c.add_webhook("quick.example");
    c.outside.script["dead.example"] = [](auto const&) { return scripted_answer{200, {}, hours(1)}; }; // hangs
    c.database.publish_many(node->dispatcher.get(), dead, 1000);
    c.world.run_for(seconds(22));
    EXPECT_EQ(state(dead), circuit_state::open);
    c.database.publish_many(node->dispatcher.get(), dead, 99'000);
    std::uint64_t most = 0;
    for (int i = 0; i < 100; ++i) {
        auto const at = c.world.now();
        c.database.publish(node->dispatcher.get(), quick);
        c.world.run_for(milliseconds(150));
        auto const found = std::find_if(c.outside.seen.rbegin(), c.outside.seen.rend(),
                                        [](auto const& r) { return r.host == "quick.example"; });
        ASSERT_NE(found, c.outside.seen.rend());
        EXPECT_LE(found->at - at, milliseconds(5));
        EXPECT_GE(found->at, at);
        most = std::max(most, node->dispatcher->stats().in_memory);
    }
    EXPECT_LE(most, 20U);
    EXPECT_LE(c.outside.count("dead.example"), 40U);
}

TEST_F(circuit_test, resend_by_hand_does_not_wait_for_its_time) {
    auto const hook = broken("a.example", 20);
    auto const id = c.outside.seen.front().header("X-Klen-Delivery-ID");
    answer_with("a.example", 200);
    c.world.run_for(seconds(1));
    auto const which = std::find_if(c.database.deliveries.begin(), c.database.deliveries.end(),
                                    [&](auto const& d) { return d.first.text() == id; });
    ASSERT_TRUE(c.database.resend(node->dispatcher.get(), which->first));
    node->dispatcher->attempt_asked(hook);
    c.world.run_for(milliseconds(50));
    EXPECT_EQ(c.outside.of(id).size(), 2U);
    EXPECT_EQ(state(hook), circuit_state::closed);
}

TEST_F(circuit_test, resends_by_hand_that_fail_put_off_nothing_that_waits) {
    auto const hook = broken("a.example", 20);
    auto const due = node->dispatcher->circuit_of(hook).open_until;
    auto const id = c.outside.seen.front().header("X-Klen-Delivery-ID");
    auto const which = std::find_if(c.database.deliveries.begin(), c.database.deliveries.end(),
                                    [&](auto const& d) { return d.first.text() == id; });
    for (int i = 0; i < 3; ++i) {
        ASSERT_TRUE(c.database.resend(node->dispatcher.get(), which->first));
        node->dispatcher->attempt_asked(hook);
        c.world.run_for(milliseconds(50));
        EXPECT_EQ(c.outside.of(id).size(), 2U + static_cast<std::size_t>(i));
        EXPECT_EQ(state(hook), circuit_state::open);
        EXPECT_EQ(node->dispatcher->circuit_of(hook).open_until, due);
    }
}

TEST_F(circuit_test, resend_by_hand_is_the_probe_and_nothing_that_waits_is_touched) {
    auto const hook = broken("a.example", 20);
    auto const parked = c.database.publish_many(node->dispatcher.get(), hook, 20); // a backlog
    c.world.run_for(milliseconds(200));
    ASSERT_EQ(c.database.parked(), 20U);
    auto const due = node->dispatcher->circuit_of(hook).open_until;
    std::vector<delivery_id> tried;
    for (auto const& [id, d] : c.database.deliveries)
        if (d.attempts_made == 1)
            tried.push_back(id);
    ASSERT_EQ(tried.size(), 20U);
    std::vector<delivery_id> const asked{tried[3], tried[4], tried[5], parked[7]};
    auto const before = c.database.deliveries;

    ask(hook, {asked[0]}); // one
    c.world.run_for(milliseconds(100));
    EXPECT_EQ(c.outside.of(asked[0].text()).size(), 2U);
    ask(hook, {asked[1], asked[2], asked[3]}); // and several at once
    c.world.run_for(milliseconds(200));
    for (auto const& [id, was] : before) {
        auto const& d = c.database.deliveries.at(id);
        bool const by_hand = std::ranges::count(asked, id) != 0;
        EXPECT_EQ(d.attempts_made, was.attempts_made + (by_hand ? 1 : 0));
        EXPECT_EQ(d.next_attempt, was.next_attempt) << "the schedule is as it was";
        EXPECT_EQ(d.attempts_made - d.schedule_base, was.attempts_made) << "and nothing of it is used up";
        EXPECT_EQ(d.parked, was.parked);
        EXPECT_FALSE(d.manual);
    }
    EXPECT_EQ(state(hook), circuit_state::open);
    EXPECT_EQ(node->dispatcher->circuit_of(hook).open_until, due);
    EXPECT_EQ(node->dispatcher->stats().in_memory, 0U);

    answer_with("a.example", 200);
    ASSERT_TRUE(c.run_until_done(minutes(40)));
}

TEST_F(circuit_test, resend_that_others_carry_out_or_did_costs_nothing_that_waits_an_attempt) {
    auto const hook = broken("a.example", 40);
    c.world.run_for(milliseconds(200));
    auto const due = node->dispatcher->circuit_of(hook).open_until;
    auto const made = attempts();
    for (int i = 0; i < 3; ++i) { // a call that came again, or whose delivery another daemon has fetched
        node->dispatcher->attempt_asked(hook);
        c.world.run_for(milliseconds(100));
        EXPECT_EQ(attempts(), made);
        EXPECT_EQ(state(hook), circuit_state::open);
        EXPECT_EQ(node->dispatcher->circuit_of(hook).open_until, due);
    }
    EXPECT_EQ(c.database.leased(), 0U);
    c.world.run_until(due + milliseconds(100));
    EXPECT_EQ(attempts(), made + 1) << "the probe comes at its time";
}

TEST_F(circuit_test, retry_after_pauses_the_webhook_and_not_only_its_delivery) {
    auto const hook = c.add_webhook("a.example");
    c.outside.script["a.example"] = [](auto const&) { return scripted_answer{429, {}, milliseconds(5), seconds(20)}; };
    c.database.publish(node->dispatcher.get(), hook);
    c.world.run_for(seconds(1));
    EXPECT_EQ(state(hook), circuit_state::open);
    answer_with("a.example", 200);
    c.database.publish_many(node->dispatcher.get(), hook, 5);
    c.world.run_for(seconds(18));
    EXPECT_EQ(c.outside.seen.size(), 1U);
    c.world.run_for(seconds(3));
    EXPECT_EQ(c.outside.seen.size(), 6U);
    EXPECT_EQ(state(hook), circuit_state::closed);
}

TEST_F(circuit_test, disabled_while_open_sends_nothing_and_is_closed_when_enabled) {
    auto const hook = broken("a.example");
    c.database.webhooks.at(hook).enabled = false;
    node->dispatcher->webhook_changed(hook);
    c.world.run_for(seconds(1));
    EXPECT_EQ(state(hook), circuit_state::closed) << "nothing is held back that would be sent";
    auto const before = c.outside.seen.size();
    c.world.run_for(minutes(3));
    EXPECT_EQ(c.outside.seen.size(), before);
    answer_with("a.example", 200);
    c.database.webhooks.at(hook).enabled = true;
    node->dispatcher->webhook_changed(hook);
    ASSERT_TRUE(c.run_until_done(minutes(40)));
    EXPECT_EQ(c.database.ended_as(decision::delivered), 200U);
}

TEST_F(circuit_test, deleted_while_open_cancels_what_waits_at_once) {
    auto const hook = broken("a.example");
    auto const before = c.outside.seen.size();
    c.database.webhooks.at(hook).deleted = true;
    node->dispatcher->webhook_changed(hook);
    c.world.run_for(seconds(3));
    EXPECT_EQ(c.outside.seen.size(), before);
    EXPECT_GE(c.database.ended_as(decision::cancelled), 170U);
    ASSERT_TRUE(c.run_until_done(minutes(2)));
}

TEST_F(circuit_test, another_url_is_tried_at_once_and_other_changes_are_no_reason_to) {
    auto const hook = broken("a.example");
    auto& w = c.database.webhooks.at(hook);
    w.max_concurrency = 5;
    ++w.revision;
    node->dispatcher->webhook_changed(hook);
    c.world.run_for(seconds(1));
    EXPECT_EQ(state(hook), circuit_state::open);
    w.url = "https://b.example/hook";
    ++w.revision;
    node->dispatcher->webhook_changed(hook);
    c.world.run_for(seconds(5));
    EXPECT_EQ(state(hook), circuit_state::closed);
    EXPECT_GE(c.outside.count("b.example"), 170U);
}

TEST_F(circuit_test, shutdown_while_open_gives_everything_back_at_once) {
    broken("a.example");
    auto const began = c.world.now();
    ASSERT_TRUE(c.stop(*node));
    EXPECT_LE(c.world.now() - began, milliseconds(100));
    EXPECT_EQ(c.database.leased(), 0U);
    EXPECT_TRUE(c.database.instances.empty());
}

TEST_F(circuit_test, shutdown_during_a_probe_waits_for_it) {
    auto const hook = broken("a.example");
    answer_with("a.example", 200, seconds(3));
    ASSERT_TRUE(run_until_state(hook, circuit_state::half_open));
    c.world.run_for(seconds(1));
    EXPECT_EQ(c.outside.open["a.example"], 1);
    ASSERT_TRUE(c.stop(*node));
    EXPECT_EQ(c.database.ended_as(decision::delivered), 1U);
    EXPECT_EQ(c.database.leased(), 0U);
}

TEST_F(circuit_test, lease_lost_while_open_or_probing_loses_nothing) {
    auto const hook = broken("a.example");
    node->store->down = true;
    c.world.run_for(seconds(40));
    for (auto const& dead : c.database.sightings()) // as another instance would
        c.database.reap(dead);
    node->store->down = false;
    answer_with("a.example", 200);
    ASSERT_TRUE(c.run_until_done(minutes(40)));
    EXPECT_EQ(c.database.ended_as(decision::delivered), 200U);
    EXPECT_EQ(state(hook), circuit_state::closed);
}

TEST_F(circuit_test, each_daemon_has_its_own_view) {
    auto const hook = broken("a.example");
    auto& second = c.start_node(options_with_circuits());
    EXPECT_EQ(second.dispatcher->circuit_of(hook).state, circuit_state::closed);
    ASSERT_TRUE(c.world.run_until([&] { return second.dispatcher->circuit_of(hook).state == circuit_state::open; },
                                  minutes(2)));
    answer_with("a.example", 200);
    ASSERT_TRUE(c.run_until_done(minutes(40)));
    EXPECT_EQ(c.database.ended_as(decision::delivered), 200U);
}

TEST_F(circuit_test, many_dead_hosts_leave_memory_to_the_others) {
    std::vector<webhook_id> dead;
    for (int i = 0; i < 60; ++i) {
        auto const host = "dead" + std::to_string(i) + ".example";
        dead.push_back(c.add_webhook(host));
        c.outside.script[host] = [](auto const&) { return scripted_answer{200, {}, hours(1)}; };
    }
    auto const quick = c.add_webhook("quick.example");
    for (auto const& id : dead)
        c.database.publish_many(node->dispatcher.get(), id, 150);
    c.world.run_for(seconds(6));
    EXPECT_LE(node->dispatcher->stats().in_memory, 60U * 45U) << "what hangs keeps little: of 150";
    c.world.run_for(seconds(32));
    EXPECT_LE(node->dispatcher->stats().in_memory, 60U) << "a probe each";
    auto const at = c.world.now();
    c.database.publish(node->dispatcher.get(), quick);
    ASSERT_TRUE(c.world.run_until([&] { return c.outside.count("quick.example") == 1; }, seconds(1)));
    EXPECT_LE(c.world.now() - at, milliseconds(10));
}

TEST(host_limit, is_kept_by_all_shards_together_and_used_up) {
    for (std::uint32_t const limit : {1U, 2U, 3U, 7U}) {
        virtual_cluster c;
        auto options = usual_options();
        options.dispatch.host_concurrency_max = limit;
        std::vector<webhook_id> hooks;
        for (int i = 0; i < 40; ++i)
            hooks.push_back(c.add_webhook("shared.example", "hook" + std::to_string(i)));
        c.outside.script["shared.example"] = [](auto const&) { return scripted_answer{200, {}, milliseconds(200)}; };
        auto& node = c.start_node(options, 4);
        for (auto const& id : hooks)
            c.database.publish_many(node.dispatcher.get(), id, 3);
        ASSERT_TRUE(c.run_until_done(minutes(1))) << limit;
        EXPECT_EQ(c.outside.open_most["shared.example"], static_cast<int>(limit));
    }
}

/// Webhooks of a shared host that hang (`answers_first`: after they have worked), and one that works: how long its
/// deliveries took at most.
milliseconds slowest_beside(int hanging, bool answers_first) {
    virtual_cluster c;
    auto options = usual_options();
    options.dispatch.host_concurrency_max = 20;
    std::vector<webhook_id> bad;
    for (int i = 0; i < hanging; ++i)
        bad.push_back(c.add_webhook("shared.example", "bad" + std::to_string(i)));
    auto const good = c.add_webhook("shared.example", "good");
    bool hangs = !answers_first;
    c.outside.script["shared.example"] = [&](auto const& r) {
        return scripted_answer{200, {}, r.path != "/good" && hangs ? hours(1) : milliseconds(20)};
    };
    auto& node = c.start_node(options);
    for (int i = 0; i < 100; ++i) {
        if (i == 50)
            hangs = true;
        for (auto const& id : bad)
            c.database.publish_many(node.dispatcher.get(), id, 2);
        c.world.run_for(milliseconds(20));
    }
    EXPECT_GE(c.outside.open["shared.example"], hanging == 1 ? 9 : 12) << "what hangs does have many places";
    milliseconds slowest{0};
    for (int i = 0; i < 50; ++i) {
        auto const before = c.outside.count("shared.example");
        auto const at = c.world.now();
        c.database.publish(node.dispatcher.get(), good);
        EXPECT_TRUE(c.world.run_until(
            [&] { return c.outside.count("shared.example") > before && c.outside.seen.back().path == "/good"; },
            minutes(1)));
        slowest = std::max(slowest, std::chrono::duration_cast<milliseconds>(c.world.now() - at));
        c.world.run_for(milliseconds(100));
    }
    return slowest;
}

TEST(host_limit, webhooks_that_hang_leave_places_to_the_others_of_their_host) {
    for (int const hanging : {1, 2, 4})
        for (bool const answers_first : {false, true})
            EXPECT_LE(slowest_beside(hanging, answers_first), milliseconds(50)) << hanging << ' ' << answers_first;
}

/// Two webhooks of a host with one place. The first is told to wait, for a minute, while both stand in line for it.
struct host_line : ::testing::Test {
    host_line() {
        auto options = options_with_circuits();
        options.dispatch.host_concurrency_max = 1;
        c.outside.script["shared.example"] = [](auto const& r) {
            return r.path == "/first" ? scripted_answer{429, {}, milliseconds(20), seconds(60)}
                                      : scripted_answer{200, {}, milliseconds(20)};
        };
        node = &c.start_node(options);
        c.database.publish_many(node->dispatcher.get(), first, 3);
        EXPECT_TRUE(c.world.run_until([&] { return c.outside.seen.size() == 1; }, seconds(1)));
        c.database.publish_many(node->dispatcher.get(), second, 3);
    }
    std::size_t second_ones() const { return c.outside.count("shared.example") - 1; }

    virtual_cluster c;
    webhook_id const first = c.add_webhook("shared.example", "first");
    webhook_id const second = c.add_webhook("shared.example", "second");
    virtual_node* node = nullptr;
};

TEST_F(host_line, one_that_has_to_wait_for_a_time_gives_its_turn_to_the_next) {
    EXPECT_TRUE(c.world.run_until([&] { return second_ones() == 3; }, seconds(1)));
}

TEST(slow_start, new_webhook_with_a_backlog_is_tried_with_few_at_once) {
    virtual_cluster c;
    auto const hook = c.add_webhook("a.example");
    c.database.publish_many(nullptr, hook, 300);
    std::vector<int> open;
    c.outside.script["a.example"] = [&](auto const&) {
        open.push_back(c.outside.open["a.example"]);
        return scripted_answer{200, {}, milliseconds(100)};
    };
    auto options = usual_options();
    options.dispatch.slow_start_concurrency = 2;
    c.start_node(options);
    ASSERT_TRUE(c.run_until_done(seconds(30)));
    EXPECT_TRUE(std::all_of(open.begin(), open.begin() + 3, [](int n) { return n <= 2; }));
    EXPECT_TRUE(std::all_of(open.begin(), open.begin() + 7, [](int n) { return n <= 4; }));
    EXPECT_EQ(*std::max_element(open.begin(), open.end()), 10);
}

} // namespace
} // namespace klen::webhooks::testing
