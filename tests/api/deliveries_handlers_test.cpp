#include "api/attempt_headers.hpp"
#include "api/history_fixture.hpp"

#include <gmock/gmock.h>

#include <atomic>
#include <thread>

namespace klen::webhooks::api {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::UnorderedElementsAre;
using testing_support::run_task;

struct deliveries_handlers : testing_support::history_fixture {
    std::string hook = create_webhook(R"("headers":{"Authorization":"Bearer s3cr3t","X-Team":"ops"})");
    std::string list(std::string const& query = "") const { return "/webhooks/" + hook + "/deliveries" + query; }
};

// --- lists ----------------------------------------------------------------------------------------------------------

TEST_F(deliveries_handlers, a_list_shows_each_delivery_with_its_last_attempt_newest_first) {
    auto const failed = failed_delivery();
    auto const pending = delivery_of(publish("call.started"));
    auto const shown = get(list());
    ASSERT_EQ(shown.status, 200) << shown.raw.body;
    EXPECT_EQ(shown.body.at("limit"), 50);
    EXPECT_TRUE(shown.body.at("next_cursor").is_null());
    EXPECT_THAT(ids_of(shown, "deliveries"), ElementsAre(pending, failed));
    auto const& waiting = shown.body.at("deliveries").at(0);
    EXPECT_EQ(waiting.at("status"), "pending");
    EXPECT_EQ(waiting.at("event_type"), "call.started");
    EXPECT_EQ(waiting.at("webhook_id").as_string(), hook);
    EXPECT_TRUE(waiting.at("last_attempt").is_null());
    auto const& ended = shown.body.at("deliveries").at(1);
    EXPECT_EQ(ended.at("status"), "failed");
    EXPECT_EQ(ended.at("attempts_made"), 1);
    EXPECT_TRUE(ended.at("next_attempt_at").is_null());
    EXPECT_EQ(ended.at("last_attempt").at("status"), 500);
    EXPECT_EQ(ended.at("last_attempt").at("trigger"), "schedule");
}

TEST_F(deliveries_handlers, cursors_walk_through_all_though_rows_are_added_meanwhile) {
    std::vector<std::string> expected;
    for (int i = 0; i < 7; ++i)
        expected.push_back(delivery_of(publish()));
    std::ranges::sort(expected, std::greater<>()); // those of one millisecond are in any order
    std::vector<std::string> walked;
    std::string cursor;
    for (int step = 0; step < 10; ++step) {
        auto const part = get(list("?limit=3" + (cursor.empty() ? "" : "&cursor=" + cursor)));
        ASSERT_EQ(part.status, 200) << part.raw.body;
        for (auto const& id : ids_of(part, "deliveries"))
            walked.push_back(id);
        publish();
        if (part.body.at("next_cursor").is_null())
            break;
        cursor = part.text("next_cursor");
    }
    EXPECT_EQ(walked, expected);
}

TEST_F(deliveries_handlers, filters_show_what_they_say) {
    auto const failed = failed_delivery();
    publish("call.started");
    attempt_all(delivered());
    auto const timed_out = delivery_of(publish("call.started"));
    attempt_all({policy::decision::failed, 0, policy::error_class::timeout, "", ""});
    auto const pending = delivery_of(publish());
    EXPECT_THAT(ids_of(get(list("?status=failed")), "deliveries"), ElementsAre(timed_out, failed));
    EXPECT_THAT(ids_of(get(list("?status=pending")), "deliveries"), ElementsAre(pending));
    EXPECT_THAT(ids_of(get(list("?status=pending,failed&event_type=call.ended")), "deliveries"),
                ElementsAre(pending, failed));
    EXPECT_THAT(ids_of(get(list("?error_class=timeout")), "deliveries"), ElementsAre(timed_out));
    EXPECT_EQ(ids_of(get(list("?status=delivered")), "deliveries").size(), 1U);
    EXPECT_TRUE(ids_of(get(list("?until=2020-01-01T00:00:00Z")), "deliveries").empty());
    EXPECT_EQ(ids_of(get(list("?since=2020-01-01T00:00:00%2B01:00")), "deliveries").size(), 4U);
}

TEST_F(deliveries_handlers, a_list_that_was_mistyped_shows_nothing_at_all) {
    for (auto const& [query, word] : std::vector<std::pair<std::string, std::string>>{{"?state=failed", "state"},
                                                                                      {"?status=broken", "status: "},
                                                                                      {"?page=2", "next_cursor"},
                                                                                      {"?limit=0", "limit: "},
                                                                                      {"?cursor=2", "cursor: "},
                                                                                      {"?since=monday", "since: "},
                                                                                      {"?since=2026-03-02T09:00:01Z&"
                                                                                       "until=2026-03-02T09:00:00Z",
                                                                                       "since: must be before"}}) {
        auto const no = get(list(query));
        EXPECT_EQ(no.status, 400) << query;
        EXPECT_THAT(no.text("message"), HasSubstr(word));
    }
}

TEST_F(deliveries_handlers, of_another_account_there_is_nothing) {
    auto const delivery = failed_delivery();
    EXPECT_EQ(get(list(), other_key()).status, 404);
    EXPECT_EQ(get("/deliveries/" + delivery, other_key()).status, 404);
    EXPECT_EQ(post_as(other_key(), "/deliveries/" + delivery + "/resend").status, 404);
    EXPECT_EQ(post_as(other_key(), "/deliveries/" + delivery + "/cancel").status, 404);
    EXPECT_EQ(get("/webhooks/" + make_uuid_v7().text() + "/deliveries").status, 404);
    EXPECT_EQ(get("/deliveries/no-id").status, 404);
    EXPECT_EQ(get("/deliveries/" + delivery, platform_key()).status, 400) << "it must say for whom";
    EXPECT_EQ(get("/deliveries/" + delivery + "?account_id=acct_1", platform_key()).status, 200);
    EXPECT_EQ(get("/deliveries/" + delivery + "?account_id=acct_2", platform_key()).status, 404);
}

// --- one ------------------------------------------------------------------------------------------------------------

TEST_F(deliveries_handlers, one_is_shown_with_its_event_and_what_was_sent_and_said) {
    auto const event = publish();
    attempt_all({policy::decision::retry, 503, policy::error_class::http_status,
                 "Retry-After: 9\r\nX-A: 1\r\nx-a: 2\r\n", "come back"});
    auto const id = delivery_of(event);
    auto const shown = get("/deliveries/" + id);
    ASSERT_EQ(shown.status, 200) << shown.raw.body;
    EXPECT_EQ(shown.text("id"), id);
    EXPECT_EQ(shown.text("status"), "pending");
    EXPECT_TRUE(shown.body.at("next_attempt_at").is_string());
    EXPECT_EQ(shown.body.at("event").at("id").as_string(), event);
    EXPECT_THAT(shown.raw.body, HasSubstr(R"("n":12345678901234567890)")) << "with all digits";
    auto const& attempt = shown.body.at("attempts").at(0);
    EXPECT_EQ(attempt.at("response_body"), "come back");
    EXPECT_EQ(attempt.at("response_body_encoding"), "utf-8");
    EXPECT_EQ(attempt.at("remote_address"), "127.0.0.1:9999");
    EXPECT_TRUE(attempt.at("next_attempt_at").is_string());
    EXPECT_EQ(boost::json::serialize(attempt.at("response_headers")),
              R"([["Retry-After","9"],["X-A","1"],["x-a","2"]])");

    std::map<std::string, std::string> sent;
    for (auto const& line : attempt.at("request_headers").as_array())
        sent.emplace(line.at(0).as_string(), line.at(1).as_string());
    EXPECT_EQ(sent["X-Klen-Delivery-ID"], id);
    EXPECT_EQ(sent["X-Klen-Attempt"], "1");
    EXPECT_EQ(sent["X-Klen-Timestamp"], "1700000000");
    EXPECT_EQ(sent["X-Klen-Signature"].size(), 64U);
    EXPECT_EQ(sent["Authorization"], "Bearer s3cr3t");
    EXPECT_EQ(sent["Host"], "127.0.0.1:9999");
}

TEST_F(deliveries_handlers, a_body_that_is_no_text_is_base64) {
    auto const event = publish();
    attempt_all({policy::decision::failed, 500, policy::error_class::http_status, "", std::string("\xff\x00\xfe", 3)});
    auto const shown = get("/deliveries/" + delivery_of(event));
    EXPECT_EQ(shown.body.at("attempts").at(0).at("response_body"), "/wD+");
    EXPECT_EQ(shown.body.at("attempts").at(0).at("response_body_encoding"), "base64");
}

TEST_F(deliveries_handlers, what_cannot_be_known_any_more_is_null) {
    auto const unopened = failed_delivery();
    db.query("UPDATE webhook_secrets SET key_id = 'lost'");
    auto const without_secret = get("/deliveries/" + unopened);
    ASSERT_EQ(without_secret.status, 200) << without_secret.raw.body;
    EXPECT_TRUE(without_secret.body.at("attempts").at(0).at("request_headers").is_null());
    db.query("DELETE FROM events");
    auto const without_event = get("/deliveries/" + unopened);
    ASSERT_EQ(without_event.status, 200) << without_event.raw.body;
    EXPECT_TRUE(without_event.body.at("event").is_null());
    EXPECT_EQ(without_event.body.at("attempts").as_array().size(), 1U);
}

// --- its attempts, part by part
// ---------------------------------------------------------------------------------------

struct attempts_handlers : deliveries_handlers {
    /// With so many attempts, all made in the same way as its first.
    std::string delivery_with(int attempts) {
        auto id = failed_delivery();
        db.query("INSERT INTO attempts SELECT (jsonb_populate_record(a, jsonb_build_object('attempt', n, 'superseded',"
                 " n < " +
                 std::to_string(attempts) + "))).* FROM attempts a, generate_series(2, " + std::to_string(attempts) +
                 ") n");
        db.query("UPDATE attempts SET superseded = true WHERE attempt = 1");
        return id;
    }
    static std::vector<int> numbers(answer const& shown) {
        std::vector<int> out;
        for (auto const& one : shown.body.at("attempts").as_array())
            out.push_back(static_cast<int>(one.at("attempt").as_int64()));
        return out;
    }
};

TEST_F(attempts_handlers, the_newest_come_first_and_a_cursor_leads_to_those_before) {
    auto const path = "/deliveries/" + delivery_with(45);
    auto const first = get(path);
    ASSERT_EQ(first.status, 200) << first.raw.body;
    EXPECT_EQ(first.body.at("limit"), 20);
    EXPECT_EQ(first.body.at("attempts_made"), 45);
    ASSERT_EQ(numbers(first).size(), 20U);
    EXPECT_EQ(numbers(first).front(), 26);
    EXPECT_EQ(numbers(first).back(), 45);
    auto const second = get(path + "?limit=24&cursor=" + first.text("next_cursor"));
    ASSERT_EQ(second.status, 200) << second.raw.body;
    EXPECT_EQ(numbers(second).front(), 2);
    EXPECT_EQ(numbers(second).back(), 25);
    EXPECT_EQ(second.body.at("last_attempt").at("attempt"), 45) << "of all, not of this part";
    auto const last = get(path + "?cursor=" + second.text("next_cursor"));
    EXPECT_THAT(numbers(last), ElementsAre(1));
    EXPECT_TRUE(last.body.at("next_cursor").is_null());
    EXPECT_TRUE(get(path + "?limit=45").body.at("next_cursor").is_null());
    auto const of_event = get("/events/" + std::string(first.text("event_id")));
    EXPECT_EQ(of_event.body.at("deliveries").at(0).at("attempts").as_array().size(), 20U);
    EXPECT_EQ(of_event.body.at("deliveries").at(0).at("attempts_made"), 45);
}

TEST_F(attempts_handlers, a_part_that_cannot_be_is_refused) {
    auto const path = "/deliveries/" + failed_delivery();
    for (std::string const query : {"?limit=101", "?limit=0", "?page=1", "?cursor=x", "?cursor=AAAAAAAAAAAAAAAAAAAAAA",
                                    "?cursor=AZpLIBHYf2Kxp148iNBKGQ", "?after=1"})
        EXPECT_EQ(get(path + query).status, 400) << query;
    EXPECT_EQ(get(path + "?limit=100").status, 200);
}

/// Has a thread for what takes long, as the daemon has.
struct computing_handlers : testing_support::history_fixture {
    computing_handlers() {
        with.compute = [this](std::string account_id, std::function<void()> what) -> task<result<void>> {
            EXPECT_EQ(account_id, "acct_1");
            if (full)
                co_return failure{fault::overloaded, "too much"};
            std::thread([&what] { what(); }).join();
            ++computed;
            co_return result<void>();
        };
        create_webhook();
    }
    std::atomic<int> computed = 0;
    std::atomic<bool> full = false;
};

TEST_F(computing_handlers, headers_are_signed_on_the_thread_for_it_or_left_out_with_a_word) {
    auto const path = "/deliveries/" + failed_delivery(R"({"a":")" + std::string(140'000, 'x') + "\"}");
    auto const shown = get(path);
    ASSERT_EQ(shown.status, 200) << shown.raw.body;
    EXPECT_EQ(computed, 1);
    EXPECT_TRUE(shown.body.at("attempts").at(0).at("request_headers").is_array());
    EXPECT_EQ(shown.body.at("attempts").at(0).at("request_headers_left_out"), false);
    full = true;
    auto const without = get(path);
    ASSERT_EQ(without.status, 200) << without.raw.body;
    EXPECT_EQ(computed, 1);
    EXPECT_TRUE(without.body.at("attempts").at(0).at("request_headers").is_null());
    EXPECT_EQ(without.body.at("attempts").at(0).at("request_headers_left_out"), true);
}

