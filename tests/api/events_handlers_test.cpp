#include "api/service_fixture.hpp"

#include <gmock/gmock.h>

namespace klen::webhooks::api {
namespace {

struct events_handlers : testing_support::service_fixture {
    static constexpr char const* good = R"({"event_type":"call.ended","payload":{}})";
    response publish(std::string body) { return call(method::post, "/api/v1/events", std::move(body)); }
};

TEST_F(events_handlers, an_accepted_event_is_answered_with_its_id) {
    auto const answer = publish(good);
    EXPECT_EQ(answer.status, 202);
    EXPECT_EQ(answer.body, R"({"id":")" + writer.submitted().at(0).event->id.text() + "\"}");
}

TEST_F(events_handlers, a_repeat_is_answered_like_the_first) {
    auto const first = make_id<event_id>();
    writer.answer_with([&](auto const&) { return store::publish_receipt{first, true}; });
    auto const answer = publish(good);
    EXPECT_EQ(answer.status, 202);
    EXPECT_EQ(text(json(answer), "id"), first.text());
    std::pair<std::string, std::string> const told("Idempotency-Replayed", "true");
    EXPECT_THAT(answer.headers, testing::Contains(told));
    writer.answer_with([&](auto const&) { return store::publish_receipt{first, false}; });
    EXPECT_THAT(publish(good).headers, testing::Not(testing::Contains(told)));
}

TEST_F(events_handlers, each_refusal_has_its_status_and_code) {
    struct expected {
        fault what;
        int status;
        char const* code;
        bool retry_after;
    };
    for (auto const& [what, status, code, retry_after] : {
             expected{fault::conflict, 409, "conflict", false},
             expected{fault::too_large, 413, "payload_too_large", false},
             expected{fault::overloaded, 429, "rate_limit_exceeded", true},
             expected{fault::connection_lost, 503, "unavailable", true},
             expected{fault::shutting_down, 503, "unavailable", true},
             expected{fault::database_refused, 500, "server_error", false},
         }) {
        writer.answer_with([kind = what](auto const&) { return failure{kind, "internal detail"}; });
        auto const answer = publish(good);
        EXPECT_EQ(answer.status, status);
        EXPECT_EQ(text(json(answer), "error"), code);
        EXPECT_EQ(!answer.headers.empty(), retry_after) << code;
    }
    EXPECT_EQ(publish("").status, 400);
    EXPECT_EQ(publish("{}").status, 400);
    EXPECT_EQ(publish(R"({"account_id":"other","event_type":"call.ended","payload":{}})").status, 403);
}

TEST_F(events_handlers, a_platform_key_must_name_the_account) {
    EXPECT_EQ(call(method::post, "/api/v1/events", good, platform()).status, 400);
    EXPECT_EQ(
        call(method::post, "/api/v1/events", R"({"account_id":"x","event_type":"call.ended","payload":{}})", platform())
            .status,
        202);
}

TEST_F(events_handlers, a_platform_key_may_name_the_account_in_the_query) {
    EXPECT_EQ(call(method::post, "/api/v1/events?account_id=x", good, platform()).status, 202);
    EXPECT_EQ(writer.submitted().at(0).event->account_id, "x");
    constexpr char const* others = R"({"account_id":"y","event_type":"call.ended","payload":{}})";
    auto const differs = call(method::post, "/api/v1/events?account_id=x", others, platform());
    EXPECT_EQ(differs.status, 400);
    EXPECT_EQ(text(json(differs), "message"), "account_id: the query and the event name different accounts");
    auto const batch = call(method::post, "/api/v1/events?account_id=x", "[" + std::string(others) + "]", platform());
    EXPECT_EQ(json(batch).at("results").at(0).at("status").as_int64(), 400);
}

TEST_F(events_handlers, a_batch_is_answered_item_by_item) {
    auto const answer = publish(std::string(" [") + good + ",{}," + good + "]");
    EXPECT_EQ(answer.status, 202);
    auto const results = json(answer).at("results").as_array();
    ASSERT_EQ(results.size(), 3U);
    EXPECT_EQ(results[0].at("status").as_int64(), 202);
    EXPECT_EQ(std::string(results[0].at("id").as_string()), writer.submitted().at(0).event->id.text());
    EXPECT_EQ(results[1].at("status").as_int64(), 400);
    EXPECT_EQ(results[1].at("error").as_string(), "validation_error");
    EXPECT_EQ(std::string(results[2].at("id").as_string()), writer.submitted().at(1).event->id.text());
}

TEST_F(events_handlers, a_batch_of_which_nothing_was_accepted_is_no_success) {
    EXPECT_EQ(publish("[{},{}]").status, 400);
    writer.answer_with([](auto const&) { return failure{fault::connection_lost, "gone"}; });
    auto const answer = publish(std::string("[{},") + good + "]");
    EXPECT_EQ(answer.status, 503);
    EXPECT_THAT(answer.headers, testing::Contains(testing::Key("Retry-After")));
    EXPECT_EQ(json(answer).at("results").as_array().size(), 2U);
}

TEST_F(events_handlers, a_batch_that_is_too_long_or_broken_is_refused_as_a_whole) {
    std::string many;
    for (int i = 0; i < 11; ++i)
        many += (i == 0 ? "" : ",") + std::string(good);
    EXPECT_EQ(publish("[" + many + "]").status, 400);
    EXPECT_EQ(publish("[]").status, 400);
    EXPECT_EQ(publish(std::string("[") + good).status, 400);
    EXPECT_TRUE(writer.submitted().empty());
}

} // namespace
} // namespace klen::webhooks::api
