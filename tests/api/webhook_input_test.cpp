#include "api/webhook_input.hpp"

#include "egress/attempt_text.hpp"

#include "klen/webhooks/base/settings.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace klen::webhooks::api {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pair;

struct webhook_input : testing::Test {
    std::variant<webhook_draft, std::string> read(std::string_view body) { return read_webhook(body, rules); }
    webhook_draft good(std::string_view body) {
        auto out = read(body);
        if (auto const* wrong = std::get_if<std::string>(&out)) {
            ADD_FAILURE() << *wrong;
            return {};
        }
        return std::get<webhook_draft>(out);
    }
    std::string bad(std::string_view body) {
        auto out = read(body);
        return std::holds_alternative<std::string>(out) ? std::get<std::string>(out) : "";
    }
    webhook_patch good_change(std::string_view body) {
        auto out = read_webhook_change(body, rules);
        if (auto const* wrong = std::get_if<std::string>(&out)) {
            ADD_FAILURE() << *wrong << ": " << body;
            return {};
        }
        return std::get<webhook_patch>(out);
    }
    std::string bad_change(std::string_view body) {
        auto out = read_webhook_change(body, rules);
        return std::holds_alternative<std::string>(out) ? std::get<std::string>(out) : "";
    }
    /// With the required members, and these.
    static std::string with(std::string const& members) {
        return R"({"name":"n","url":"https://example.com/h","subscribed_events":["*"])" +
               (members.empty() ? "" : "," + members) + "}";
    }

    egress::address_guard guard = egress::address_guard::create({}, {}).value();
    intake::event_catalogue catalogue{{}};
    webhook_rules rules{.urls = {},
                        .addresses = &guard,
                        .catalogue = &catalogue,
                        .allow_unknown_event_types = false,
                        .header_prefix = "X-Klen-",
                        .limits = default_config().webhooks};
};

TEST_F(webhook_input, everything_that_was_given_is_read) {
    auto const draft =
        good(R"({"name":"Ä","url":"https://Example.COM:443/h?x=1","subscribed_events":["call.*","calendar.created"],
        "description":"two\nlines","headers":{"X-Shop":"a b","Authorization":"Basic eA=="},
        "metadata":{"n":12345678901234567890},"enabled":false,"max_rate_per_second":5,"max_concurrency":2,"account_id":"a"})");
    auto const& w = draft.row;
    EXPECT_EQ(w.name, "Ä");
    EXPECT_EQ(w.url, "https://example.com/h?x=1");
    EXPECT_THAT(w.subscribed_events, ElementsAre("call.*", "calendar.created"));
    EXPECT_EQ(w.description, "two\nlines");
    EXPECT_THAT(w.headers, ElementsAre(Pair("X-Shop", "a b"), Pair("Authorization", "Basic eA==")));
    EXPECT_EQ(w.metadata, R"({"n":12345678901234567890})");
    EXPECT_FALSE(w.enabled);
    EXPECT_EQ(w.max_rate_per_second, 5);
    EXPECT_EQ(w.max_concurrency, 2);
    EXPECT_EQ(draft.account_id, "a");
}

TEST_F(webhook_input, what_is_not_given_has_its_default) {
    auto const draft = good(with(R"("description":null,"headers":null)"));
    EXPECT_TRUE(draft.row.enabled);
    EXPECT_EQ(draft.row.metadata, "{}");
    EXPECT_TRUE(draft.row.headers.empty());
    EXPECT_FALSE(draft.row.max_concurrency);
    EXPECT_FALSE(draft.account_id);
}