TEST_F(computing_handlers, small_bodies_are_signed_at_once_whatever_others_ask_for) {
    full = true;
    auto const shown = get("/deliveries/" + failed_delivery());
    ASSERT_EQ(shown.status, 200) << shown.raw.body;
    EXPECT_TRUE(shown.body.at("attempts").at(0).at("request_headers").is_array());
    EXPECT_EQ(computed, 0);
}

TEST_F(attempts_handlers, a_call_signs_so_many_bytes_and_leaves_the_oldest_out) {
    auto const id = *delivery_id::parse(delivery_with(10));
    auto const details = run_task(recorded->show_delivery("acct_1", id, {})).value();
    auto const each = details.event->body.size() * 2; // one secret: two signatures
    auto const left_out = [&](std::uint64_t bytes_max) {
        auto const sent = write_attempt_headers(details, seals, bytes_max);
        EXPECT_EQ(sent.size(), 10U);
        std::string out;
        for (auto const& one : sent) {
            EXPECT_NE(one.left_out, one.lines.has_value());
            out += one.left_out ? '-' : 'x';
        }
        return out;
    };
    EXPECT_EQ(left_out(signed_bytes_max), "xxxxxxxxxx");
    EXPECT_EQ(left_out(3 * each), "-------xxx");
    EXPECT_EQ(left_out(3 * each - 1), "--------xx");
    EXPECT_EQ(left_out(0), "---------x") << "one part of one attempt always shows its headers";
}

