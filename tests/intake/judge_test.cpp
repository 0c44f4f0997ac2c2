#include "intake/fake_event_writer.hpp"

#include "klen/webhooks/intake/intake.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace klen::webhooks::intake {
namespace {

using testing::HasSubstr;
using testing::StartsWith;
using kind = refusal::kind;

struct judge : testing::Test {
    static intake_config limits() {
        intake_config out;
        out.payload_bytes_max = 200;
        out.json_depth_max = 16;
        return out;
    }
    std::variant<store::new_event, refusal> operator()(std::string_view json,
                                                       std::optional<std::string> account = std::nullopt) {
        return intake(config, writer, catalogue).judge({std::move(account)}, json);
    }
    std::variant<store::new_event, refusal> with_default_id(std::string_view json, std::string id) {
        return intake(config, writer, catalogue).judge({"acct"}, json, std::move(id));
    }
    std::variant<store::new_event, refusal> by_the_service(std::string_view json) {
        return intake(config, writer, catalogue).judge({std::nullopt, true}, json);
    }
    store::new_event accepted(std::string_view json, std::optional<std::string> account = std::nullopt) {
        auto out = (*this)(json, std::move(account));
        if (auto const* no = std::get_if<refusal>(&out)) {
            ADD_FAILURE() << no->message << "\n" << json;
            return {};
        }
        return std::get<store::new_event>(out);
    }
    refusal refused(std::string_view json, std::optional<std::string> account = std::nullopt) {
        auto out = (*this)(json, std::move(account));
        if (auto const* no = std::get_if<refusal>(&out))
            return *no;
        ADD_FAILURE() << "accepted: " << json;
        return {};
    }

