// A whole batch through a real connection.
#include "api/gzip.hpp"
#include "api/raw_client.hpp"
#include "api/running_server.hpp"
#include "api/service_fixture.hpp"

#include <gmock/gmock.h>

namespace klen::webhooks {
namespace {

using namespace testing_support;

constexpr int items = 1000;

std::string item(int number) {
    bool const bad = number == 500;
    return R"({"event_type":")" + std::string(bad ? "no.such.type" : "call.ended") +
           R"(","payload":{"call":{"number":)" + std::to_string(number) + R"(,"text":")" + std::string(500, 'x') +
           R"("}}})";
}

std::string publish(std::string const& body, std::string const& more) {
    return "POST /api/v1/events?account_id=acct_1 HTTP/1.1\r\nHost: a\r\nX-API-Key: key\r\n"
           "Content-Type: application/json\r\n" +
           more + "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

TEST_F(service_fixture, a_thousand_events_are_answered_item_by_item) {
    settings.server.batch_events_max = items;
    running_server server(api::api_routes(with), settings.server, 1);
    server.keys.known["key"] = {.key_id = "1", .account_id = "acct_1", .permissions = {"publish"}};
    std::string body = "[";
    for (int i = 0; i < items; ++i)
        body += (i == 0 ? "" : ",") + item(i);
    body += "]";
    ASSERT_LT(body.size(), settings.server.body_bytes_max); // as it is configured by default
    raw_client client(server.port());
    for (auto const& got :
         {client.exchange(publish(body, "")), client.exchange(publish(gzip(body), "Content-Encoding: gzip\r\n"))}) {
        ASSERT_EQ(got.status, 202) << got.body.substr(0, 200);
        auto const answers = boost::json::parse(got.body).at("results").as_array();
        ASSERT_EQ(answers.size(), std::size_t{items});
        for (std::size_t i = 0; i < answers.size(); ++i)
            ASSERT_EQ(answers[i].at("status").as_int64(), i == 500 ? 400 : 202) << i;
    }
    EXPECT_EQ(writer.submitted().size(), std::size_t{2} * (items - 1));
    auto const too_many = client.exchange(publish("[" + body.substr(1, body.size() - 2) + "," + item(1) + "]", ""));
    EXPECT_EQ(too_many.status, 400);
}

TEST_F(service_fixture, an_event_of_a_batch_that_was_published_before_says_so) {
    writer.answer_with([](store::new_event const& what) -> result<store::publish_receipt> {
        return store::publish_receipt{what.event->id, what.idempotency_key == "again"};
    });
    running_server server(api::api_routes(with), settings.server, 1);
    server.keys.known["key"] = {.key_id = "1", .account_id = "acct_1", .permissions = {"publish"}};
    raw_client client(server.port());
    auto const got = client.exchange(publish(R"([{"id":"again","event_type":"call.ended","payload":{}},)"
                                             R"({"id":"new","event_type":"call.ended","payload":{}}])",
                                             ""));
    ASSERT_EQ(got.status, 202) << got.body;
    auto const answers = boost::json::parse(got.body).at("results").as_array();
    ASSERT_EQ(answers.size(), 2U);
    EXPECT_TRUE(answers[0].at("replayed").as_bool());
    EXPECT_TRUE(answers[0].as_object().contains("id"));
    EXPECT_FALSE(answers[1].as_object().contains("replayed"));
}

/// Reading JSON holds an io thread: what is not about events has no use for megabytes.
TEST_F(service_fixture, calls_about_webhooks_take_no_megabytes) {
    running_server server(api::api_routes(with), settings.server, 1);
    server.keys.known["key"] = {.key_id = "1", .account_id = "acct_1", .permissions = {"publish", "manage_webhooks"}};
    std::string large = R"({"metadata":{"a":[1)";
    for (int i = 0; i < 100'000; ++i)
        large += ",1";
    large += "]}}";
    for (char const* target : {"POST /api/v1/webhooks", "POST /api/webhooks/create/",
                               "PATCH /api/v1/webhooks/018f3f8e-0000-7000-8000-000000000000"}) {
        raw_client client(server.port());
        auto const zipped = gzip(large);
        auto const got = client.exchange(std::string(target) +
                                         " HTTP/1.1\r\nHost: a\r\nX-API-Key: key\r\nContent-Type: application/json\r\n"
                                         "Content-Encoding: gzip\r\nContent-Length: " +
                                         std::to_string(zipped.size()) + "\r\n\r\n" + zipped);
        EXPECT_EQ(got.status, 413) << target;
        EXPECT_NE(got.body.find(std::to_string(settings.server.management_body_bytes_max)), std::string::npos);
    }
    raw_client client(server.port());
    EXPECT_EQ(client.exchange(publish("[" + item(1) + std::string(200'000, ' ') + "]", "")).status, 202);
}

} // namespace
} // namespace klen::webhooks