// --- resend and cancel ----------------------------------------------------------------------------------------------

TEST_F(deliveries_handlers, a_failed_one_is_sent_again_and_the_dispatcher_is_told) {
    auto const id = failed_delivery();
    auto const again = post("/deliveries/" + id + "/resend");
    ASSERT_EQ(again.status, 202) << again.raw.body;
    EXPECT_EQ(again.text("id"), id);
    EXPECT_EQ(again.text("status"), "pending");
    EXPECT_THAT(taken(parked), ElementsAre(hook));
    auto const fetched = run_task(queue->claim_parked(me, {{*webhook_id::parse(hook), 10}})).value().deliveries;
    ASSERT_EQ(fetched.size(), 1U);
    EXPECT_TRUE(fetched[0].manual);
    auto const busy = post("/deliveries/" + id + "/resend");
    EXPECT_EQ(busy.status, 409) << "an attempt is under way";
    EXPECT_EQ(busy.error(), "conflict");
    record(fetched[0], delivered());
    auto const shown = get("/deliveries/" + id);
    EXPECT_EQ(shown.text("status"), "delivered");
    EXPECT_EQ(shown.body.at("attempts").at(1).at("attempt"), 2);
    EXPECT_EQ(shown.body.at("attempts").at(1).at("trigger"), "manual");
}

