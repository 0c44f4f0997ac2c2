#include "api/management_fixture.hpp"

#include "egress/refused_addresses.hpp"
#include "support/fake_dns.hpp"
#include "support/scripted_receiver.hpp"

#include "klen/webhooks/signing/signer.hpp"

#include <boost/json/serialize.hpp>
#include <gmock/gmock.h>

namespace klen::webhooks::api {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using testing_support::raw_response;
using testing_support::run_task;

struct webhook_test_call : testing_support::management_fixture {
    webhook_test_call() {
        outcome.id = make_id<delivery_id>();
        outcome.request_headers = "Host: example.com\r\nContent-Length: 7\r\nX-Klen-Attempt: 1\r\n";
        outcome.result.status = 204;
        outcome.result.response_headers = "Server: x\r\nX-Empty:\r\nX-Latin: \xe4\r\nX-Cut: ab";
        outcome.result.remote_address = "192.0.2.1:443";
        outcome.result.duration = std::chrono::microseconds(12'345);
        with.send_test = [this](dispatch::test_request what) -> task<result<dispatch::test_outcome>> {
            sent.push_back(std::move(what));
            co_return outcome;
        };
    }
    raw_response test(std::string const& id, std::string const& body = "", std::string const& fields = "") {
        return call("POST", path_of(id) + "/test", body, fields);
    }
    dispatch::test_outcome outcome;
    std::vector<dispatch::test_request> sent;
};

TEST_F(webhook_test_call, the_receivers_answer_is_told) {
    outcome.result.response_body = "thanks \xc3\xa4\xc3"; // cut within a character
    auto const id = make_webhook();
    auto const got = test(id);
    ASSERT_EQ(got.status, 200) << got.body;
    auto const shown = json(got);
    EXPECT_EQ(shown.at("delivered"), true);
    EXPECT_EQ(text(shown, "event_type"), "webhook.test");
    EXPECT_EQ(text(shown, "delivery_id"), outcome.id.text());
    EXPECT_EQ(shown.at("status"), 204);
    EXPECT_EQ(shown.at("error_class"), nullptr);
    EXPECT_EQ(shown.at("message"), nullptr);
    EXPECT_EQ(shown.at("duration_ms"), 12);
    EXPECT_EQ(text(shown, "remote_address"), "192.0.2.1:443");
    auto const& request = shown.at("request").as_object();
    EXPECT_EQ(text(request, "url"), "https://example.com/h");
    EXPECT_EQ(request.at("headers"),
              boost::json::parse(R"([["Host","example.com"],["Content-Length","7"],["X-Klen-Attempt","1"]])"));
    EXPECT_EQ(text(request, "body"), sent.at(0).event.body);
    auto const& answer = shown.at("response").as_object();
    EXPECT_EQ(answer.at("headers"),
              boost::json::parse(R"([["Server","x"],["X-Empty",""],["X-Latin","ä"],["X-Cut","ab"]])"));
    EXPECT_EQ(text(answer, "body"), "thanks ä");
    EXPECT_EQ(text(answer, "body_encoding"), "utf-8");
}

TEST_F(webhook_test_call, what_is_sent_is_signed_with_the_webhooks_secrets_and_has_the_samples_payload) {
    auto const id = make_webhook();
    call("POST", path_of(id) + "/rotate-secret");
    EXPECT_EQ(test(id, R"({"event_type":"call.ended"})").status, 200);
    ASSERT_EQ(sent.size(), 1U);
    EXPECT_EQ(sent[0].to.id.text(), id);
    EXPECT_EQ(sent[0].to.secrets.size(), 2U);
    auto const& event = sent[0].event;
    EXPECT_EQ(event.account_id, "acct_1");
    EXPECT_EQ(event.event_type, "call.ended");
    EXPECT_FALSE(event.id.value.is_nil());
    auto const body = boost::json::parse(event.body).as_object();
    EXPECT_EQ(body.begin()->key(), "event_type");
    EXPECT_TRUE(body.at("call").is_object());
    EXPECT_FALSE(body.contains("account_id"));
    auto const at = parse_rfc3339(text(body, "timestamp"));
    ASSERT_TRUE(at);
    EXPECT_LT(std::chrono::abs(std::chrono::system_clock::now() - *at), std::chrono::minutes(1));
}

TEST_F(webhook_test_call, a_failure_is_an_answer_too) {
    outcome.result = {};
    outcome.result.error = policy::error_class::connect_refused;
    outcome.result.message = "nobody listens there";
    outcome.request_headers.clear();
    auto const got = test(make_webhook());
    EXPECT_EQ(got.status, 200);
    auto const shown = json(got);
    EXPECT_EQ(shown.at("delivered"), false);
    EXPECT_EQ(shown.at("status"), nullptr);
    EXPECT_EQ(text(shown, "error_class"), "connect_refused");
    EXPECT_EQ(text(shown, "message"), "nobody listens there");
    EXPECT_EQ(shown.at("remote_address"), nullptr);
    EXPECT_EQ(shown.at("response"), nullptr);
    EXPECT_EQ(shown.at("request").as_object().at("headers"), boost::json::parse("[]"));
}

TEST_F(webhook_test_call, what_cannot_be_sent_now_is_to_be_tried_again) {
    failure why{fault::over_limit, "this account has enough to do"};
    with.send_test = [&](dispatch::test_request) -> task<result<dispatch::test_outcome>> { co_return why; };
    auto const id = make_webhook();
    for (auto const& [kind, status] : {std::pair(fault::over_limit, 429), std::pair(fault::overloaded, 503)}) {
        why.kind = kind;
        auto const got = test(id, "", once("t1"));
        EXPECT_EQ(got.status, status) << got.body;
        EXPECT_EQ(message(got), why.message);
        EXPECT_EQ(got.header("Retry-After"), "1");
    }
}

TEST_F(webhook_test_call, bytes_that_are_no_text_are_encoded) {
    outcome.result.response_body = std::string("\x00\xff\x01", 3);
    auto const answer = json(test(make_webhook())).at("response").as_object();
    EXPECT_EQ(text(answer, "body"), "AP8B");
    EXPECT_EQ(text(answer, "body_encoding"), "base64");
}

TEST_F(webhook_test_call, a_disabled_webhook_can_be_tested) {
    auto const id = make_webhook(R"("enabled":false)");
    EXPECT_EQ(test(id).status, 200);
    EXPECT_EQ(sent.size(), 1U);
}

TEST_F(webhook_test_call, a_platforms_own_type_is_sent_with_its_sample) {
    auto const add = [&](std::string const& body) {
        EXPECT_EQ(call_as(platform_key(), "POST", "/api/v1/event-types", body).status, 201);
    };
    add(R"({"event_type":"invoice.paid","sample":{"n":12345678901234567890}})");
    add(R"({"event_type":"invoice.sent"})");
    auto const id = make_webhook();
    EXPECT_EQ(test(id, R"({"event_type":"invoice.paid"})").status, 200);
    EXPECT_THAT(sent.at(0).event.body,
                HasSubstr(R"({"event_type":"invoice.paid","n":12345678901234567890,"timestamp":)"));
    auto const without = test(id, R"({"event_type":"invoice.sent"})");
    EXPECT_EQ(without.status, 400);
    EXPECT_THAT(message(without), HasSubstr("event_type: has no sample"));
}

TEST_F(webhook_test_call, operational_types_have_samples) {
    auto const id = make_webhook();
    for (std::string const type : {"webhook.disabled", "webhook.failing", "delivery.exhausted", "webhook.test"}) {
        auto const got = test(id, R"({"event_type":")" + type + R"("})");
        EXPECT_EQ(got.status, 200) << got.body;
    }
}

TEST_F(webhook_test_call, what_cannot_be_sent_is_refused) {
    auto const id = make_webhook();
    for (auto const& [body, what] : std::vector<std::pair<std::string, std::string>>{
             {R"({"event_type":"nobody.knows"})", "event_type: is not in the catalogue"},
             {R"({"event_type":"call.*"})", "event_type: must be an event type"},
             {R"({"event_type":7})", "event_type: must be a string"},
             {R"({"type":"call.ended"})", "type: there is no such field"},
             {"[]", "must be a JSON object"},
         }) {
        auto const got = test(id, body);
        EXPECT_EQ(got.status, 400) << body;
        EXPECT_THAT(message(got), HasSubstr(what)) << body;
    }
    call("DELETE", path_of(id));
    EXPECT_EQ(test(id).status, 404);
    EXPECT_TRUE(sent.empty());
}

TEST_F(webhook_test_call, a_repeated_test_is_sent_once) {
    auto const id = make_webhook();
    auto const first = test(id, "", once("t1"));
    auto const again = test(id, "", once("t1"));
    EXPECT_EQ(again.body, first.body);
    EXPECT_EQ(again.header("Idempotency-Replayed"), "true");
    EXPECT_EQ(sent.size(), 1U);
}

/// Nothing is faked: what the daemon does.
struct webhook_test_call_for_real : testing_support::management_fixture {
    webhook_test_call_for_real() {
        settings.egress.allow_http = true;
        settings.egress.allowed_ranges = {"127.0.0.0/8"};
        with.egress = egress::make_client_context(settings.egress, settings.delivery).value();
        with.send_test = [this](dispatch::test_request what) { return send(this, std::move(what)); };
    }
    static task<result<dispatch::test_outcome>> send(webhook_test_call_for_real* self, dispatch::test_request what) {
        auto const ex = co_await asio::this_coro::executor;
        auto const client = egress::make_net_client(ex, self->with.egress);
        dispatch::test_environment const where{.client = client.get(),
                                               .seals = &self->seals,
                                               .time = &system_clock(),
                                               .urls = egress::url_policy_of(*self->with.egress),
                                               .delivery = &self->settings.delivery};
        auto outcome = co_await dispatch::send_test(where, std::move(what));
        co_await client->stop();
        co_return outcome;
    }
};

TEST_F(webhook_test_call_for_real, the_receiver_gets_a_signed_request_and_its_answer_is_told) {
    testing::scripted_receiver receiver(testing::script().answer(418, "no tea", "X-Kind: pot\r\n"));
    auto const url = "http://127.0.0.1:" + std::to_string(receiver.port()) + "/hook";
    auto const made = json(call("POST", "/api/v1/webhooks",
                                R"({"name":"n","url":")" + url + R"(","subscribed_events":["*"],"enabled":false})"));
    auto const got = call("POST", path_of(text(made, "id")) + "/test", R"({"event_type":"call.ended"})");
    ASSERT_EQ(got.status, 200) << got.body;
    auto const shown = json(got);
    EXPECT_EQ(shown.at("delivered"), false);
    EXPECT_EQ(shown.at("status"), 418);
    EXPECT_EQ(text(shown, "error_class"), "http_status");
    EXPECT_EQ(text(shown.at("response").as_object(), "body"), "no tea");
    EXPECT_THAT(got.body, HasSubstr(R"(["X-Kind","pot"])"));

    auto const requests = receiver.requests();
    ASSERT_EQ(requests.size(), 1U);
    EXPECT_EQ(requests[0].header("X-Klen-Delivery-ID"), text(shown, "delivery_id"));
    EXPECT_EQ(text(shown.at("request").as_object(), "body"), requests[0].body);
    auto const secret = signing::secret::parse(text(made, "secret")).value();
    EXPECT_TRUE(signing::verify_klen(secret, requests[0].header("X-Klen-Signature").value_or(""), requests[0].body));
    EXPECT_EQ(db.number("SELECT count(*) FROM attempts"), 0) << "a test is on no record";
}

/// With nothing allowed that is not public. A URL that is refused today may have been taken by another configuration,
/// and a name may lead anywhere.
struct webhook_test_call_to_refused_addresses : webhook_test_call_for_real {
    webhook_test_call_to_refused_addresses() {
        settings.egress.allowed_ranges = {};
        settings.egress.dns_servers = {dns.server()};
        settings.egress.dns_cache_max = settings.egress.dns_negative_cache = std::chrono::milliseconds(0);
        with.egress = egress::make_client_context(settings.egress, settings.delivery).value();
        webhook = make_webhook(); // starts the server
    }

