#include "dispatch/host_gate.hpp"
#include "dispatch/lane.hpp"
#include "dispatch/wake_queue.hpp"

#include <gtest/gtest.h>

namespace klen::webhooks::dispatch {
namespace {

/// Lanes without a signer: what is judged here looks at nothing but whether there is a target, and the limit.
std::shared_ptr<delivery_profile> profile(std::uint32_t concurrency, bool allowed = true,
                                          std::optional<std::uint32_t> rate = std::nullopt) {
    std::vector<signing::webhook_signer::live_secret> const secrets{{signing::secret::generate(), {}}};
    std::optional<egress::target> to;
    if (allowed)
        to.emplace();
    return std::make_shared<delivery_profile>(delivery_profile{
        std::move(to), {}, header_template("X-", "u", {}), signing::webhook_signer(secrets), concurrency, rate, 1});
}

class lane_test : public ::testing::Test {
  protected:
    bool offer(lane& l, bool deleted = false, bool manual = false) {
        store::claimed_delivery what;
        what.id = make_id<delivery_id>();
        what.event = std::make_shared<accepted_event>();
        what.webhook_deleted = deleted;
        what.manual = manual;
        leased_delivery d{std::move(what), lease(under, memory->take(1))};
        return l.offer(d);
    }
    lane ready_lane(std::uint32_t queue_max, std::uint32_t concurrency = 2,
                    policy::circuit_policy const& how = no_circuit) const {
        lane l(make_id<webhook_id>(), {queue_max, &how});
        l.begin_load();
        l.loaded(lane_state::ready, profile(concurrency), false);
        return l;
    }
    static void take(lane& l, int count) {
        for (int i = 0; i < count; ++i)
            l.pop();
    }
    static void fail(lane& l, int count) {
        policy::attempt_result failed;
        failed.error = policy::error_class::connect_refused;
        for (int i = 0; i < count; ++i)
            l.ended({l.began({})}, failed, {}, 0);
    }
    static constexpr policy::circuit_policy no_circuit{};
    term_ptr under = std::make_shared<term>(instance_id{1}, boot_time{}, std::chrono::seconds(12));
    std::shared_ptr<budget> memory = std::make_shared<budget>(1000, 1 << 20);
};

TEST_F(lane_test, new_lane_wants_its_webhook_and_starts_nothing) {
    lane l(make_id<webhook_id>(), {4});
    EXPECT_TRUE(l.wants_load());
    EXPECT_TRUE(offer(l));
    EXPECT_FALSE(l.startable());
    l.begin_load();
    EXPECT_FALSE(l.wants_load());
    l.loaded(lane_state::ready, profile(1), false);
    EXPECT_TRUE(l.startable());
}

TEST_F(lane_test, starts_no_more_than_its_limit) {
    auto l = ready_lane(10, 2);
    for (int i = 0; i < 4; ++i)
        offer(l);
    for (int i = 0; i < 2; ++i) {
        ASSERT_TRUE(l.startable());
        l.began({});
        l.pop();
    }
    EXPECT_FALSE(l.startable());
    l.ended({}, {}, {}, 0);
    EXPECT_TRUE(l.startable());
}

TEST_F(lane_test, stays_closed_once_full_until_half_is_free) {
    auto l = ready_lane(4);
    for (int i = 0; i < 3; ++i)
        offer(l);
    EXPECT_FALSE(l.closed());
    offer(l);
    EXPECT_TRUE(l.closed());
    take(l, 1);
    EXPECT_TRUE(l.closed());
    take(l, 1);
    EXPECT_FALSE(l.closed());
}

TEST_F(lane_test, takes_up_to_twice_its_queue_and_then_nothing) {
    auto l = ready_lane(4);
    for (int i = 0; i < 8; ++i)
        EXPECT_TRUE(offer(l));
    EXPECT_FALSE(offer(l));
    EXPECT_EQ(l.queued(), 8U);
    EXPECT_EQ(memory->deliveries(), 8U) << "what was not taken gave its share back";
}

TEST_F(lane_test, wants_parked_work_when_half_is_free_and_is_closed_meanwhile) {
    auto l = ready_lane(10);
    for (int i = 0; i < 6; ++i)
        offer(l);
    l.note_parked();
    EXPECT_FALSE(l.wants_parked());
    EXPECT_TRUE(l.wants_parked(1));
    take(l, 1);
    ASSERT_TRUE(l.wants_parked());
    EXPECT_EQ(l.begin_parked_claim(), 5U);
    EXPECT_FALSE(l.wants_parked());
    EXPECT_TRUE(l.closed());
    EXPECT_EQ(l.room(), 0U);
    l.end_parked_claim(true);
    EXPECT_FALSE(l.has_parked());
    EXPECT_FALSE(l.closed());
}

TEST_F(lane_test, note_of_parked_work_survives_a_claim_that_found_nothing_left) {
    auto l = ready_lane(10);
    l.note_parked();
    l.begin_parked_claim();
    l.note_parked();
    l.end_parked_claim(true);
    EXPECT_TRUE(l.wants_parked());
    l.begin_parked_claim();
    l.end_parked_claim(false);
    EXPECT_TRUE(l.wants_parked()) << "a claim that failed or left something is repeated";
}

TEST_F(lane_test, change_during_a_load_asks_again) {
    auto l = ready_lane(10);
    offer(l);
    l.mark_changed();
    EXPECT_FALSE(l.startable());
    l.begin_load();
    l.mark_changed();
    l.loaded(lane_state::ready, profile(1), false);
    EXPECT_EQ(l.state(), lane_state::loading);
    EXPECT_TRUE(l.wants_load());
    l.begin_load();
    l.loaded(lane_state::ready, profile(1), false);
    EXPECT_TRUE(l.startable());
}

TEST_F(lane_test, disabled_takes_nothing_and_looks_for_parked_work_when_enabled) {
    auto l = ready_lane(10);
    l.mark_changed();
    l.begin_load();
    l.loaded(lane_state::disabled, nullptr, false);
    EXPECT_TRUE(l.closed());
    EXPECT_FALSE(offer(l));
    EXPECT_FALSE(l.has_parked());
    l.mark_changed();
    l.begin_load();
    l.loaded(lane_state::ready, profile(1), false);
    EXPECT_TRUE(l.wants_parked());
}

TEST_F(lane_test, tells_what_needs_no_request) {
    using policy::error_class;
    lane l(make_id<webhook_id>(), {10});
    offer(l, true);
    EXPECT_TRUE(l.startable()) << "even before its webhook was read";
    EXPECT_EQ(l.verdict_without_request(), error_class::webhook_deleted);
    take(l, 1);
    offer(l);
    EXPECT_EQ(l.verdict_without_request(), error_class::none);
    l.begin_load();
    l.loaded(lane_state::ready, profile(1, false), false);
    EXPECT_EQ(l.verdict_without_request(), error_class::url_not_allowed);
    l.mark_changed();
    l.begin_load();
    l.loaded(lane_state::deleted, nullptr, false);
    EXPECT_EQ(l.verdict_without_request(), error_class::webhook_deleted);
}

TEST_F(lane_test, drops_what_is_leased_under_an_ended_term) {
    auto l = ready_lane(10);
    offer(l);
    auto const before = under;
    under = std::make_shared<term>(instance_id{2}, boot_time{}, std::chrono::seconds(12));
    offer(l);
    EXPECT_EQ(before->held(), 1);
    before->end();
    EXPECT_EQ(l.drop_ended(), 1U);
    EXPECT_EQ(before->held(), 0);
    EXPECT_EQ(l.queued(), 1U);
    EXPECT_EQ(l.front().held.under().id().value, 2);
}

TEST_F(lane_test, open_circuit_holds_nothing_and_a_half_open_one_a_probe) {
    policy::circuit_policy how;
    how.failures = 3;
    how.wait = std::chrono::seconds(5);
    how.ramp_end = 32;
    auto l = ready_lane(10, 32, how);
    for (int i = 0; i < 6; ++i)
        offer(l);
    fail(l, 3);
    EXPECT_EQ(l.shed().size(), 6U);
    EXPECT_TRUE(l.has_parked());
    EXPECT_TRUE(l.closed());
    EXPECT_FALSE(offer(l));
    EXPECT_FALSE(l.wants_parked(1));
    EXPECT_FALSE(l.half_open(steady_time(std::chrono::seconds(4))));

    ASSERT_TRUE(l.half_open(steady_time(std::chrono::seconds(5))));
    ASSERT_TRUE(l.wants_parked());
    EXPECT_EQ(l.begin_parked_claim(), 1U);
    EXPECT_TRUE(offer(l));
    l.end_parked_claim(false);
    EXPECT_TRUE(l.startable());
    auto const era = l.began({});
    take(l, 1);
    EXPECT_FALSE(l.wants_parked(1)) << "the probe is under way";
    EXPECT_TRUE(l.closed());
    EXPECT_FALSE(offer(l));

    l.ended({era}, {}, {}, 0);
    EXPECT_EQ(l.circuit().state(), policy::circuit_state::closed);
    EXPECT_TRUE(l.wants_parked());
    EXPECT_EQ(l.begin_parked_claim(), 10U);
    for (int i = 0; i < 3; ++i)
        offer(l);
    l.began({});
    EXPECT_FALSE(l.startable()) << "one at once at first";
}

TEST_F(lane_test, probe_waits_for_what_was_under_way_before) {
    policy::circuit_policy how;
    how.failures = 1;
    how.ramp_end = 32;
    auto l = ready_lane(10, 32, how);
    auto const before = l.began({});
    fail(l, 1);
    ASSERT_TRUE(l.half_open({}));
    l.note_parked();
    EXPECT_FALSE(l.wants_parked(1));
    l.ended({before}, {}, {}, 0);
    EXPECT_EQ(l.circuit().state(), policy::circuit_state::half_open);
    EXPECT_TRUE(l.wants_parked(1));
}

TEST_F(lane_test, open_circuit_makes_way_for_what_was_asked_for_until_none_is_left) {
    policy::circuit_policy how;
    how.failures = 1;
    how.wait = std::chrono::seconds(5);
    how.ramp_end = 32;
    auto l = ready_lane(10, 32, how);
    auto const state = [&] { return l.circuit().state(); };
    policy::attempt_result failed;
    failed.error = policy::error_class::timeout;
    fail(l, 1);
    l.note_parked();
    EXPECT_FALSE(l.judge_asked({})) << "nobody asked";

    l.ask();
    ASSERT_TRUE(l.judge_asked({}));
    EXPECT_TRUE(l.only_asked({}));
    EXPECT_FALSE(l.only_asked(l.circuit().open_until()));
    EXPECT_FALSE(l.judge_asked({})) << "no claim has looked for it yet";
    EXPECT_EQ(l.begin_parked_claim(), 1U);
    EXPECT_FALSE(l.judge_asked({})) << "it may be on its way";
    EXPECT_TRUE(offer(l, false, true));
    l.end_parked_claim(false);
    EXPECT_FALSE(l.judge_asked({}));
    auto const era = l.began({});
    take(l, 1);
    EXPECT_FALSE(l.judge_asked({}));
    l.ended({era, true}, failed, {}, 0);
    EXPECT_EQ(state(), policy::circuit_state::open);

    ASSERT_TRUE(l.judge_asked({})) << "there may be another one";
    EXPECT_EQ(l.begin_parked_claim(), 1U);
    l.end_parked_claim(false);
    ASSERT_TRUE(l.judge_asked({})) << "none came";
    EXPECT_EQ(state(), policy::circuit_state::open);
    EXPECT_FALSE(l.judge_asked({}));
    EXPECT_FALSE(l.wants_parked(1));

    l.ask();
    ASSERT_TRUE(l.judge_asked({}));
    l.begin_parked_claim();
    l.ask(); // later than what the claim may see
    l.end_parked_claim(true);
    EXPECT_FALSE(l.judge_asked({}));
    EXPECT_TRUE(l.only_asked({}));
    EXPECT_TRUE(l.wants_parked(1)) << "so it looks once more";
}

TEST_F(lane_test, limited_rate_holds_two_seconds_requests) {
    auto l = ready_lane(100);
    for (int i = 0; i < 50; ++i)
        offer(l);
    EXPECT_FALSE(l.paced());
    l.mark_changed();
    l.begin_load();
    l.loaded(lane_state::ready, profile(2, true, 5), false);
    EXPECT_TRUE(l.paced());
    EXPECT_EQ(l.shed().size(), 40U);
    EXPECT_EQ(l.queued(), 10U);
    EXPECT_TRUE(l.closed());
    take(l, 5);
    EXPECT_TRUE(l.wants_parked());
    EXPECT_EQ(l.room(), 5U);
}

TEST_F(lane_test, what_answers_nothing_holds_little_until_it_does) {
    auto l = ready_lane(100, 2);
    for (int i = 0; i < 50; ++i)
        offer(l);
    auto const era = l.began({});
    l.judge_progress(false);
    EXPECT_EQ(l.shed().size(), 46U) << "two for each that may be under way";
    policy::attempt_result answer;
    answer.status = 200;
    for (auto const room : {4U, 12U, 28U}) {
        l.ended({era}, answer, {}, 0);
        l.began({});
        l.judge_progress(false);
        EXPECT_EQ(l.room(), room);
    }
}

TEST_F(lane_test, what_answers_nothing_holds_hardly_any_where_memory_is_scarce) {
    auto l = ready_lane(100, 2);
    for (int i = 0; i < 50; ++i)
        offer(l);
    l.began({});
    l.judge_progress(true);
    EXPECT_EQ(l.shed().size(), 49U);
    EXPECT_EQ(l.queued(), 1U);
}

TEST_F(lane_test, a_newcomer_that_answers_nothing_holds_two_for_each_that_it_may_have_under_way) {
    policy::circuit_policy how;
    how.slow_start = 4;
    how.ramp_end = 32;
    auto l = ready_lane(100, 32, how);
    for (int i = 0; i < 50; ++i)
        offer(l);
    l.began({});
    l.judge_progress(false);
    EXPECT_EQ(l.shed().size(), 42U);
    EXPECT_EQ(l.queued(), 8U);
}

TEST_F(lane_test, circuit_is_the_urls_own) {
    policy::circuit_policy how;
    how.failures = 1;
    how.wait = std::chrono::seconds(5);
    auto l = ready_lane(10, 2, how);
    fail(l, 1);
    auto const load = [&l](std::string const& url) {
        auto next = profile(1);
        next->to->url = url;
        l.mark_changed();
        l.begin_load();
        l.loaded(lane_state::ready, std::move(next), false);
    };
    load("");
    EXPECT_EQ(l.circuit().state(), policy::circuit_state::open);
    load("https://b.example/");
    EXPECT_EQ(l.circuit().state(), policy::circuit_state::closed);
}

TEST(wake_queue, gives_out_what_is_due_in_order) {
    wake_queue<int> q;
    auto const at = [](int s) { return steady_time(std::chrono::seconds(s)); };
    EXPECT_FALSE(q.next());
    for (int const s : {3, 1, 2})
        q.add(at(s), std::make_shared<int>(s));
    EXPECT_EQ(q.next(), at(1));
    EXPECT_FALSE(q.take_due(at(0)));
    EXPECT_EQ(*q.take_due(at(2))->second, 1);
    EXPECT_EQ(*q.take_due(at(2))->second, 2);
    EXPECT_FALSE(q.take_due(at(2)));
    EXPECT_EQ(q.size(), 1U);
}

/// Somebody at a host.
struct guest {
    std::uint32_t inside = 0;
    bool may_take(std::uint32_t free) const { return inside == 0 || free > 0; }
};

TEST(host_gate, an_eighth_is_for_those_that_have_no_place) {
    host_gate<guest> gate(16);
    auto const greedy = std::make_shared<guest>();
    auto const other = std::make_shared<guest>();
    while (gate.try_enter("h", *greedy))
        ++greedy->inside;
    EXPECT_EQ(greedy->inside, 14U);
    gate.wait("h", greedy);
    for (; other->inside == 0; ++other->inside)
        EXPECT_TRUE(gate.try_enter("h", *other));
    EXPECT_FALSE(gate.try_enter("h", *other)) << "has one now";
    EXPECT_TRUE(gate.try_enter("h", guest{}));
    EXPECT_FALSE(gate.try_enter("h", guest{})) << "all sixteen are taken";
}

TEST(host_gate, whoever_may_not_enter_yet_keeps_its_place_in_line_and_nobody_waiting) {
    host_gate<guest> gate(4);
    auto const greedy = std::make_shared<guest>(guest{3});
    auto const newcomer = std::make_shared<guest>();
    for (int i = 0; i < 3; ++i)
        EXPECT_TRUE(gate.try_enter("h", *greedy));
    EXPECT_TRUE(gate.try_enter("h", guest{}));
    gate.wait("h", greedy);
    gate.wait("h", newcomer);
    EXPECT_EQ(gate.leave("h"), newcomer) << "passes greedy by";
    EXPECT_EQ(gate.pass("h"), nullptr) << "one place is free, which is not for greedy";
    EXPECT_EQ(gate.leave("h"), greedy);
}

TEST(host_gate, an_empty_host_lets_everybody_in) {
    struct never {
        bool may_take(std::uint32_t /*free*/) const { return false; }
    };
    host_gate<never> gate(2);
    EXPECT_TRUE(gate.try_enter("h", never{}));
    EXPECT_FALSE(gate.try_enter("h", never{}));
}

TEST(host_gate, a_host_with_few_places_keeps_none) {
    host_gate<guest> gate(3);
    for (int i = 0; i < 3; ++i)
        EXPECT_TRUE(gate.try_enter("h", guest{1}));
}

TEST(host_gate, turns_go_round_and_are_never_lost) {
    host_gate<guest> gate(1);
    auto const a = std::make_shared<guest>();
    auto const b = std::make_shared<guest>();
    EXPECT_TRUE(gate.try_enter("h", *a));
    EXPECT_FALSE(gate.try_enter("h", *a));
    EXPECT_TRUE(gate.try_enter("other", *a));
    gate.wait("h", a);
    gate.wait("h", b);
    EXPECT_EQ(gate.leave("h"), a);
    EXPECT_EQ(gate.pass("h"), b) << "a did not want it any more";
    EXPECT_TRUE(gate.try_enter("h", *b));
    EXPECT_EQ(gate.pass("h"), nullptr);
    EXPECT_EQ(gate.leave("h"), nullptr);
    gate.leave("other");
    EXPECT_EQ(gate.hosts(), 0U);
}

TEST(term, is_fresh_for_as_long_as_its_lease_is_safe) {
    term t(instance_id{1}, boot_time(std::chrono::seconds(100)), std::chrono::seconds(12));
    EXPECT_TRUE(t.fresh(boot_time(std::chrono::milliseconds(111'999))));
    EXPECT_FALSE(t.fresh(boot_time(std::chrono::seconds(112))));
    t.renewed(boot_time(std::chrono::seconds(110)));
    EXPECT_TRUE(t.fresh(boot_time(std::chrono::seconds(112))));
    t.end();
    EXPECT_FALSE(t.fresh(boot_time(std::chrono::seconds(112))));
}

TEST(budget, claims_and_grant_together_never_exceed_the_whole) {
    auto const b = std::make_shared<budget>(100, 1 << 20);
    EXPECT_EQ(b->claim_room(1000), 75U);
    EXPECT_EQ(b->grant_room(), 25U);
    budget::reservation const claiming(b, 75);
    EXPECT_EQ(b->claim_room(1000), 0U);
    EXPECT_EQ(b->grant_room(), 25U);
    std::vector<budget::charge> held;
    for (int i = 0; i < 20; ++i)
        held.push_back(b->take(100));
    EXPECT_EQ(b->grant_room(), 5U);
    held.clear();
    EXPECT_EQ(b->grant_room(), 25U);
    EXPECT_EQ(b->bytes(), 0U);
}

} // namespace
} // namespace klen::webhooks::dispatch