TEST_F(deliveries_handlers, a_repeat_with_the_same_key_is_answered_as_before_and_sends_nothing) {
    auto const id = failed_delivery();
    auto const first = post("/deliveries/" + id + "/resend", "", "Idempotency-Key: once\r\n");
    ASSERT_EQ(first.status, 202) << first.raw.body;
    auto const fetched = run_task(queue->claim_parked(me, {{*webhook_id::parse(hook), 10}})).value().deliveries;
    record(fetched.at(0), {});
    auto const repeat = post("/deliveries/" + id + "/resend", "", "Idempotency-Key: once\r\n");
    EXPECT_EQ(repeat.status, 202);
    EXPECT_EQ(repeat.raw.body, first.raw.body);
    EXPECT_EQ(repeat.raw.header("Idempotency-Replayed"), "true");
    EXPECT_EQ(get("/deliveries/" + id).text("status"), "failed");
}

TEST_F(deliveries_handlers, a_repeat_of_a_call_whose_answer_was_lost_sends_nothing_either) {
    auto const id = failed_delivery();
    auto const resend = [&] { return post("/deliveries/" + id + "/resend", "", "Idempotency-Key: once\r\n"); };
    ASSERT_EQ(resend().status, 202);
    auto const fetched = run_task(queue->claim_parked(me, {{*webhook_id::parse(hook), 10}})).value().deliveries;
    record(fetched.at(0), {});
    db.query("UPDATE idempotent_calls SET status = NULL, sealed_answer = NULL, key_id = NULL,"
             " begun_at = begun_at - interval '2 minutes'");
    auto const repeat = resend();
    EXPECT_EQ(repeat.status, 202) << repeat.raw.body;
    EXPECT_EQ(repeat.text("status"), "failed") << "as it is now";
    EXPECT_EQ(repeat.body.at("last_attempt").at("trigger"), "manual");
    EXPECT_EQ(db.number("SELECT count(*) FROM deliveries"), 0);
}