    intake_config config = limits();
    event_catalogue catalogue{{}};
    testing_support::fake_event_writer writer;
};

constexpr char const* whole =
    R"({"account_id":"acct_1","event_type":"call.ended","payload":{"call":{"id":7}},"id":"k1",)"
    R"("timestamp":"2026-03-02T09:18:41Z","traceparent":"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"})";

TEST_F(judge, everything_that_was_given_is_kept) {
    auto const made = accepted(whole);
    EXPECT_EQ(made.event->account_id, "acct_1");
    EXPECT_EQ(made.event->event_type, "call.ended");
    EXPECT_EQ(made.event->body, R"({"event_type":"call.ended","call":{"id":7},"timestamp":"2026-03-02T09:18:41Z"})");
    EXPECT_EQ(made.event->traceparent, "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
    EXPECT_EQ(made.idempotency_key, "k1");
    EXPECT_FALSE(made.event->id.value.is_nil());
}

TEST_F(judge, a_missing_time_is_the_time_of_acceptance) {
    auto const body = accepted(R"({"account_id":"a","event_type":"call.ended","payload":{}})").event->body;
    EXPECT_THAT(body,
                testing::MatchesRegex(R"(\{"event_type":"call.ended","timestamp":"20..-..-..T..:..:..\....Z"\})"));
}

TEST_F(judge, an_account_key_publishes_for_its_own_account) {
    EXPECT_EQ(accepted(R"({"event_type":"call.ended","payload":{}})", "mine").event->account_id, "mine");
    EXPECT_EQ(accepted(R"({"account_id":"mine","event_type":"call.ended","payload":{}})", "mine").event->account_id,
              "mine");
    EXPECT_EQ(refused(R"({"account_id":"other","event_type":"call.ended","payload":{}})", "mine").why, kind::forbidden);
}

TEST_F(judge, each_wrong_member_is_named) {
    struct wrong {
        char const* json;
        char const* field;
        kind why = kind::invalid;
    };
    for (auto const& [json, field, why] : {
             wrong{R"({"event_type":"call.ended","payload":{}})", "account_id: "},
             wrong{R"({"account_id":"","event_type":"call.ended","payload":{}})", "account_id: "},
             wrong{R"({"account_id":"a b","event_type":"call.ended","payload":{}})", "account_id: "},
             wrong{R"({"account_id":7,"event_type":"call.ended","payload":{}})", "account_id: "},
             wrong{R"({"account_id":"a","payload":{}})", "event_type: "},
             wrong{R"({"account_id":"a","event_type":"Call Ended","payload":{}})", "event_type: "},
             wrong{R"({"account_id":"a","event_type":"call.endet","payload":{}})", "event_type: "},
             wrong{R"({"account_id":"a","event_type":"webhook.test","payload":{}})", "event_type: "},
             wrong{R"({"account_id":"a","event_type":"call.ended"})", "payload: "},
             wrong{R"({"account_id":"a","event_type":"call.ended","payload":[]})", "payload"},
             wrong{R"({"account_id":"a","event_type":"call.ended","payload":{"timestamp":1}})", "payload.timestamp"},
             wrong{R"({"account_id":"a","event_type":"call.ended","payload":{},"id":""})", "id: "},
             wrong{R"({"account_id":"a","event_type":"call.ended","payload":{},"id":"a\u0007"})", "id: "},
             wrong{R"({"account_id":"a","event_type":"call.ended","payload":{},"timestamp":""})", "timestamp: "},
             wrong{R"({"account_id":"a","event_type":"call.ended","payload":{},"timestamp":"today"})", "timestamp: "},
             wrong{R"({"account_id":"a","event_type":"call.ended","payload":{},"traceparent":"00-1-2-3"})",
                   "traceparent: "},
             wrong{R"({"account_id":"a","event_type":"call.ended","payload":{},"acount":"a"})", "acount"},
             wrong{R"({"account_id":"a","event_type":"call.ended","payload":{"n":1,"n":2}})", "line 1, column"},
             wrong{R"(["not an object"])", ""},
             wrong{"", "line 1, column 1"},
         }) {
        auto const no = refused(json);
        EXPECT_EQ(no.why, why) << json;
        EXPECT_THAT(no.message, StartsWith(field)) << json;
    }
}

TEST_F(judge, a_payload_over_the_limit_is_too_large) {
    auto const with_payload_of = [](std::size_t bytes) {
        return R"({"account_id":"a","event_type":"call.ended","payload":{"x":")" + std::string(bytes - 8, 'x') + "\"}}";
    };
    accepted(with_payload_of(200));
    auto const no = refused(with_payload_of(201));
    EXPECT_EQ(no.why, kind::too_large);
    EXPECT_THAT(no.message, StartsWith("payload: "));
    EXPECT_THAT(no.message, HasSubstr("200"));
}

TEST_F(judge, unknown_types_are_accepted_when_config_says_so_but_not_malformed_ones) {
    config.allow_unknown_event_types = true;
    accepted(R"({"account_id":"a","event_type":"fax.arrived","payload":{}})");
    EXPECT_EQ(refused(R"({"account_id":"a","event_type":"fax","payload":{}})").why, kind::invalid);
    EXPECT_EQ(refused(R"({"account_id":"a","event_type":"webhook.test","payload":{}})").why, kind::invalid);
}

TEST_F(judge, operational_types_are_published_by_the_service_alone) {
    catalogue.replace({"call.ended"}); // whatever the catalogue says
    for (bool const allow_unknown : {false, true})
        for (std::string const type : {"webhook.disabled", "webhook.failing", "delivery.exhausted"}) {
            config.allow_unknown_event_types = allow_unknown;
            auto const json = R"({"account_id":"platform","event_type":")" + type + R"(","payload":{}})";
            for (std::optional<std::string> const& account : {std::optional<std::string>(), {"platform"}}) {
                auto const no = refused(json, account);
                EXPECT_EQ(no.why, kind::invalid);
                EXPECT_EQ(no.message, "event_type: " + type + " is published by the service itself only");
            }
            auto const made = by_the_service(json);
            ASSERT_TRUE(std::holds_alternative<store::new_event>(made)) << type;
            EXPECT_EQ(std::get<store::new_event>(made).event->event_type, type);
        }
}

TEST_F(judge, nobody_publishes_the_test_call_s_type) {
    catalogue.replace({"webhook.test"});
    auto const made = by_the_service(R"({"account_id":"platform","event_type":"webhook.test","payload":{}})");
    ASSERT_TRUE(std::holds_alternative<refusal>(made));
    EXPECT_EQ(std::get<refusal>(made).why, kind::invalid);
}

TEST_F(judge, the_service_is_judged_like_others_otherwise) {
    for (auto const* json : {R"({"event_type":"webhook.failing","payload":{}})",
                             R"({"account_id":"platform","event_type":"webhook.failing"})",
                             R"({"account_id":"platform","event_type":"fax.arrived","payload":{}})"})
        EXPECT_TRUE(std::holds_alternative<refusal>(by_the_service(json))) << json;
}

TEST_F(judge, an_id_beside_the_json_counts_where_the_json_has_none) {
    auto const id_of = [](std::variant<store::new_event, refusal> const& made) {
        auto const* event = std::get_if<store::new_event>(&made);
        return event != nullptr ? event->idempotency_key.value_or("none") : std::get<refusal>(made).message;
    };
    constexpr auto without = R"({"event_type":"call.ended","payload":{"n":1}})";
    constexpr auto with = R"({"event_type":"call.ended","payload":{"n":1},"id":"k"})";
    EXPECT_EQ(id_of((*this)(without, "acct")), "none");
    EXPECT_EQ(id_of(with_default_id(without, "k")), "k");
    EXPECT_EQ(id_of(with_default_id(with, "k")), "k");
    EXPECT_THAT(id_of(with_default_id(with, "other")), HasSubstr("id: differs from the Idempotency-Key header"));
    EXPECT_THAT(id_of(with_default_id(without, "")), HasSubstr("id: must be 1 to 256 characters"));
    // Said here or there, it is the same event.
    EXPECT_EQ(std::get<store::new_event>(with_default_id(without, "k")).content_hash,
              std::get<store::new_event>((*this)(with, "acct")).content_hash);
}

TEST_F(judge, a_repeat_has_the_same_content_hash_however_it_is_written) {
    auto const hash = [&](std::string_view json) { return accepted(json).content_hash; };
    auto const first = hash(R"({"account_id":"a","event_type":"call.ended","payload":{"n":1},"id":"k"})");
    EXPECT_EQ(first, hash(R"( {"id":"k","payload":{ "n" : 1.0 },"event_type":"call.ended","account_id":"a"} )"));
    EXPECT_NE(first, hash(R"({"account_id":"a","event_type":"call.ended","payload":{"n":2},"id":"k"})"));
    EXPECT_NE(first, hash(R"({"account_id":"a","event_type":"call.failed","payload":{"n":1},"id":"k"})"));
    EXPECT_NE(first, hash(R"({"account_id":"b","event_type":"call.ended","payload":{"n":1},"id":"k"})"));
    EXPECT_NE(first, hash(R"({"account_id":"a","event_type":"call.ended","payload":{"n":1},"id":"k",)"
                          R"("timestamp":"2026-03-02T09:18:41Z"})"));
}

} // namespace
} // namespace klen::webhooks::intake
