// What was published, as the API shows it, and publishing with an Idempotency-Key, on a real database.
#include "api/history_fixture.hpp"

#include <gmock/gmock.h>

namespace klen::webhooks::api {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

using events_history = testing_support::history_fixture;

TEST_F(events_history, events_are_listed_newest_first_by_cursor) {
    std::vector<std::string> expected;
    for (int i = 0; i < 5; ++i)
        expected.push_back(publish());
    std::ranges::sort(expected, std::greater<>()); // two threads' ids of one millisecond are in any order
    auto const first = get("/events?limit=3");
    ASSERT_EQ(first.status, 200) << first.raw.body;
    auto walked = ids_of(first, "events");
    publish();
    auto const rest = get("/events?limit=3&cursor=" + first.text("next_cursor"));
    for (auto const& id : ids_of(rest, "events"))
        walked.push_back(id);
    EXPECT_EQ(walked, expected);
    EXPECT_TRUE(rest.body.at("next_cursor").is_null());
    auto const& one = first.body.at("events").at(0).as_object();
    EXPECT_EQ(one.size(), 4U) << "no body";
    EXPECT_EQ(one.at("event_type"), "call.ended");
    EXPECT_EQ(one.at("account_id"), "acct_1");
}

TEST_F(events_history, events_are_filtered_by_type_and_time) {
    publish();
    auto const started = publish("call.started");
    EXPECT_THAT(ids_of(get("/events?event_type=call.started"), "events"), ElementsAre(started));
    EXPECT_TRUE(ids_of(get("/events?until=2020-01-01T00:00:00Z"), "events").empty());
    EXPECT_EQ(ids_of(get("/events?since=2020-01-01T00:00:00Z"), "events").size(), 2U);
    EXPECT_EQ(get("/events?type=call.started").status, 400);
    EXPECT_EQ(get("/events?page=1").status, 400);
    EXPECT_TRUE(ids_of(get("/events", other_key()), "events").empty());
    EXPECT_EQ(get("/events", platform_key()).status, 400);
    EXPECT_EQ(ids_of(get("/events?account_id=acct_1", platform_key()), "events").size(), 2U);
}

TEST_F(events_history, one_is_shown_with_its_deliveries_and_their_attempts) {
    create_webhook();
    auto const event = publish();
    attempt_all({policy::decision::retry, 500, policy::error_class::http_status, "", ""});
    auto const shown = get("/events/" + event);
    ASSERT_EQ(shown.status, 200) << shown.raw.body;
    EXPECT_THAT(shown.raw.body, HasSubstr(R"("body":{"event_type":"call.ended","n":12345678901234567890,)"));
    auto const& delivery = shown.body.at("deliveries").at(0);
    EXPECT_EQ(delivery.at("status"), "pending");
    EXPECT_EQ(delivery.at("event_id").as_string(), event);
    auto const& attempt = delivery.at("attempts").at(0);
    EXPECT_EQ(attempt.at("error_class"), "http_status");
    EXPECT_EQ(attempt.at("decision"), "retry");
    EXPECT_EQ(attempt.at("duration_ms"), 100);
    EXPECT_FALSE(attempt.as_object().contains("response_body"));
    EXPECT_EQ(get("/events/" + event, other_key()).status, 404);
    EXPECT_EQ(get("/events/no-uuid").status, 404);
    EXPECT_EQ(get("/events/" + event, platform_key()).status, 400);
    EXPECT_EQ(get("/events/" + event + "?account_id=acct_1", platform_key()).status, 200);
}

TEST_F(events_history, the_deliveries_of_one_are_filtered_by_what_became_of_them) {
    create_webhook();
    create_webhook();
    auto const event = publish();
    auto const leased = claim();
    ASSERT_EQ(leased.size(), 2U);
    record(leased[0], {});
    record(leased[1], delivered());
    auto const path = "/events/" + event + "/deliveries";
    EXPECT_EQ(ids_of(get(path), "deliveries").size(), 2U);
    EXPECT_THAT(ids_of(get(path + "?status=failed"), "deliveries"), ElementsAre(leased[0].id.text()));
    EXPECT_THAT(ids_of(get(path + "?error_class=http_status"), "deliveries"), ElementsAre(leased[0].id.text()));
    EXPECT_TRUE(ids_of(get(path + "?status=pending"), "deliveries").empty());
    EXPECT_EQ(get(path + "?cursor=x").status, 400);
    EXPECT_EQ(get(path, other_key()).status, 404);
    EXPECT_EQ(get("/events/" + make_uuid_v7().text() + "/deliveries").status, 404);
}

TEST_F(events_history, the_deliveries_of_one_come_in_parts) {
    for (int i = 0; i < 5; ++i)
        create_webhook();
    auto const event = publish();
    attempt_all({});
    for (auto const& path : {"/events/" + event, "/events/" + event + "/deliveries"}) {
        std::set<std::string> seen;
        std::string cursor;
        for (std::size_t part = 0; part < 3; ++part) {
            auto const shown = get(path + "?limit=2" + (cursor.empty() ? "" : "&cursor=" + cursor));
            ASSERT_EQ(shown.status, 200) << shown.raw.body;
            EXPECT_EQ(shown.body.at("limit"), 2);
            auto const ids = ids_of(shown, "deliveries");
            EXPECT_EQ(ids.size(), part == 2 ? 1U : 2U);
            seen.insert(ids.begin(), ids.end());
            EXPECT_EQ(shown.body.at("next_cursor").is_null(), part == 2);
            cursor = part == 2 ? "" : shown.text("next_cursor");
        }
        EXPECT_EQ(seen.size(), 5U) << path;
        EXPECT_EQ(get(path + "?page=2").status, 400);
        EXPECT_EQ(get(path + "?limit=201").status, 400);
    }
    EXPECT_EQ(ids_of(get("/events/" + event + "/deliveries?status=failed&limit=2"), "deliveries").size(), 2U);
}

// --- publishing -----------------------------------------------------------------------------------------------------

constexpr char const* event_json = R"({"event_type":"call.ended","payload":{"a":1}})";

TEST_F(events_history, an_idempotency_key_is_the_id_of_an_event_that_has_none) {
    auto const first = post("/events", event_json, "Idempotency-Key: p-1\r\n");
    ASSERT_EQ(first.status, 202) << first.raw.body;
    EXPECT_EQ(post("/events", event_json, "Idempotency-Key: p-1\r\n").text("id"), first.text("id"));
    auto const in_body = post("/events", R"({"event_type":"call.ended","payload":{"a":1},"id":"p-1"})");
    EXPECT_EQ(in_body.text("id"), first.text("id")) << "header and member are one and the same";
    EXPECT_NE(post("/events", event_json, "Idempotency-Key: p-2\r\n").text("id"), first.text("id"));
    EXPECT_EQ(db.number("SELECT count(*) FROM events"), 2);
    auto const other = post("/events", R"({"event_type":"call.ended","payload":{"a":2}})", "Idempotency-Key: p-1\r\n");
    EXPECT_EQ(other.status, 409);
}

TEST_F(events_history, a_key_that_contradicts_the_event_or_stands_for_a_batch_is_refused) {
    auto const two = post("/events", R"({"event_type":"call.ended","payload":{},"id":"x"})", "Idempotency-Key: y\r\n");
    EXPECT_EQ(two.status, 400);
    EXPECT_EQ(post("/events", R"({"event_type":"call.ended","payload":{},"id":"x"})", "Idempotency-Key: x\r\n").status,
              202);
    auto const batch = post("/events", std::string("[") + event_json + "]", "Idempotency-Key: z\r\n");
    EXPECT_EQ(batch.status, 400);
    EXPECT_THAT(batch.text("message"), HasSubstr("batch"));
    EXPECT_EQ(post("/events", event_json, "Idempotency-Key: a b\r\n").status, 400);
    EXPECT_EQ(post("/events?id=x", event_json).status, 400);
}

} // namespace
} // namespace klen::webhooks::api