TEST_F(deliveries_handlers, to_a_disabled_webhook_nothing_is_sent_again) {
    auto const id = failed_delivery();
    ASSERT_EQ(call("PATCH", path_of(hook), R"({"enabled":false})").status, 200);
    auto const no = post("/deliveries/" + id + "/resend");
    EXPECT_EQ(no.status, 409);
    EXPECT_THAT(no.text("message"), HasSubstr("enable"));
    EXPECT_THAT(taken(parked), IsEmpty());
}

TEST_F(deliveries_handlers, a_waiting_one_is_cancelled_once) {
    auto const id = delivery_of(publish());
    auto const done = post("/deliveries/" + id + "/cancel");
    ASSERT_EQ(done.status, 200) << done.raw.body;
    EXPECT_EQ(done.text("status"), "cancelled");
    EXPECT_TRUE(claim().empty());
    auto const again = post("/deliveries/" + id + "/cancel");
    EXPECT_EQ(again.status, 409);
    EXPECT_EQ(again.error(), "conflict");
    EXPECT_EQ(post("/deliveries/" + failed_delivery() + "/cancel").status, 409);
}

TEST_F(deliveries_handlers, what_takes_no_body_says_so) {
    auto const id = failed_delivery();
    EXPECT_EQ(post("/deliveries/" + id + "/resend", R"({"force":true})").status, 400);
    EXPECT_EQ(post("/deliveries/" + id + "/cancel", "[]").status, 400);
    EXPECT_EQ(post("/deliveries/" + id + "/resend", "{}").status, 202);
}

} // namespace
} // namespace klen::webhooks::api