TEST_F(webhook_input, all_wrong_fields_are_named_in_one_message) {
    auto const message =
        bad(R"({"url":"ftp://x","subscribed_events":[],"enabled":1,"max_concurrency":0,"secert":"x"})");
    for (char const* field : {"name: is missing", "url: ", "subscribed_events: ", "enabled: ", "max_concurrency: ",
                              "secert: there is no such field"})
        EXPECT_THAT(message, HasSubstr(field));
}

TEST_F(webhook_input, each_wrong_value_is_named) {
    std::string many = R"("call.ended")";
    for (int i = 0; i < 100; ++i)
        many += R"(,"call.ended")";
    std::string headers;
    for (int i = 0; i < 21; ++i)
        headers += (i == 0 ? "\"X-" : ",\"X-") + std::to_string(i) + R"(":"v")";
    struct wrong {
        std::string body;
        char const* message;
    };
    for (auto const& [body, message] : {
             wrong{with(R"("name":"a")"), "duplicate key"},
             wrong{R"({"name":"","url":"https://example.com","subscribed_events":["*"]})", "name: must be 1 to 200"},
             wrong{R"({"name":"a\u0000","url":"https://example.com","subscribed_events":["*"]})", "name: must not"},
             wrong{R"({"name":"a","url":7,"subscribed_events":["*"]})", "url: must be a string"},
             wrong{R"({"name":"a","url":"http://example.com","subscribed_events":["*"]})", "url: "},
             wrong{R"({"name":"a","url":"https://u:p@example.com","subscribed_events":["*"]})", "url: "},
             wrong{R"({"name":"a","url":"https://localhost/","subscribed_events":["*"]})", "url: "},
             wrong{R"({"name":"a","url":"https://127.0.0.1/","subscribed_events":["*"]})", "url: The URL leads to"},
             wrong{R"({"name":"a","url":"https://[::ffff:10.0.0.1]/","subscribed_events":["*"]})", "url: "},
             wrong{R"({"name":"a","url":"https://169.254.169.254/","subscribed_events":["*"]})", "url: The URL leads"},
             wrong{R"({"name":"a","url":"https://example.com","subscribed_events":"*"})", "subscribed_events: "},
             wrong{R"({"name":"a","url":"https://example.com","subscribed_events":["call.endet"]})", "call.ended"},
             wrong{R"({"name":"a","url":"https://example.com","subscribed_events":["cal.*"]})", "subscribed_events[0]"},
             wrong{R"({"name":"a","url":"https://example.com","subscribed_events":["call.ended","call.ended"]})",
                   "subscribed_events[1]: is there twice"},
             wrong{R"({"name":"a","url":"https://example.com","subscribed_events":["*",7]})", "subscribed_events[1]"},
             wrong{R"({"name":"a","url":"https://example.com","subscribed_events":[)" + many + "]}", "1 to 100"},
             wrong{with(R"("description":")" + std::string(2001, 'x') + "\""), "description: "},
             wrong{with(R"("headers":[])"), "headers: must be an object"},
             wrong{with(R"("headers":{)" + headers + "}"), "headers: at most 20"},
             wrong{with(R"("headers":{"X-A":")" + std::string(4096, 'x') + "\"}"), "headers: are longer"},
             wrong{with(R"("headers":{"X A":"b"})"), "\" is no header name"},
             wrong{with(R"("headers":{"":"b"})"), "\" is no header name"},
             wrong{with(R"("headers":{"X-A":7})"), "headers.X-A: must be a string"},
             wrong{with(R"("headers":{"X-A":"b\r\nHost: evil"})"), "headers.X-A: may have visible"},
             wrong{with(R"("headers":{"X-A":"\u0000"})"), "headers.X-A: "},
             wrong{with(R"("headers":{"X-A":"ä"})"), "headers.X-A: "},
             wrong{with(R"("headers":{"X-A":" b"})"), "headers.X-A: "},
             wrong{with(R"("headers":{"X-A":"a\tb"})"), "headers.X-A: may have visible"},
             wrong{with(R"("headers":{"X-A":"b","x-a":"c"})"), "headers.x-a: is there twice"},
             wrong{with(R"("headers":{"host":"b"})"), "headers.host: is reserved"},
             wrong{with(R"("headers":{"Content-Length":"7"})"), "headers.Content-Length: is reserved"},
             wrong{with(R"("headers":{"x-klen-signature":"7"})"), "is reserved"},
             wrong{with(R"("headers":{"webhook-id":"7"})"), "is reserved"},
             wrong{with(R"("metadata":[])"), "metadata: must be an object"},
             wrong{with(R"("metadata":{"a":")" + std::string(4096, 'x') + "\"}"), "metadata: "},
             wrong{with(R"("metadata":{"a":{"b":["\u0000"]}})"), "metadata: must not contain U+0000"},
             wrong{with(R"("max_rate_per_second":0)"), "max_rate_per_second: "},
             wrong{with(R"("max_rate_per_second":1.5)"), "max_rate_per_second: "},
             wrong{with(R"("max_concurrency":10001)"), "max_concurrency: "},
             wrong{with(R"("disabled_note":"x")"), "disabled_note: goes with"},
             wrong{with(R"("enabled":false,"disabled_note":")" + std::string(501, 'x') + "\""), "disabled_note: must"},
             wrong{with(R"("secret":7)"), "secret: must be whsec_"},
         })
        EXPECT_THAT(bad(body), HasSubstr(message)) << body;
}

TEST_F(webhook_input, a_refused_address_is_explained_as_at_delivery) {
    auto const message = bad(R"({"name":"a","url":"https://10.0.0.1/","subscribed_events":["*"]})");
    EXPECT_EQ(message, "url: " + egress::address_not_allowed().message);
}

TEST_F(webhook_input, what_listens_here_is_refused_as_such_where_the_range_is_allowed) {
    constexpr char const* body = R"({"name":"a","url":"https://127.0.0.1:8443/","subscribed_events":["*"]})";
    guard = egress::address_guard::create({"127.0.0.0/8"}, {}).value();
    ASSERT_TRUE(guard.refuse({{"127.0.0.1", 8443}}));
    EXPECT_EQ(bad(body), "url: " + egress::endpoint_not_allowed().message);
    guard = egress::address_guard::create({}, {}).value();
    ASSERT_TRUE(guard.refuse({{"127.0.0.1", 8443}}));
    EXPECT_EQ(bad(body), "url: " + egress::address_not_allowed().message) << "nobody maps a network by it";
}

TEST_F(webhook_input, an_allowed_range_may_be_named) {
    guard = egress::address_guard::create({"127.0.0.0/8"}, {}).value();
    good(R"({"name":"a","url":"https://127.0.0.1/","subscribed_events":["*"]})");
}

TEST_F(webhook_input, unknown_event_types_may_be_named_when_config_says_so) {
    rules.allow_unknown_event_types = true;
    good(R"({"name":"a","url":"https://example.com","subscribed_events":["fax.arrived","sms.*"]})");
    EXPECT_NE(bad(R"({"name":"a","url":"https://example.com","subscribed_events":["Fax"]})"), "");
}

TEST_F(webhook_input, a_change_holds_what_was_given_and_nothing_else) {
    auto const none = good_change("{}");
    EXPECT_FALSE(none.set.name || none.set.url || none.set.description || none.set.subscribed_events ||
                 none.set.headers || none.set.metadata || none.set.max_concurrency || none.set.max_rate_per_second ||
                 none.set.enabled || none.set.disabled_note || none.leads_to);
    auto const some =
        good_change(R"({"url":"https://Example.org/a","headers":{},"enabled":false,"disabled_note":"why"})");
    EXPECT_EQ(some.set.url, "https://example.org/a");
    EXPECT_EQ(some.leads_to->host, "example.org");
    EXPECT_TRUE(some.set.headers && some.set.headers->empty());
    EXPECT_EQ(some.set.enabled, false);
    EXPECT_EQ(some.set.disabled_note, "why");
    EXPECT_FALSE(some.set.name);
}

TEST_F(webhook_input, null_takes_a_limit_away_and_nothing_else) {
    auto const change = good_change(R"({"max_concurrency":null,"max_rate_per_second":7})");
    ASSERT_TRUE(change.set.max_concurrency);
    EXPECT_FALSE(*change.set.max_concurrency);
    EXPECT_EQ(change.set.max_rate_per_second, std::optional<int>(7));
    EXPECT_FALSE(good(with(R"("max_concurrency":null)")).row.max_concurrency);
    for (char const* field :
         {"name", "url", "subscribed_events", "description", "headers", "metadata", "enabled", "disabled_note"}) {
        auto const body = R"({")" + std::string(field) + R"(":null})";
        EXPECT_THAT(bad_change(body), HasSubstr(std::string(field) + ": must be")) << body;
    }
}

TEST_F(webhook_input, a_change_follows_the_rules_of_create) {
    struct wrong {
        std::string body;
        char const* message;
    };
    for (auto const& [body, message] : {
             wrong{R"({"name":""})", "name: must be 1 to 200"},
             wrong{R"({"url":"https://10.0.0.1/"})", "url: The URL leads to"},
             wrong{R"({"subscribed_events":[]})", "subscribed_events: must be an array of 1 to 100"},
             wrong{R"({"headers":{"Host":"x"}})", "headers.Host: is reserved"},
             wrong{R"({"metadata":[]})", "metadata: must be an object"},
             wrong{R"({"max_concurrency":0})", "max_concurrency: "},
             wrong{R"({"enabled":true,"disabled_note":"x"})", "disabled_note: goes with"},
             wrong{R"({"account_id":"a"})", "account_id: is read-only"},
             wrong{R"({"secret":"whsec_x"})", "secret: is changed by POST /api/v1/webhooks/{id}/rotate-secret"},
             wrong{R"({"id":"x"})", "id: is read-only"},
             wrong{R"({"created":"x"})", "created: there is no such field"},
             wrong{R"({"headers":{"Bad Name":"c"}})", "headers: \"Bad Name\" is no header name"},
             wrong{R"({"subscribed_events":["a,b"]})", "subscribed_events[0]: \"a,b\" must be an event type"},
             wrong{"[]", "must be a JSON object"},
             wrong{"", ""},
         })
        EXPECT_THAT(bad_change(body), HasSubstr(message)) << body;
    EXPECT_NE(bad_change(""), "");
}

TEST_F(webhook_input, the_limits_are_the_configured_ones) {
    rules.limits.subscriptions_max = 1;
    rules.limits.headers_max = 1;
    rules.limits.headers_bytes_max = 10;
    rules.limits.metadata_bytes_max = 9;
    EXPECT_THAT(bad(R"({"name":"a","url":"https://example.com","subscribed_events":["call.*","*"]})"),
                HasSubstr("1 to 1 event types"));
    EXPECT_THAT(bad(with(R"("headers":{"A":"b","C":"d"})")), HasSubstr("headers: at most 1 are"));
    EXPECT_THAT(bad(with(R"("headers":{"A":"123456"})")), HasSubstr("longer than 10 bytes"));
    EXPECT_EQ(good(with(R"("headers":{"A":"12345"})")).row.headers.size(), 1U);
    EXPECT_EQ(good(with(R"("metadata":{"a":123})")).row.metadata, R"({"a":123})");
    EXPECT_THAT(bad(with(R"("metadata":{"a":1234})")), HasSubstr("at most 9 bytes"));
}

TEST_F(webhook_input, a_callers_secret_is_taken_when_it_is_long_enough) {
    std::string const bytes_24 = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    EXPECT_EQ(good(with(R"("secret":")" + bytes_24 + "\"")).secret->text(), bytes_24);
    EXPECT_FALSE(good(with("")).secret);
    EXPECT_FALSE(good(with(R"("secret":null)")).secret);
    rules.limits.secret_bytes_min = 25;
    auto const message = bad(with(R"("secret":")" + bytes_24 + "\""));
    EXPECT_THAT(message, HasSubstr("secret: must be whsec_ and base64 of 25 to 64 random bytes"));
}

TEST_F(webhook_input, a_refused_secret_is_not_repeated) {
    for (char const* secret : {"hunter2hunter2", "whsec_aHVudGVyMg==", "whsec_hunter2hunter2hunter2hunter2!!",
                               "WHSEC_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}) {
        auto const message = bad(with(R"("secret":")" + std::string(secret) + "\""));
        EXPECT_THAT(message, HasSubstr("secret: must be whsec_"));
        EXPECT_THAT(message, testing::Not(HasSubstr("unter")));
        EXPECT_THAT(message, testing::Not(HasSubstr(secret)));
    }
}

TEST_F(webhook_input, a_name_is_judged_by_where_it_leads_later) {
    auto const draft = good(with(""));
    EXPECT_EQ(draft.leads_to.host, "example.com");
    EXPECT_FALSE(draft.leads_to.host_is_address);
}

} // namespace
} // namespace klen::webhooks::api
