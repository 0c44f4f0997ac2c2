#include "store/api_store_fixture.hpp"
#include "store/unix_proxy.hpp"

namespace klen::webhooks::store {
namespace {

using namespace test;

class idempotent_store_calls : public api_store_fixture {
  protected:
    static idempotent_call call_of(std::uint8_t request = 1, std::string scope = "account a POST /webhooks") {
        idempotent_call out;
        out.scope = std::move(scope);
        out.idempotency_key = "key \"'\\ 1";
        out.request_hash.fill(request);
        out.resource_id = make_uuid_v7();
        return out;
    }
    result<idempotent_begin> begin(idempotent_call call) { return run(api->begin_idempotent(std::move(call))); }
    /// The id under which to carry it out; nil when it is not to be carried out.
    uuid taken(idempotent_call call) {
        auto const got = begin(std::move(call));
        return got && std::holds_alternative<uuid>(*got) ? std::get<uuid>(*got) : uuid();
    }
    static bool is_under_way(result<idempotent_begin> const& got) {
        return got && std::holds_alternative<call_under_way>(*got);
    }
    void finish(idempotent_call const& call, uuid resource, int status = 201, std::uint8_t body = 5) {
        idempotent_answer answer{status, {0, body, 255}, "k1", resource};
        ASSERT_TRUE(run(api->finish_idempotent(call, std::move(answer))));
    }
    void forget(idempotent_call const& call) { ASSERT_TRUE(run(api->forget_idempotent(call))); }
    void let_pass(std::string const& time) {
        db.query("UPDATE idempotent_calls SET begun_at = begun_at - interval '" + time + "'");
    }
};

TEST_F(idempotent_store_calls, the_first_call_is_taken_and_its_answer_is_given_again) {
    auto const call = call_of();
    EXPECT_EQ(taken(call), call.resource_id);
    finish(call, call.resource_id);
    auto const again = begin(call_of()).value();
    ASSERT_TRUE(std::holds_alternative<idempotent_answer>(again));
    auto const& answer = std::get<idempotent_answer>(again);
    EXPECT_EQ(answer.status, 201);
    EXPECT_EQ(answer.sealed_body, (std::vector<std::uint8_t>{0, 5, 255}));
    EXPECT_EQ(answer.key_id, "k1");
    EXPECT_EQ(answer.resource_id, call.resource_id);
}

TEST_F(idempotent_store_calls, a_call_whose_caller_left_before_it_was_taken_can_be_repeated_at_once) {
    api->answer_within(milliseconds(200));
    db.query("BEGIN; LOCK TABLE idempotent_calls");
    auto const left = begin(call_of());
    ASSERT_TRUE(left.has_error());
    EXPECT_EQ(left.error().kind, fault::unanswered);
    db.query("ROLLBACK");
    api->answer_within(milliseconds(0));
    auto const repeat = call_of();
    EXPECT_TRUE(eventually([&] { return !taken(repeat).is_nil(); })) << "it does not count as under way for a minute";
}

TEST_F(idempotent_store_calls, what_is_forgotten_soon_can_be_repeated) {
    auto const call = call_of();
    EXPECT_EQ(taken(call), call.resource_id);
    EXPECT_TRUE(is_under_way(begin(call_of())));
    api->forget_idempotent_soon(call);
    EXPECT_TRUE(eventually([&] { return taken(call_of()) == call.resource_id; }));
}

TEST_F(idempotent_store_calls, another_request_with_the_key_is_a_conflict_whether_finished_or_not) {
    auto const call = call_of(1);
    EXPECT_EQ(taken(call), call.resource_id);
    EXPECT_EQ(begin(call_of(2)).error().kind, fault::conflict);
    let_pass("1 hour");
    EXPECT_EQ(begin(call_of(2)).error().kind, fault::conflict);
    finish(call, call.resource_id);
    EXPECT_EQ(begin(call_of(2)).error().kind, fault::conflict);
}

TEST_F(idempotent_store_calls, scopes_and_keys_have_nothing_to_do_with_each_other) {
    auto const mine = call_of(1, "account a"), yours = call_of(2, "account b");
    auto other = call_of(3, "account a");
    other.idempotency_key = "other";
    EXPECT_EQ(taken(mine), mine.resource_id);
    EXPECT_EQ(taken(yours), yours.resource_id);
    EXPECT_EQ(taken(other), other.resource_id);
}

TEST_F(idempotent_store_calls, while_it_is_under_way_a_repeat_is_told_so) {
    auto const call = call_of();
    EXPECT_EQ(taken(call), call.resource_id);
    EXPECT_TRUE(is_under_way(begin(call_of())));
    let_pass("50 seconds");
    EXPECT_TRUE(is_under_way(begin(call_of())));
}

TEST_F(idempotent_store_calls, a_database_that_cannot_take_a_call_says_nothing_about_another_one) {
    auto options = db.options();
    options.statement_timeout = milliseconds(100);
    auto const own = make_api_store(options, 1);
    db.query("BEGIN; LOCK TABLE idempotent_calls");
    auto const got = run(own->begin_idempotent(call_of()));
    db.query("ROLLBACK");
    ASSERT_TRUE(got.has_error());
    EXPECT_EQ(got.error().kind, fault::database_busy);
}

TEST_F(idempotent_store_calls, after_a_minute_of_silence_one_repeat_carries_it_out_under_the_first_id) {
    auto const call = call_of();
    EXPECT_EQ(taken(call), call.resource_id);
    let_pass("61 seconds");
    EXPECT_EQ(taken(call_of()), call.resource_id);
    EXPECT_TRUE(is_under_way(begin(call_of()))); // its minute has begun
    let_pass("61 seconds");
    EXPECT_EQ(taken(call_of()), call.resource_id);
}

TEST_F(idempotent_store_calls, of_two_that_carried_it_out_the_first_answer_stays) {
    auto const call = call_of();
    EXPECT_EQ(taken(call), call.resource_id);
    let_pass("61 seconds");
    EXPECT_EQ(taken(call_of()), call.resource_id);
    finish(call, call.resource_id, 201, 1);
    finish(call, call.resource_id, 409, 2);
    forget(call); // and a late failure takes nothing away
    auto const again = begin(call_of()).value();
    EXPECT_EQ(std::get<idempotent_answer>(again).status, 201);
}

TEST_F(idempotent_store_calls, a_call_that_was_given_up_is_taken_again_at_once_under_the_same_id) {
    auto const call = call_of();
    EXPECT_EQ(taken(call), call.resource_id);
    forget(call);
    EXPECT_EQ(taken(call_of()), call.resource_id);
    EXPECT_TRUE(is_under_way(begin(call_of())));
}

TEST_F(idempotent_store_calls, whoever_lost_a_call_to_a_repeat_cannot_give_it_up) {
    auto const first = call_of(), second = call_of();
    EXPECT_EQ(taken(first), first.resource_id);
    let_pass("61 seconds");
    EXPECT_EQ(taken(second), first.resource_id);
    forget(first);
    EXPECT_TRUE(is_under_way(begin(call_of()))) << "the repeat is still at it";
    forget(second);
    EXPECT_EQ(taken(call_of()), first.resource_id);
    forget(second);
    EXPECT_TRUE(is_under_way(begin(call_of())));
}

TEST_F(idempotent_store_calls, a_key_that_was_given_up_is_free_for_another_request_with_an_id_of_its_own) {
    auto const first = call_of(1), other = call_of(2);
    EXPECT_EQ(taken(first), first.resource_id);
    forget(first);
    EXPECT_EQ(taken(other), other.resource_id);
    finish(first, first.resource_id); // too late: the key is another's
    EXPECT_EQ(begin(call_of(1)).error().kind, fault::conflict);
    EXPECT_TRUE(is_under_way(begin(call_of(2))));
}

TEST_F(idempotent_store_calls, of_many_at_once_one_is_taken) {
    auto const wide = make_api_store(db.options(), 6);
    for (int round = 0; round < 5; ++round) {
        auto const answers =
            at_once(12, [&](int) { return run(wide->begin_idempotent(call_of(1, "round " + std::to_string(round)))); });
        int carried_out = 0;
        for (auto const& got : answers) {
            ASSERT_TRUE(*got) << got->error().message;
            carried_out += std::holds_alternative<uuid>(**got) ? 1 : 0;
        }
        EXPECT_EQ(carried_out, 1);
    }
}

TEST_F(idempotent_store_calls, of_many_that_take_over_at_once_one_does) {
    auto const first = call_of();
    EXPECT_EQ(taken(first), first.resource_id);
    let_pass("2 minutes");
    auto const wide = make_api_store(db.options(), 6);
    auto const answers = at_once(12, [&](int) { return run(wide->begin_idempotent(call_of())); });
    EXPECT_EQ(std::ranges::count_if(answers, [](auto const& got) { return std::holds_alternative<uuid>(**got); }), 1);
    EXPECT_EQ(std::ranges::count_if(answers, [](auto const& got) { return is_under_way(*got); }), 11);
}

TEST_F(idempotent_store_calls, a_link_that_dies_does_not_lock_a_call_out_of_what_it_took) {
    unix_proxy proxy(db.url());
    auto options = db.options();
    options.url = proxy.url();
    auto const own = make_api_store(options, 1);
    ASSERT_TRUE(run(own->event_types()));
    for (int cut = 0; cut < 3; ++cut) {
        auto const call = call_of(1, "cut " + std::to_string(cut));
        proxy.swallow_answer_after(cut);
        auto const got = run(own->begin_idempotent(call));
        proxy.pass();
        ASSERT_TRUE(got) << cut << ": " << got.error().message;
        EXPECT_EQ(std::get<uuid>(*got), call.resource_id);
    }
}

TEST_F(idempotent_store_calls, a_link_that_dies_does_not_lock_a_repeat_out_of_what_it_took_over) {
    unix_proxy proxy(db.url());
    auto options = db.options();
    options.url = proxy.url();
    auto const own = make_api_store(options, 1);
    auto const first = call_of();
    EXPECT_EQ(taken(first), first.resource_id);
    ASSERT_TRUE(run(own->event_types()));
    for (int cut = 0; cut < 3; ++cut) {
        let_pass("61 seconds");
        proxy.swallow_answer_after(cut);
        auto const got = run(own->begin_idempotent(call_of()));
        proxy.pass();
        ASSERT_TRUE(got) << cut << ": " << got.error().message;
        EXPECT_EQ(std::get<uuid>(*got), first.resource_id);
    }
}

TEST_F(idempotent_store_calls, finishing_or_giving_up_what_is_not_there_does_nothing) {
    auto const call = call_of();
    finish(call, call.resource_id);
    forget(call);
    EXPECT_EQ(db.number("SELECT count(*) FROM idempotent_calls"), 0);
}

} // namespace
} // namespace klen::webhooks::store
