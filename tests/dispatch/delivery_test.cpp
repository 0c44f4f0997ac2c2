#include "dispatch/virtual_node.hpp"

#include "klen/webhooks/signing/signer.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <map>
#include <random>
#include <string>
#include <vector>

namespace klen::webhooks::testing {
namespace {

using policy::decision;
using std::chrono::minutes;

scripted_answer answer(int status) { return {status, {}, milliseconds(5)}; }
scripted_answer hang() { return {200, {}, hours(1)}; }

seconds since(steady_time from, steady_time to) { return std::chrono::round<seconds>(to - from); }

TEST(delivery, success_is_sent_and_recorded_once) {
    virtual_cluster c;
    auto const hook = c.add_webhook("a.example");
    auto& node = c.start_node();
    auto const id = c.database.publish(node.dispatcher.get(), hook, R"({"event_type":"call.ended"})");

    ASSERT_TRUE(c.run_until_done(seconds(1)));
    c.world.run_for(hours(1));
    auto const& d = c.database.deliveries.at(id);
    ASSERT_EQ(d.attempts.size(), 1U);
    EXPECT_EQ(d.ended_as(), decision::delivered);
    ASSERT_EQ(c.outside.seen.size(), 1U);
    auto const& r = c.outside.seen.front();
    EXPECT_EQ(r.body, R"({"event_type":"call.ended"})");
    EXPECT_EQ(r.header("X-Klen-Delivery-ID"), id.text());
    EXPECT_EQ(r.header("webhook-id"), id.text());
    EXPECT_EQ(r.header("X-Klen-Attempt"), "1");
    EXPECT_EQ(node.dispatcher->stats().delivered, 1U);
    EXPECT_EQ(node.dispatcher->stats().in_memory, 0U);
    EXPECT_EQ(node.dispatcher->stats().bytes_in_memory, 0U);
    EXPECT_EQ(node.dispatcher->stats().unrecorded, 0U);
}

TEST(delivery, outcomes_that_come_one_after_the_other_are_recorded_together) {
    virtual_cluster c;
    auto const hook = c.add_webhook("a.example");
    auto& node = c.start_node();
    c.database.publish(node.dispatcher.get(), hook);
    ASSERT_TRUE(c.world.run_until([&] { return node.dispatcher->stats().delivered == 1; }, milliseconds(100)));
    for (int i = 0; i < 100; ++i) {
        c.database.publish(node.dispatcher.get(), hook);
        c.world.run_for(milliseconds(1));
    }
    EXPECT_TRUE(c.world.run_until([&] { return node.dispatcher->stats().delivered == 101; }, seconds(1)));
    EXPECT_LE(node.store->calls[call::record], 30);
    EXPECT_GE(node.store->calls[call::record], 15) << "none waits for long";
}

TEST(delivery, failure_is_retried_after_1_5_and_30_minutes_and_then_failed) {
    virtual_cluster c;
    auto const hook = c.add_webhook("a.example");
    c.outside.script["a.example"] = [](auto const&) { return answer(500); };
    auto& node = c.start_node();
    auto const id = c.database.publish(node.dispatcher.get(), hook);

    ASSERT_TRUE(c.run_until_done(hours(1)));
    c.world.run_for(hours(2));
    auto const seen = c.outside.of(id.text());
    ASSERT_EQ(seen.size(), 4U);
    EXPECT_EQ(since(seen[0].at, seen[1].at), seconds(60));
    EXPECT_EQ(since(seen[1].at, seen[2].at), seconds(300));
    EXPECT_EQ(since(seen[2].at, seen[3].at), seconds(1800));
    for (int i = 0; i < 4; ++i) {
        EXPECT_EQ(seen[static_cast<std::size_t>(i)].header("X-Klen-Attempt"), std::to_string(i + 1));
        EXPECT_EQ(seen[static_cast<std::size_t>(i)].body, seen[0].body);
    }
    EXPECT_EQ(c.database.deliveries.at(id).ended_as(), decision::failed);
    EXPECT_EQ(node.dispatcher->stats().deliveries_failed, 1U);
    EXPECT_EQ(node.dispatcher->stats().attempts_failed, 4U);
}

TEST(delivery, retry_starts_within_a_second_of_its_due_time) {
    virtual_cluster c;
    auto const hook = c.add_webhook("a.example");
    c.outside.script["a.example"] = [](seen_request const& r) {
        return answer(r.header("X-Klen-Attempt") == "1" ? 503 : 200);
    };
    auto& node = c.start_node();
    std::vector<delivery_id> ids;
    for (int i = 0; i < 50; ++i) {
        ids.push_back(c.database.publish(node.dispatcher.get(), hook));
        c.world.run_for(milliseconds(37));
    }
    ASSERT_TRUE(c.run_until_done(seconds(70)));
    for (auto const& id : ids) {
        auto const& d = c.database.deliveries.at(id);
        auto const late = c.outside.of(id.text())[1].at - d.attempts[0].at - seconds(60);
        EXPECT_LT(late, milliseconds(300));
    }
}

TEST(delivery, jitter_spreads_the_retries_of_an_outage) {
    std::mt19937 seeded(1);
    virtual_cluster c;
    c.chance = [&] { return std::uniform_real_distribution<>()(seeded); };
    auto const hook = c.add_webhook("a.example");
    c.outside.script["a.example"] = [](auto const&) { return answer(500); };
    auto options = usual_options();
    options.delivery.retry_jitter_percent = 20;
    auto& node = c.start_node(options);
    auto const ids = c.database.publish_many(node.dispatcher.get(), hook, 1000);
    c.world.run_for(seconds(50));
    std::map<seconds, int> due; // after so long
    for (auto const& id : ids) {
        auto const& d = c.database.deliveries.at(id);
        ASSERT_EQ(d.attempts.size(), 1U);
        ++due[std::chrono::floor<seconds>(d.next_attempt - d.attempts[0].at)];
    }
    EXPECT_GE(due.begin()->first, seconds(59)) << "counted from the attempt's end, a moment before its record";
    EXPECT_LT(due.rbegin()->first, seconds(72));
    for (int wait = 60; wait < 71; ++wait)
        EXPECT_NEAR(due[seconds(wait)], 1000 / 12.0, 40) << wait;
}

TEST(delivery, idle_dispatcher_asks_once_per_poll_interval) {
    virtual_cluster c;
    auto const hook = c.add_webhook("a.example");
    c.outside.script["a.example"] = [](auto const&) { return answer(500); };
    auto& node = c.start_node();
    c.database.publish(node.dispatcher.get(), hook);
    c.world.run_for(seconds(5));
    auto& calls = node.store->calls;
    calls.clear();
    c.world.run_for(seconds(50));
    EXPECT_LE(calls[call::claim_due], 50);
    EXPECT_GE(calls[call::claim_due], 49);
    EXPECT_EQ(calls[call::claim_parked], 0);
    EXPECT_EQ(calls[call::load], 0);
    EXPECT_LE(calls[call::parked_webhooks], 11);
    EXPECT_LE(calls[call::heartbeat], 26);
}

TEST(delivery, hanging_webhook_delays_only_itself) {
    virtual_cluster c;
    auto const slow = c.add_webhook("slow.example");
    auto const quick = c.add_webhook("quick.example");
    c.outside.script["slow.example"] = [](auto const&) { return hang(); };
    auto& node = c.start_node();
    c.database.publish_many(node.dispatcher.get(), slow, 500);
    auto const before = c.world.now();
    auto const ids = c.database.publish_many(node.dispatcher.get(), quick, 50);
    c.world.run_for(seconds(1));
    EXPECT_EQ(c.outside.count("quick.example"), 50U);
    for (auto const& r : c.outside.seen)
        if (r.host == "quick.example") {
            EXPECT_LT(r.at - before, milliseconds(200));
        }
    EXPECT_EQ(c.outside.open_most["slow.example"], 10);
}

TEST(delivery, webhook_and_host_limits_hold_and_lanes_take_turns) {
    virtual_cluster c;
    auto options = usual_options();
    options.dispatch.host_concurrency_max = 12;
    std::vector<webhook_id> hooks;
    for (int i = 0; i < 4; ++i)
        hooks.push_back(c.add_webhook("shared.example", "hook" + std::to_string(i)));
    c.database.webhooks.at(hooks[3]).max_concurrency = 1;
    c.outside.script["shared.example"] = [](auto const&) { return scripted_answer{200, {}, milliseconds(100)}; };
    auto& node = c.start_node(options);
    for (auto const& hook : hooks)
        c.database.publish_many(node.dispatcher.get(), hook, 60);
    c.world.run_for(milliseconds(950));
    std::map<std::string, int> shares;
    for (auto const& r : c.outside.seen)
        ++shares[r.path];
    ASSERT_TRUE(c.run_until_done(seconds(60)));
    EXPECT_LE(c.outside.open_most["shared.example"], 12);
    EXPECT_GE(c.outside.open_most["shared.example"], 10) << "two places are kept for those that have none";
    EXPECT_EQ(c.outside.open_by_path_most["/hook3"], 1);
    EXPECT_GE(c.outside.open_by_path_most["/hook0"], 4);
    EXPECT_LE(c.outside.open_by_path_most["/hook0"], 10);
    // Three lanes that want more than there is get alike shares.
    for (auto const* path : {"/hook0", "/hook1", "/hook2"})
        EXPECT_GE(shares[path], 20) << path;
    EXPECT_EQ(c.database.ended_as(decision::delivered), 240U);
}

TEST(delivery, what_a_lane_cannot_take_is_parked_and_fetched_later) {
    virtual_cluster c;
    auto const hook = c.add_webhook("a.example");
    c.outside.script["a.example"] = [](auto const&) { return scripted_answer{200, {}, milliseconds(50)}; };
    auto& node = c.start_node();
    for (int i = 0; i < 2000; ++i) {
        c.database.publish(node.dispatcher.get(), hook);
        if (i % 10 == 0)
            c.world.settle();
    }
    EXPECT_GT(c.database.parked(), 1700U);
    ASSERT_TRUE(c.run_until_done(seconds(60)));
    EXPECT_EQ(c.database.ended_as(decision::delivered), 2000U);
    EXPECT_EQ(c.outside.seen.size(), 2000U);
    // Fetched in big steps, not one by one.
    EXPECT_LT(node.store->calls[call::claim_parked], 2000 / 50 + 20);
}

TEST(delivery, backlog_of_a_full_lane_is_parked_quickly_and_others_are_not_held_up) {
    virtual_cluster c;
    auto const slow = c.add_webhook("slow.example");
    auto const quick = c.add_webhook("quick.example");
    c.outside.script["slow.example"] = [](auto const&) { return hang(); };
    auto& node = c.start_node();
    c.database.publish_many(nullptr, slow, 20'000);
    auto const id = c.database.publish(nullptr, quick);
    EXPECT_TRUE(c.world.run_until([&] { return c.database.deliveries.at(id).finished; }, seconds(3)));
    c.world.run_for(seconds(3));
    EXPECT_GT(c.database.parked(), 19'500U);
    EXPECT_LE(node.dispatcher->stats().in_memory, 210U);
}

TEST(delivery, only_its_own_accounts_publishers_are_told_of_a_full_lane) {
    virtual_cluster c;
    auto const slow = c.add_webhook("slow.example");
    c.outside.script["slow.example"] = [](auto const&) { return hang(); };
    auto& node = c.start_node();
    c.database.publish_many(nullptr, slow, 1000);
    c.world.run_for(seconds(3));
    std::vector<std::string_view> const acme{"acme"}, both{"acme", "other"}, other{"other"};
    EXPECT_EQ(node.dispatcher->current_grant(acme).full, std::vector{slow});
    EXPECT_EQ(node.dispatcher->current_grant(both).full, std::vector{slow});
    EXPECT_EQ(node.dispatcher->current_grant(other).full, std::vector<webhook_id>{});
}

TEST(delivery, a_crowd_that_hangs_leaves_memory_for_those_that_answer) {
    virtual_cluster c;
    auto options = usual_options();
    options.dispatch.deliveries_in_memory_max = 2000;
    options.dispatch.slow_start_concurrency = 4;
    std::vector<webhook_id> hung;
    for (int i = 0; i < 80; ++i) {
        auto const host = "h" + std::to_string(i) + ".example";
        hung.push_back(c.add_webhook(host));
        c.outside.script[host] = [](auto const&) { return hang(); };
    }
    auto const quick = c.add_webhook("quick.example");
    auto& node = c.start_node(options);
    std::chrono::nanoseconds slowest{0};
    for (int round = 0; round < 30; ++round) {
        for (auto const hook : hung)
            c.database.publish_many(node.dispatcher.get(), hook, 2);
        auto const id = c.database.publish(node.dispatcher.get(), quick);
        auto const at = c.world.now();
        EXPECT_TRUE(c.world.run_until([&] { return c.database.deliveries.at(id).finished; }, seconds(20)));
        slowest = std::max<std::chrono::nanoseconds>(slowest, c.world.now() - at);
        c.world.run_for(milliseconds(500));
    }
    EXPECT_LT(slowest, milliseconds(100));
}

TEST(delivery, memory_stays_within_its_bounds_whatever_is_due) {
    virtual_cluster c;
    auto options = usual_options();
    options.dispatch.deliveries_in_memory_max = 200;
    std::vector<webhook_id> hooks;
    for (int i = 0; i < 10; ++i) {
        hooks.push_back(c.add_webhook("h" + std::to_string(i) + ".example"));
        c.outside.script["h" + std::to_string(i) + ".example"] = [](auto const&) {
            return scripted_answer{200, {}, milliseconds(20)};
        };
        c.database.publish_many(nullptr, hooks.back(), 300);
    }
    auto& node = c.start_node(options);
    std::uint64_t most = 0;
    auto const done = c.world.run_until(
        [&] {
            most = std::max(most, node.dispatcher->stats().in_memory);
            return c.database.unfinished() == 0;
        },
        seconds(60));
    EXPECT_TRUE(done);
    EXPECT_LE(most, 200U);
    EXPECT_GT(most, 100U);
    EXPECT_EQ(c.outside.seen.size(), 3000U);
}

TEST(delivery, a_herd_leaves_publishers_their_time) {
    auto const sent_in_five_seconds = [](std::uint32_t percent, milliseconds publishers_wait) {
        virtual_cluster c;
        auto options = usual_options();
        options.dispatch.claims_slow_publishing_percent = percent;
        options.dispatch.claim_batch_max = 500;
        std::vector<webhook_id> hooks;
        for (int i = 0; i < 100; ++i)
            hooks.push_back(c.add_webhook("h" + std::to_string(i) + ".example"));
        auto& node = c.start_node(options);
        auto const publish_for = [&](milliseconds time, milliseconds wait) {
            for (auto const end = c.world.now() + time; c.world.now() < end; c.world.run_for(milliseconds(10)))
                node.dispatcher->publishers_waited(wait);
        };
        publish_for(seconds(2), milliseconds(4));
        for (auto const hook : hooks)
            c.database.publish_many(nullptr, hook, 200);
        publish_for(seconds(5), publishers_wait);
        return c.outside.seen.size();
    };
    EXPECT_EQ(sent_in_five_seconds(100, milliseconds(5)), 20'000U) << "nobody notices it";
    auto const slow = sent_in_five_seconds(100, milliseconds(30));
    EXPECT_LT(slow, 4'000U);
    EXPECT_GT(slow, 2'000U) << "it goes on";
    EXPECT_EQ(sent_in_five_seconds(0, milliseconds(30)), 20'000U) << "by configuration";
}

TEST(delivery, bytes_in_memory_stay_near_their_bound) {
    virtual_cluster c;
    auto options = usual_options();
    options.dispatch.bytes_in_memory_max = 1'000'000;
    options.dispatch.claim_batch_max = 20;
    auto const hook = c.add_webhook("a.example");
    for (int i = 0; i < 300; ++i)
        c.database.publish(nullptr, hook, std::string(50'000, 'x'));
    auto& node = c.start_node(options);
    std::uint64_t most = 0;
    auto const done = c.world.run_until(
        [&] {
            most = std::max(most, node.dispatcher->stats().bytes_in_memory);
            return c.database.unfinished() == 0;
        },
        seconds(60));
    EXPECT_TRUE(done);
    // Sizes are learned, so the first claims may bring more than meant: at most a few batches.
    EXPECT_LE(most, 1'000'000U + 20U * 50'000U);
}

TEST(delivery, new_requests_stop_when_too_many_outcomes_wait) {
    virtual_cluster c;
    auto options = usual_options();
    options.dispatch.unrecorded_outcomes_max = 30;
    auto const hook = c.add_webhook("a.example");
    auto& node = c.start_node(options);
    node.store->decide = [](call which) { return which == call::record ? fate::lost_before : fate::done; };
    c.database.publish_many(node.dispatcher.get(), hook, 80);
    c.world.run_for(seconds(20));
    EXPECT_EQ(c.outside.seen.size(), 30U);
    EXPECT_EQ(node.dispatcher->stats().unrecorded, 30U);
    node.store->decide = nullptr;
    ASSERT_TRUE(c.run_until_done(seconds(10)));
    EXPECT_EQ(c.outside.seen.size(), 80U);
}

TEST(delivery, failure_of_this_machine_uses_up_no_attempt) {
    virtual_cluster c;
    auto const hook = c.add_webhook("a.example");
    bool broken = true;
    c.outside.script["a.example"] = [&](auto const&) {
        return broken ? scripted_answer{0, policy::error_class::local_failure, milliseconds(1)} : answer(200);
    };
    auto& node = c.start_node();
    auto const id = c.database.publish(node.dispatcher.get(), hook);
    c.world.run_for(seconds(60));
    EXPECT_TRUE(c.database.deliveries.at(id).attempts.empty());
    auto const tries = c.outside.seen.size();
    EXPECT_GE(tries, 4U);
    EXPECT_LE(tries, 13U);
    broken = false;
    ASSERT_TRUE(c.run_until_done(seconds(15)));
    ASSERT_EQ(c.database.deliveries.at(id).attempts.size(), 1U);
    EXPECT_EQ(c.outside.seen.back().header("X-Klen-Attempt"), "1");
}

TEST(delivery, deleted_webhooks_deliveries_are_cancelled_without_a_request) {
    virtual_cluster c;
    auto const hook = c.add_webhook("a.example");
    c.outside.script["a.example"] = [](auto const&) { return answer(500); };
    auto& node = c.start_node();
    auto const id = c.database.publish(node.dispatcher.get(), hook);
    c.world.run_for(seconds(5));
    c.database.webhooks.at(hook).deleted = true;
    node.dispatcher->webhook_changed(hook);
    ASSERT_TRUE(c.run_until_done(seconds(70)));
    auto const& d = c.database.deliveries.at(id);
    EXPECT_EQ(d.ended_as(), decision::cancelled);
    EXPECT_EQ(d.attempts.back().error, policy::error_class::webhook_deleted);
    EXPECT_EQ(d.attempts.back().attempt, 2);
    EXPECT_EQ(c.outside.seen.size(), 1U);
}

TEST(delivery, expired_event_is_cancelled_without_a_request) {
    virtual_cluster c;
    auto const hook = c.add_webhook("a.example");
    auto const id = c.database.publish(nullptr, hook);
    c.database.deliveries.at(id).event_gone = true;
    c.start_node();
    ASSERT_TRUE(c.run_until_done(seconds(5)));
    EXPECT_EQ(c.database.deliveries.at(id).attempts.back().error, policy::error_class::event_expired);
    EXPECT_EQ(c.database.deliveries.at(id).ended_as(), decision::cancelled);
    EXPECT_TRUE(c.outside.seen.empty());
}

TEST(delivery, gone_disables_the_webhook_and_its_deliveries_wait_until_it_is_enabled) {
    virtual_cluster c;
    auto const hook = c.add_webhook("a.example");
    c.database.webhooks.at(hook).max_concurrency = 1;
    int status = 410;
    c.outside.script["a.example"] = [&](auto const&) { return answer(status); };
    auto& node = c.start_node();
    c.database.publish_many(node.dispatcher.get(), hook, 40);
    c.world.run_for(hours(2));
    EXPECT_FALSE(c.database.webhooks.at(hook).enabled);
    EXPECT_EQ(c.database.unfinished(), 40U);
    EXPECT_EQ(c.database.parked(), 40U);
    auto const sent = c.outside.seen.size();
    EXPECT_LT(sent, 10U);

    status = 200;
    c.database.webhooks.at(hook).enabled = true;
    node.dispatcher->webhook_changed(hook);
    ASSERT_TRUE(c.run_until_done(seconds(5)));
    EXPECT_EQ(c.outside.seen.size(), sent + 40);
}

TEST(delivery, url_that_is_refused_now_fails_attempt_by_attempt) {
    virtual_cluster c;
    auto const hook = c.add_webhook("a.example");
    c.database.webhooks.at(hook).url = "http://a.example/hook"; // plain http is not allowed
    auto& node = c.start_node();
    auto const id = c.database.publish(node.dispatcher.get(), hook);
    ASSERT_TRUE(c.run_until_done(hours(1)));
    auto const& d = c.database.deliveries.at(id);
    EXPECT_EQ(d.ended_as(), decision::failed);
    EXPECT_EQ(d.attempts.size(), 4U);
    EXPECT_EQ(d.attempts[0].error, policy::error_class::url_not_allowed);
    EXPECT_TRUE(c.outside.seen.empty());
}

TEST(delivery, unreadable_secret_parks_the_deliveries_until_it_is_mended) {
    virtual_cluster c;
    auto const hook = c.add_webhook("a.example");
    c.database.webhooks.at(hook).secrets[0].sealed.back() ^= 1;
    auto& node = c.start_node();
    c.database.publish_many(node.dispatcher.get(), hook, 10);
    c.world.run_for(seconds(30));
    EXPECT_EQ(node.dispatcher->stats().unusable_lanes, 1U);
    c.world.run_for(minutes(10));
    EXPECT_EQ(c.database.parked(), 10U);
    EXPECT_TRUE(c.database.webhooks.at(hook).enabled);
    EXPECT_TRUE(c.outside.seen.empty());
    EXPECT_LE(node.store->calls[call::claim_parked], 1);
    c.set_secrets(hook, {signing::secret::generate()});
    node.dispatcher->webhook_changed(hook);
    EXPECT_TRUE(c.run_until_done(seconds(5)));
}

TEST(delivery, new_secret_signs_from_the_next_attempt_on) {
    virtual_cluster c;
    auto const hook = c.add_webhook("a.example");
    auto const first = signing::secret::generate();
    auto const second = signing::secret::generate();
    c.set_secrets(hook, {first});
    c.outside.script["a.example"] = [](auto const&) { return answer(500); };
    auto& node = c.start_node();
    auto const id = c.database.publish(node.dispatcher.get(), hook);
    c.world.run_for(seconds(30));
    c.set_secrets(hook, {second, first});
    node.dispatcher->webhook_changed(hook);
    c.world.run_for(seconds(60));
    auto const seen = c.outside.of(id.text());
    ASSERT_EQ(seen.size(), 2U);
    EXPECT_TRUE(signing::verify_klen(first, seen[0].header("X-Klen-Signature"), seen[0].body));
    EXPECT_FALSE(signing::verify_klen(first, seen[1].header("X-Klen-Signature"), seen[1].body));
    EXPECT_TRUE(signing::verify_klen(second, seen[1].header("X-Klen-Signature"), seen[1].body));
    for (auto const& s : {first, second})
        EXPECT_TRUE(
            signing::verify_standard_webhooks(s, seen[1].header("webhook-id"), seen[1].header("webhook-timestamp"),
                                              seen[1].header("webhook-signature"), seen[1].body, c.world.wall()));
}

TEST(delivery, changed_lane_begins_nothing_before_it_has_read_its_webhook) {
    virtual_cluster c;
    auto const hook = c.add_webhook("old.example");
    auto& node = c.start_node();
    c.database.publish(node.dispatcher.get(), hook);
    c.world.run_for(seconds(1));
    ASSERT_EQ(c.outside.count("old.example"), 1U);
    c.database.webhooks.at(hook).url = "https://new.example/hook";
    node.dispatcher->webhook_changed(hook);
    node.store->decide = [](call which) { return which == call::load ? fate::lost_before : fate::done; };
    c.database.publish_many(node.dispatcher.get(), hook, 5);
    c.world.run_for(seconds(5));
    EXPECT_EQ(c.outside.seen.size(), 1U);
    node.store->decide = nullptr;
    ASSERT_TRUE(c.run_until_done(seconds(5)));
    EXPECT_EQ(c.outside.count("new.example"), 5U);
}

TEST(delivery, several_shards_deliver_everything_once) {
    virtual_cluster c;
    std::vector<webhook_id> hooks;
    for (int i = 0; i < 40; ++i)
        hooks.push_back(c.add_webhook("h" + std::to_string(i) + ".example"));
    auto& node = c.start_node(usual_options(), 4);
    for (int round = 0; round < 20; ++round)
        for (auto const& hook : hooks)
            c.database.publish(node.dispatcher.get(), hook);
    ASSERT_TRUE(c.run_until_done(seconds(30)));
    c.world.run_for(seconds(1)); // the last answers arrive
    EXPECT_EQ(c.outside.seen.size(), 800U);
    EXPECT_EQ(node.dispatcher->stats().delivered, 800U);
    c.world.run_for(minutes(3));
    EXPECT_EQ(node.dispatcher->stats().lanes, 0U) << "idle lanes are forgotten";
}

} // namespace
} // namespace klen::webhooks::testing