    /// All of the answer but the ids, times and signatures that each call has its own of, and the host that the caller
    /// gave. The rest is as it came, byte for byte.
    std::string answer_of(std::string const& host) {
        auto const url = "http://" + host + ":" + std::to_string(inside.port()) + "/latest/meta-data/";
        db.query("UPDATE webhooks SET url = '" + url + "' WHERE webhook_id = '" + webhook + "'");
        auto const got = call("POST", path_of(webhook) + "/test");
        EXPECT_EQ(got.status, 200) << got.body;
        auto shown = json(got);
        EXPECT_TRUE(shown.at("response").is_null()) << got.body;
        EXPECT_TRUE(shown.at("remote_address").is_null()) << got.body;
        EXPECT_LT(shown.at("duration_ms").as_int64(), 2000) << "as long as a name server takes";
        auto& request = shown.at("request").as_object();
        EXPECT_EQ(text(request, "url"), url);
        shown.at("delivery_id") = "(id)";
        shown.at("duration_ms") = "(time)";
        request.at("url") = "(as given)";
        request.at("body") = "(with its time)";
        for (auto& line : request.at("headers").as_array()) {
            auto const name = line.as_array().at(0).as_string();
            for (char const* own : {"Host", "X-Klen-Signature", "X-Klen-Delivery-ID", "X-Klen-Timestamp", "webhook-id",
                                    "webhook-timestamp", "webhook-signature"})
                if (name == own)
                    line.as_array().at(1) = "(its own)";
        }
        return boost::json::serialize(shown);
    }

    testing::fake_dns dns;
    testing::scripted_receiver inside{testing::script().answer(200, "secret", "X-Secret: 1\r\n").again()};
    std::string webhook;
};

TEST_F(webhook_test_call_to_refused_addresses, says_the_same_for_every_range_and_shows_nothing) {
    auto const expected = answer_of("10.0.0.1");
    EXPECT_THAT(expected, HasSubstr(R"("error_class":"address_not_allowed","message":"The URL leads to an address)"));
    EXPECT_THAT(expected, Not(HasSubstr("10.0.0")));
    int n = 0;
    for (auto const& address : testing::refused_addresses()) {
        EXPECT_EQ(answer_of(testing::as_host(address)), expected) << address;
        auto const name = "n" + std::to_string(n++) + ".test";
        dns.tell(name, {{testing::dns_answer::kind::addresses, {address}, 0, false}});
        EXPECT_EQ(answer_of(name), expected) << name << " -> " << address;
    }
    EXPECT_EQ(inside.connections(), 0);
}

} // namespace
} // namespace klen::webhooks::api
