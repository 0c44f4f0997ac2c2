// What the arguments of each command become on the wire: against a server that writes down what it is asked.

#include "app/recording_api.hpp"
#include "app/run_line.hpp"
#include "klen/webhooks/app/application.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include <unistd.h>

namespace klen::webhooks::app {
namespace {

namespace fs = std::filesystem;

constexpr char const* job = R"({"id":"j1","state":"done","examined":3,"changed":2})";

class requests_test : public testing::Test {
  protected:
    void SetUp() override {
        auto name = (fs::temp_directory_path() / "klen-requests-XXXXXX").string();
        ASSERT_NE(mkdtemp(name.data()), nullptr);
        dir_ = name;
    }
    void TearDown() override {
        unsetenv("KLEN_WEBHOOKS_ACCOUNT");
        fs::remove_all(dir_);
    }

    std::string file(std::string const& name, std::string const& text) {
        auto path = (dir_ / name).string();
        std::ofstream(path, std::ios::binary) << text;
        return path;
    }

    outcome call(std::vector<std::string> words) {
        words.insert(words.end(), {"--api", api_.url(), "--key", "klen_k"});
        return run_line(std::move(words));
    }

    /// The one request that a command line makes.
    recording_api::asked request_of(std::vector<std::string> const& words) {
        auto const done = call(words);
        auto const asked = api_.take();
        if (asked.size() != 1) {
            ADD_FAILURE() << testing::PrintToString(words) << " asked " << asked.size() << " times: " << done.err;
            return {};
        }
        EXPECT_EQ(asked.front().headers.at("authorization"), "Bearer klen_k");
        return asked.front();
    }

    recording_api api_;
    fs::path dir_;
};

TEST_F(requests_test, every_command_asks_for_what_it_says) {
    struct expected {
        std::vector<std::string> words;
        std::string method;
        std::string target;
        std::string body;
    };
    auto const payload = file("payload.json", R"({ "order" : {"id": 12345678901234567890} })");
    auto const secret = file("own.secret", "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=\n");
    std::vector<expected> const table{
        {{"webhook",
          "create",
          "https://x.example/h?a=1",
          "--name",
          "n \"1\"",
          "--event",
          "call.*",
          "--event",
          "*",
          "--header",
          "X-Team: blue",
          "--metadata",
          "{ \"n\": 12345678901234567890 }",
          "--max-concurrency",
          "4",
          "--max-rate",
          "none",
          "--description",
          "d",
          "--disabled",
          "--note",
          "later",
          "--account",
          "a/b",
          "--use-secret-file",
          secret},
         "POST",
         "/api/v1/webhooks?account_id=a%2Fb",
         R"({"name":"n \"1\"","url":"https://x.example/h?a=1","subscribed_events":["call.*","*"],"description":"d",)"
         R"("headers":{"X-Team":"blue"},"metadata":{"n":12345678901234567890},"enabled":false,)"
         R"("disabled_note":"later","max_concurrency":4,"max_rate_per_second":null,)"
         R"("secret":"whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="})"},
        {{"webhook", "list"}, "GET", "/api/v1/webhooks", ""},
        {{"webhook", "list", "--enabled", "--event-type", "call.ended", "--search", "a&b c", "--page", "2", "--limit",
          "7", "--account", "acct_1"},
         "GET",
         "/api/v1/webhooks?account_id=acct_1&enabled=true&event_type=call.ended&q=a%26b%20c&page=2&limit=7",
         ""},
        {{"webhook", "list", "--disabled"}, "GET", "/api/v1/webhooks?enabled=false", ""},
        {{"webhook", "show", "w1"}, "GET", "/api/v1/webhooks/w1", ""},
        {{"webhook", "show", "../a?b"}, "GET", "/api/v1/webhooks/..%2Fa%3Fb", ""},
        {{"webhook", "update", "w1", "--endpoint", "https://y.example/", "--no-headers", "--enable", "--description",
          ""},
         "PATCH",
         "/api/v1/webhooks/w1",
         R"({"url":"https://y.example/","description":"","headers":{},"enabled":true})"},
        {{"webhook", "update", "w1", "--event", "call.ended", "--header", "A:b", "--disable", "--note", "moving"},
         "PATCH",
         "/api/v1/webhooks/w1",
         R"({"subscribed_events":["call.ended"],"headers":{"A":"b"},"enabled":false,"disabled_note":"moving"})"},
        {{"webhook", "enable", "w1"}, "POST", "/api/v1/webhooks/w1/enable", ""},
        {{"webhook", "disable", "w1"}, "POST", "/api/v1/webhooks/w1/disable", ""},
        {{"webhook", "disable", "w1", "--note", "moving"},
         "POST",
         "/api/v1/webhooks/w1/disable",
         R"({"note":"moving"})"},
        {{"webhook", "delete", "w1", "--account", "a"}, "DELETE", "/api/v1/webhooks/w1?account_id=a", ""},
        {{"webhook", "secret", "w1"}, "GET", "/api/v1/webhooks/w1/secret", ""},
        {{"webhook", "rotate-secret", "w1"}, "POST", "/api/v1/webhooks/w1/rotate-secret", "{}"},
        {{"webhook", "rotate-secret", "w1", "--grace", "1.5"},
         "POST",
         "/api/v1/webhooks/w1/rotate-secret",
         R"({"grace_period_hours":1.5})"},
        {{"webhook", "rotate-secret", "w1", "--grace", "0", "--use-secret-file", secret},
         "POST",
         "/api/v1/webhooks/w1/rotate-secret",
         R"({"secret":"whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=","grace_period_hours":0})"},
        {{"webhook", "test", "w1"}, "POST", "/api/v1/webhooks/w1/test", ""},
        {{"webhook", "test", "w1", "--event-type", "call.ended"},
         "POST",
         "/api/v1/webhooks/w1/test",
         R"({"event_type":"call.ended"})"},
        {{"webhook", "recover", "w1", "--since", "2026-03-02T09:00:00Z", "--until", "2026-03-02T10:00:00Z",
          "--never-attempted"},
         "POST",
         "/api/v1/webhooks/w1/recover",
         R"({"since":"2026-03-02T09:00:00Z","until":"2026-03-02T10:00:00Z","never_attempted":true})"},
        {{"webhook", "cancel-pending", "w1"}, "POST", "/api/v1/webhooks/w1/cancel-pending", ""},
        {{"webhook", "jobs", "w1", "--limit", "3"}, "GET", "/api/v1/webhooks/w1/jobs?limit=3", ""},
        {{"job", "show", "j1", "--account", "a"}, "GET", "/api/v1/jobs/j1?account_id=a", ""},
        {{"delivery",      "list",
          "--webhook",     "w1",
          "--status",      "failed,pending",
          "--status",      "cancelled",
          "--event-type",  "call.ended",
          "--error-class", "timeout",
          "--since",       "2026-03-02T09:00:00+01:00",
          "--until",       "2026-03-03T00:00:00Z",
          "--cursor",      "abc",
          "--limit",       "5"},
         "GET",
         "/api/v1/webhooks/w1/deliveries?status=failed%2Cpending%2Ccancelled&error_class=timeout&event_type=call.ended"
         "&since=2026-03-02T09%3A00%3A00%2B01%3A00&until=2026-03-03T00%3A00%3A00Z&cursor=abc&limit=5",
         ""},
        {{"delivery", "list", "--event", "e1", "--status", "failed", "--error-class", "timeout"},
         "GET",
         "/api/v1/events/e1/deliveries?status=failed&error_class=timeout",
         ""},
        {{"delivery", "list", "--event", "e1", "--cursor", "c", "--limit", "5"},
         "GET",
         "/api/v1/events/e1/deliveries?cursor=c&limit=5",
         ""},
        {{"delivery", "show", "d1"}, "GET", "/api/v1/deliveries/d1", ""},
        {{"delivery", "show", "d1", "--cursor", "c", "--limit", "100"},
         "GET",
         "/api/v1/deliveries/d1?cursor=c&limit=100",
         ""},
        {{"delivery", "resend", "d1"}, "POST", "/api/v1/deliveries/d1/resend", ""},
        {{"delivery", "cancel", "d1"}, "POST", "/api/v1/deliveries/d1/cancel", ""},
        {{"event", "list", "--event-type", "call.ended", "--since", "2026-03-02T09:00:00Z", "--until",
          "2026-03-02T10:00:00Z", "--cursor", "c", "--limit", "9"},
         "GET",
         "/api/v1/events?event_type=call.ended&since=2026-03-02T09%3A00%3A00Z&until=2026-03-02T10%3A00%3A00Z"
         "&cursor=c&limit=9",
         ""},
        {{"event", "show", "e1"}, "GET", "/api/v1/events/e1", ""},
        {{"event", "show", "e1", "--cursor", "c", "--limit", "7"}, "GET", "/api/v1/events/e1?cursor=c&limit=7", ""},
        {{"event-type", "list", "--page", "2"}, "GET", "/api/v1/event-types?page=2", ""},
        {{"event-type", "show", "call.ended"}, "GET", "/api/v1/event-types/call.ended", ""},
        {{"event-type", "create", "order.paid", "--description", "An order was paid.", "--sample-file", payload},
         "POST",
         "/api/v1/event-types",
         R"({"event_type":"order.paid","description":"An order was paid.","sample":{"order":{"id":12345678901234567890}}})"},
        {{"event-type", "update", "order.paid", "--description", ""},
         "PATCH",
         "/api/v1/event-types/order.paid",
         R"({"description":""})"},
        {{"event-type", "delete", "order.paid"}, "DELETE", "/api/v1/event-types/order.paid", ""},
        {{"key", "create", "--name", "n", "--account", "a", "--permission", "read", "--permission", "publish",
          "--max-requests", "5"},
         "POST",
         "/api/v1/keys",
         R"({"name":"n","account_id":"a","permissions":["read","publish"],"max_requests_per_second":5})"},
        {{"key", "create", "--name", "n", "--platform"}, "POST", "/api/v1/keys", R"({"name":"n","platform":true})"},
        {{"key", "create", "--name", "n"}, "POST", "/api/v1/keys", R"({"name":"n"})"},
        {{"key", "list", "--account", "a", "--page", "3", "--limit", "2"},
         "GET",
         "/api/v1/keys?account_id=a&page=3&limit=2",
         ""},
        {{"key", "show", "k1"}, "GET", "/api/v1/keys/k1", ""},
        {{"key", "revoke", "k1"}, "DELETE", "/api/v1/keys/k1", ""},
        {{"whoami"}, "GET", "/api/v1/whoami", ""}};
    for (auto const& line : table) {
        auto const got = request_of(line.words);
        SCOPED_TRACE(testing::PrintToString(line.words));
        EXPECT_EQ(got.method, line.method);
        EXPECT_EQ(got.target, line.target);
        EXPECT_EQ(got.body, line.body);
        EXPECT_FALSE(got.headers.contains("idempotency-key"));
    }
}

TEST_F(requests_test, the_daemon_is_called_url_as_well) {
    auto const done = run_line({"delivery", "show", "d1", "--url", api_.url(), "--key", "klen_k"});
    EXPECT_EQ(done.code, exit_ok) << done.err;
    EXPECT_EQ(api_.take().size(), 1U);
}

TEST_F(requests_test, a_key_is_never_sent_to_what_may_be_meant_as_the_webhooks_url) {
    for (auto words : std::vector<std::vector<std::string>>{
             {"webhook", "update", "w1"},
             {"webhook", "update", "w1", "--name", "n"},
             {"webhook", "create", "--name", "n", "--event", "*"},
             {"webhook", "create", "https://x.example/", "--name", "n", "--event", "*"}}) {
        words.insert(words.end(), {"--url", api_.url(), "--key", "klen_k"});
        auto const done = run_line(words);
        EXPECT_EQ(done.code, exit_usage) << testing::PrintToString(words);
        EXPECT_NE(done.err.find("--api"), std::string::npos) << done.err;
        auto const* const other = words[1] == "update" ? "--endpoint" : "without an option";
        EXPECT_NE(done.err.find(other), std::string::npos) << done.err;
    }
    EXPECT_TRUE(api_.take().empty());
}

TEST_F(requests_test, the_variable_names_the_account_where_no_option_does) {
    setenv("KLEN_WEBHOOKS_ACCOUNT", "acct_v", 1);
    auto const target = [this](std::vector<std::string> const& words) { return request_of(words).target; };
    EXPECT_EQ(target({"delivery", "show", "d1"}), "/api/v1/deliveries/d1?account_id=acct_v");
    EXPECT_EQ(target({"webhook", "list"}), "/api/v1/webhooks?account_id=acct_v");
    EXPECT_EQ(target({"webhook", "list", "--account", "acct_o"}), "/api/v1/webhooks?account_id=acct_o");
    EXPECT_EQ(target({"webhook", "list", "--account", ""}), "/api/v1/webhooks");
    // These are about no account, or name the one that a key is made for.
    EXPECT_EQ(target({"whoami"}), "/api/v1/whoami");
    EXPECT_EQ(target({"event-type", "show", "a.b"}), "/api/v1/event-types/a.b");
    EXPECT_EQ(target({"key", "show", "k1"}), "/api/v1/keys/k1");
    EXPECT_EQ(request_of({"key", "create", "--name", "n", "--platform"}).body, R"({"name":"n","platform":true})");
}

TEST_F(requests_test, what_is_published_goes_to_the_account_of_the_variable_unless_it_names_one) {
    setenv("KLEN_WEBHOOKS_ACCOUNT", "acct_v", 1);
    auto const body = [this](std::vector<std::string> const& words) { return request_of(words).body; };
    auto const own = file("own.json", R"({ "account_id": "acct_f", "event_type": "a.b", "payload": {} })");
    auto const none = file("none.json", R"({"event_type":"a.b","payload":{}})");
    auto const batch = file("batch.json", R"([{"event_type":"a.b"},{"account_id":"acct_f","event_type":"a.b"}])");
    EXPECT_EQ(body({"publish", own}), R"({ "account_id": "acct_f", "event_type": "a.b", "payload": {} })");
    EXPECT_EQ(body({"publish", own, "--id", "i"}),
              R"({"id":"i","account_id":"acct_f","event_type":"a.b","payload":{}})");
    EXPECT_EQ(body({"publish", own, "--account", "acct_o"}),
              R"({"account_id":"acct_o","event_type":"a.b","payload":{}})");
    EXPECT_EQ(body({"publish", none}), R"({"account_id":"acct_v","event_type":"a.b","payload":{}})");
    EXPECT_EQ(body({"publish", batch}),
              R"([{"account_id":"acct_v","event_type":"a.b"},{"account_id":"acct_f","event_type":"a.b"}])");
    EXPECT_EQ(body({"publish", batch, "--account", "acct_o"}),
              R"([{"account_id":"acct_o","event_type":"a.b"},{"account_id":"acct_o","event_type":"a.b"}])");
    EXPECT_NE(body({"publish", "--type", "call.ended", "--sample"}).find(R"("account_id":"acct_v")"),
              std::string::npos);
}

TEST_F(requests_test, a_sample_is_of_the_keys_own_account_where_none_is_named) {
    api_.will_answer({{200, R"({"platform":false,"account_id":"acct_k"})"}, {202, R"({"id":"e1"})"}});
    EXPECT_EQ(call({"publish", "--type", "call.ended", "--sample"}).code, exit_ok);
    auto asked = api_.take();
    ASSERT_EQ(asked.size(), 2U);
    EXPECT_EQ(asked[0].target, "/api/v1/whoami");
    EXPECT_NE(asked[1].body.find(R"("account_id":"acct_k")"), std::string::npos) << asked[1].body;
    api_.will_answer({{200, R"({"platform":true,"account_id":null})"}, {202, R"({"id":"e1"})"}});
    EXPECT_EQ(call({"publish", "--type", "call.ended", "--sample"}).code, exit_ok);
    asked = api_.take();
    ASSERT_EQ(asked.size(), 2U);
    EXPECT_NE(asked[1].body.find(R"("account_id":"acct_demo")"), std::string::npos) << asked[1].body;
}

TEST_F(requests_test, a_type_that_was_added_has_its_sample_in_the_catalogue) {
    std::vector<std::string> const words{"publish", "--type", "order.paid", "--sample", "--account", "acct_1"};
    api_.will_answer(
        {{200, R"({"event_type":"order.paid","sample":{"account_id":"acct_demo","event_type":"order.paid",)"
               R"("payload":{"n":12345678901234567890}}})"}});
    EXPECT_EQ(call(words).code, exit_ok);
    auto const asked = api_.take();
    ASSERT_EQ(asked.size(), 2U);
    EXPECT_EQ(asked[0].target, "/api/v1/event-types/order.paid");
    EXPECT_EQ(asked[1].body,
              R"({"account_id":"acct_1","event_type":"order.paid","payload":{"n":12345678901234567890}})");
    api_.will_answer({{200, R"({"event_type":"order.paid","sample":null})"},
                      {404, R"({"error":"not_found","message":"no such event type"})"}});
    EXPECT_NE(call(words).err.find("has no sample"), std::string::npos);
    auto const unknown = call(words);
    EXPECT_EQ(unknown.code, exit_usage);
    EXPECT_NE(unknown.err.find("there is one of"), std::string::npos) << unknown.err;
}

TEST_F(requests_test, a_file_with_nothing_in_it_is_refused) {
    auto const none = file("empty.json", "\n");
    for (auto const& words :
         std::vector<std::vector<std::string>>{{"event-type", "create", "x.empty", "--sample-file", none},
                                               {"event-type", "update", "x.empty", "--sample-file", none},
                                               {"webhook", "rotate-secret", "w1", "--use-secret-file", none},
                                               {"publish", none}}) {
        auto const done = call(words);
        EXPECT_EQ(done.code, exit_usage);
        EXPECT_NE(done.err.find("empty.json is empty"), std::string::npos) << done.err;
    }
    EXPECT_TRUE(api_.take().empty());
}

TEST_F(requests_test, the_path_of_the_api_may_be_part_of_the_url) {
    for (char const* end : {"/api/v1", "/api/v1/"}) {
        EXPECT_EQ(run_line({"whoami", "--url", api_.url() + end, "--key", "k"}).code, exit_ok);
        EXPECT_EQ(api_.take().at(0).target, "/api/v1/whoami");
    }
}

TEST_F(requests_test, an_error_of_the_daemons_own_names_the_request) {
    std::string const body = R"({"error":"server_error","message":"it is in the log under this request id"})";
    std::map<std::string, std::string> const id{{"X-Request-ID", "r-1"}};
    for (auto const& words : std::vector<std::vector<std::string>>{
             {"webhook", "show", "w1"}, {"webhook", "list"}, {"publish", file("e.json", R"({"event_type":"a.b"})")}}) {
        api_.will_answer({{500, body, id}});
        EXPECT_NE(call(words).err.find("(request id r-1)"), std::string::npos) << testing::PrintToString(words);
        api_.will_answer({{500, body, id}});
        auto with_json = words;
        with_json.emplace_back("--json");
        EXPECT_EQ(call(with_json).out, body.substr(0, body.size() - 1) + ",\"request_id\":\"r-1\"}\n");
    }
    api_.will_answer({{404, R"({"error":"not_found","message":"m"})", id}});
    EXPECT_EQ(call({"webhook", "show", "w1"}).err, "klen-webhooks: not_found: m\n");
}

TEST_F(requests_test, fields_are_told_by_the_names_of_their_options) {
    api_.will_answer(
        {{400, R"({"error":"validation_error","message":"disabled_note: goes with \"enabled\": false only; )"
               R"(subscribed_events[0]: \"a,b\" must be an event type; headers.Host: is reserved; name: x"})"}});
    EXPECT_EQ(call({"webhook", "update", "w1", "--note", "n"}).err,
              "klen-webhooks: validation_error: --note: goes with \"enabled\": false only; --event: \"a,b\" must be an "
              "event type; --header Host: is reserved; name: x\n");
}

TEST_F(requests_test, a_file_that_https_needs_and_that_is_not_there_is_named) {
    setenv("SSL_CERT_FILE", "/nowhere/ca.pem", 1);
    auto const done = run_line({"whoami", "--url", "https://127.0.0.1:1"});
    unsetenv("SSL_CERT_FILE");
    EXPECT_EQ(done.code, exit_usage);
    EXPECT_NE(done.err.find("SSL_CERT_FILE: cannot open /nowhere/ca.pem"), std::string::npos) << done.err;
}

TEST_F(requests_test, a_missing_key_or_account_is_told_in_options) {
    std::string const head = R"({"error":"validation_error","message":"account_id: is missing; )";
    api_.will_answer({{400, head + R"(a platform key must say for whom it acts: ?account_id=…"})"},
                      {400, head + R"(say whose key it is, or \"platform\": true"})"},
                      {401, R"({"error":"authentication_required","message":"send a key: Authorization: Bearer"})"}});
    auto const account = call({"delivery", "show", "d1"});
    EXPECT_EQ(account.code, exit_failed);
    for (char const* part : {"--account", "KLEN_WEBHOOKS_ACCOUNT"})
        EXPECT_NE(account.err.find(part), std::string::npos) << account.err;
    EXPECT_EQ(account.err.find("?account_id"), std::string::npos) << account.err;
    auto const owner = call({"key", "create", "--name", "n"});
    EXPECT_NE(owner.err.find("--platform"), std::string::npos) << owner.err;
    auto const key = call({"delivery", "show", "d1"});
    for (char const* part : {"--key-file", "KLEN_WEBHOOKS_KEY"})
        EXPECT_NE(key.err.find(part), std::string::npos) << key.err;
}

TEST_F(requests_test, a_time_ago_is_sent_as_a_time) {
    auto const got = request_of({"webhook", "recover", "w1", "--since", "2h"});
    EXPECT_TRUE(got.body.starts_with("{\"since\":\"20")) << got.body;
    EXPECT_TRUE(got.body.ends_with("Z\"}")) << got.body;
}

TEST_F(requests_test, creating_commands_send_the_idempotency_key) {
    std::vector<std::vector<std::string>> const lines{
        {"webhook", "create", "https://x.example/", "--name", "n", "--event", "*"},
        {"webhook", "rotate-secret", "w1"},
        {"webhook", "test", "w1"},
        {"webhook", "recover", "w1", "--since", "1h"},
        {"webhook", "cancel-pending", "w1"},
        {"delivery", "resend", "d1"},
        {"event-type", "create", "a.b"},
        {"key", "create", "--name", "n"}};
    for (auto words : lines) {
        words.insert(words.end(), {"--idempotency-key", "once-1"});
        EXPECT_EQ(request_of(words).headers["idempotency-key"], "once-1") << testing::PrintToString(words);
    }
}

TEST_F(requests_test, a_replayed_answer_is_told_as_such) {
    api_.will_answer({{202, job, {{"Idempotency-Replayed", "true"}}}});
    auto const done = call({"webhook", "cancel-pending", "w1", "--idempotency-key", "k"});
    EXPECT_EQ(done.code, exit_ok);
    EXPECT_NE(done.err.find("earlier call"), std::string::npos) << done.err;
}

TEST_F(requests_test, publish_and_event_publish_are_the_same) {
    for (auto const& path : std::vector<std::vector<std::string>>{{"publish"}, {"event", "publish"}}) {
        auto words = path;
        words.insert(words.end(), {"--type", "call.ended", "--sample", "--account", "acct_1", "--id", "i"});
        auto const got = request_of(words);
        EXPECT_EQ(got.method, "POST");
        EXPECT_EQ(got.target, "/api/v1/events");
        EXPECT_TRUE(got.body.starts_with(R"({"id":"i","account_id":"acct_1","event_type":"call.ended",)")) << got.body;
    }
}

TEST_F(requests_test, publish_tells_a_repeat) {
    api_.will_answer({{202, R"({"id":"e1"})", {{"Idempotency-Replayed", "true"}}}, {202, R"({"id":"e1"})"}});
    auto const event = file("event.json", R"({"event_type":"a.b","payload":{}})");
    auto const repeat = call({"publish", event});
    EXPECT_EQ(repeat.code, exit_ok);
    EXPECT_EQ(repeat.out, "event e1\n");
    EXPECT_NE(repeat.err.find("Published before"), std::string::npos) << repeat.err;
    EXPECT_EQ(call({"publish", event}).err, "");
}

TEST_F(requests_test, health_says_what_the_daemon_said_or_that_it_was_asked_at_the_wrong_door) {
    api_.will_answer({{200, "ok\n"}, {404, R"({"error":"not_found","message":"m"})"}});
    EXPECT_EQ(run_line({"health", "--url", api_.url()}).out, "ok\n");
    auto const wrong = run_line({"health", "--url", api_.url()});
    EXPECT_EQ(wrong.code, exit_unavailable);
    EXPECT_NE(wrong.err.find("server.operations_address"), std::string::npos) << wrong.err;
}

TEST_F(requests_test, publish_names_the_items_that_failed_and_why) {
    api_.will_answer(
        {{202,
          R"({"results":[{"status":202,"id":"e1"},{"status":403,"error":"permission_denied","message":"account_id: not this key's"}]})"}});
    auto const batch = file("batch.json", R"([{"event_type":"call.ended"},{"event_type":"call.failed"}])");
    auto const done = call({"publish", batch});
    EXPECT_EQ(done.code, exit_failed);
    EXPECT_NE(done.out.find("e1"), std::string::npos) << done.out;
    EXPECT_NE(done.err.find("event 2 (call.failed): permission_denied: account_id: not this key's"), std::string::npos)
        << done.err;
    EXPECT_NE(done.err.find("1 of 2 events were not accepted"), std::string::npos) << done.err;
}

TEST_F(requests_test, a_batch_of_which_nothing_was_accepted_is_explained_item_by_item) {
    std::string results;
    for (int i = 0; i < 11; ++i)
        results += std::string(i == 0 ? "" : ",") +
                   R"({"status":403,"error":"permission_denied","message":"account_id: another account's"})";
    api_.will_answer({{400, R"({"results":[)" + results + "]}"}});
    auto const done = call({"publish", "--all-samples", "--account", "acct_1"});
    EXPECT_EQ(done.code, exit_failed);
    EXPECT_NE(done.err.find("event 11 ("), std::string::npos) << done.err;
}

TEST_F(requests_test, an_error_of_the_daemon_is_shown_whole) {
    std::string const message = "name: is missing; url: must begin with https:// " + std::string(5000, 'x') + " end";
    api_.will_answer({{400, R"({"error":"validation_error","message":")" + message + R"("})"}});
    auto const done = call({"webhook", "show", "w1"});
    EXPECT_EQ(done.code, exit_failed);
    EXPECT_NE(done.err.find("validation_error: " + message), std::string::npos);
}

TEST_F(requests_test, exit_codes_tell_refused_from_unavailable) {
    api_.will_answer(
        {{503, R"({"error":"unavailable","message":"later"})", {{"Retry-After", "7"}}}, {404}, {200, "<html>"}});
    auto const gone = call({"webhook", "show", "w1"});
    EXPECT_EQ(gone.code, exit_unavailable);
    EXPECT_NE(gone.err.find("after 7 s"), std::string::npos) << gone.err;
    EXPECT_EQ(call({"webhook", "show", "w1"}).code, exit_failed);
    EXPECT_EQ(call({"webhook", "show", "w1"}).code, exit_failed) << "no JSON";
}

TEST_F(requests_test, json_is_the_answer_as_it_came) {
    std::string const body = R"({ "id" : "w1",   "n": 1.0 })";
    api_.will_answer({{200, body}, {404, R"({"error":"not_found","message":"m"})"}});
    EXPECT_EQ(call({"webhook", "show", "w1", "--json"}).out, body + "\n");
    auto const missing = call({"webhook", "show", "w1", "--json"});
    EXPECT_EQ(missing.out, "{\"error\":\"not_found\",\"message\":\"m\"}\n");
    EXPECT_EQ(missing.code, exit_failed);
}

TEST_F(requests_test, all_walks_every_page_and_prints_an_object_a_line) {
    api_.will_answer({{200, R"({"count":3,"page":1,"limit":200,"pages":2,"webhooks":[{"id":"a"},{"id":"b"}]})"},
                      {200, R"({"count":3,"page":2,"limit":200,"pages":2,"webhooks":[{"id":"c"}]})"}});
    auto const done = call({"webhook", "list", "--all", "--json"});
    EXPECT_EQ(done.code, exit_ok) << done.err;
    EXPECT_EQ(done.out, "{\"id\":\"a\"}\n{\"id\":\"b\"}\n{\"id\":\"c\"}\n");
    auto const asked = api_.take();
    ASSERT_EQ(asked.size(), 2U);
    EXPECT_EQ(asked[0].target, "/api/v1/webhooks?limit=200");
    EXPECT_EQ(asked[1].target, "/api/v1/webhooks?limit=200&page=2");
}

TEST_F(requests_test, a_secret_goes_to_its_file_and_nowhere_else) {
    std::string const secret = "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=";
    auto const into = (dir_ / "secret").string();
    struct secretive {
        std::vector<std::string> words;
        std::string answer;
    };
    std::vector<secretive> const lines{
        {{"webhook", "create", "https://x.example/", "--name", "n", "--event", "*"},
         R"({"id":"w1","metadata":{"n":12345678901234567890},"secret":")" + secret + R"("})"},
        {{"webhook", "rotate-secret", "w1"}, R"({"secret":")" + secret + R"(","previous_expires_at":null})"},
        {{"webhook", "secret", "w1"},
         R"({"secret":")" + secret + R"(","secrets":[{"secret":")" + secret +
             R"(","created_at":"2026-03-02T09:18:41.903Z","expires_at":null}]})"},
        {{"key", "create", "--name", "n"}, R"({"id":"k1","key":")" + secret + R"("})"}};
    for (auto const& line : lines)
        for (bool const json : {false, true}) {
            fs::remove(into);
            api_.will_answer({{201, line.answer}});
            auto words = line.words;
            words.insert(words.end(), {"--secret-file", into});
            if (json)
                words.emplace_back("--json");
            auto const done = call(words);
            SCOPED_TRACE(testing::PrintToString(words));
            EXPECT_EQ(done.code, exit_ok) << done.err;
            EXPECT_EQ((done.out + done.err).find("whsec_"), std::string::npos) << done.out;
            std::ifstream in(into);
            std::string text;
            std::getline(in, text);
            EXPECT_EQ(text, secret);
            EXPECT_EQ(fs::status(into).permissions(), fs::perms::owner_read | fs::perms::owner_write);
        }
}

TEST_F(requests_test, a_secret_in_a_file_is_not_lost) {
    for (auto const& words : std::vector<std::vector<std::string>>{
             {"webhook", "create", "https://x.example/", "--name", "n", "--event", "*"},
             {"webhook", "rotate-secret", "w1"},
             {"webhook", "secret", "w1"},
             {"key", "create", "--name", "n"}}) {
        auto const there = file("there", "the only copy\n");
        auto line = words;
        line.insert(line.end(), {"--secret-file", there});
        auto const refused = call(line);
        EXPECT_EQ(refused.code, exit_failed);
        EXPECT_NE(refused.err.find("--force"), std::string::npos) << refused.err;
        EXPECT_TRUE(api_.take().empty());
        line.emplace_back("--force");
        api_.will_answer({{201, R"({"id":"i","key":"new","secret":"new"})"}});
        EXPECT_EQ(call(line).code, exit_ok);
        EXPECT_EQ(api_.take().size(), 1U);
        std::string text;
        std::getline(std::ifstream(there) >> std::ws, text);
        EXPECT_EQ(text, "new");
    }
}

TEST_F(requests_test, nothing_is_made_when_its_secret_could_not_be_kept) {
    for (auto const& words : std::vector<std::vector<std::string>>{
             {"webhook", "create", "https://x.example/", "--name", "n", "--event", "*"},
             {"webhook", "rotate-secret", "w1"},
             {"key", "create", "--name", "n"}})
        for (auto const& where : {(dir_ / "no/folder/secret").string(), dir_.string()}) {
            auto line = words;
            line.insert(line.end(), {"--secret-file", where});
            EXPECT_EQ(call(line).code, exit_failed) << testing::PrintToString(line);
        }
    EXPECT_TRUE(api_.take().empty());
}

TEST_F(requests_test, what_is_wrong_is_told_before_anything_is_asked) {
    std::vector<std::vector<std::string>> const lines{
        {"webhook", "show", ""},
        {"webhook", "update", "w1"},
        {"webhook", "update", "w1", "--enable", "--disable"},
        {"webhook", "update", "w1", "--metadata", "[1]"},
        {"webhook", "update", "w1", "--metadata", "{\"a\":1,\"a\":2}"},
        {"webhook", "update", "w1", "--max-rate", "0"},
        {"webhook", "update", "w1", "--max-concurrency", "many"},
        {"webhook", "update", "w1", "--header", ": v"},
        {"webhook", "list", "--enabled", "--disabled"},
        {"webhook", "list", "--all", "--page", "2"},
        {"webhook", "list", "--limit", "201"},
        {"webhook", "rotate-secret", "w1", "--grace", "169"},
        {"webhook", "rotate-secret", "w1", "--use-secret-file", "/nowhere"},
        {"webhook", "recover", "w1"},
        {"webhook", "recover", "w1", "--since", "soon"},
        {"delivery", "list"},
        {"delivery", "list", "--webhook", "w", "--event", "e"},
        {"delivery", "list", "--event", "e", "--since", "1h"},
        {"delivery", "list", "--webhook", "w", "--status", "lost"},
        {"delivery", "list", "--webhook", "w", "--since", "soon"},
        {"event", "list", "--until", "soon"},
        {"event-type", "update", "a.b"},
        {"event-type", "create", "a.b", "--sample-file", "/nowhere"},
        {"key", "create"},
        {"key", "create", "--name", "n", "--max-requests", "0"},
        {"key", "list", "--config", "/x"},
        {"webhook", "show", "w1", "--timeout", "soon"},
        {"webhook", "show", "w1", "--key-file", "/nowhere"}};
    for (auto const& words : lines) {
        auto const done = call(words);
        EXPECT_EQ(done.code, exit_usage) << testing::PrintToString(words) << done.err;
        EXPECT_FALSE(done.err.empty()) << testing::PrintToString(words);
    }
    EXPECT_TRUE(api_.take().empty());
}

TEST_F(requests_test, a_failed_test_and_a_stopped_job_are_exit_code_1) {
    api_.will_answer({{200, R"({"delivered":true,"status":200})"},
                      {200, R"({"delivered":false,"status":500,"error_class":"http_status"})"}});
    EXPECT_EQ(call({"webhook", "test", "w1"}).code, exit_ok);
    EXPECT_EQ(call({"webhook", "test", "w1", "--json"}).code, exit_failed);
    api_.will_answer({{202, R"({"id":"j1","state":"running"})"},
                      {200, R"({"id":"j1","state":"stopped","message":"its webhook is gone"})"}});
    auto const stopped = call({"webhook", "recover", "w1", "--since", "1h", "--wait", "--idempotency-key", "once"});
    EXPECT_EQ(stopped.code, exit_failed);
    EXPECT_NE(stopped.err.find("its webhook is gone"), std::string::npos) << stopped.err;
    auto const asked = api_.take();
    ASSERT_EQ(asked.size(), 4U);
    EXPECT_EQ(asked.back().target, "/api/v1/jobs/j1");
    EXPECT_FALSE(asked.back().headers.contains("idempotency-key"));
}

TEST_F(requests_test, keys_are_asked_for_where_the_options_say) {
    auto const wrong = (dir_ / "no.toml").string();
    // With a configuration by option the database is meant, whatever the environment says.
    setenv("KLEN_WEBHOOKS_KEY", "klen_e", 1);
    setenv("KLEN_WEBHOOKS_URL", api_.url().c_str(), 1);
    EXPECT_EQ(run_line({"key", "list", "--config", wrong}).code, exit_config);
    EXPECT_TRUE(api_.take().empty());
    api_.will_answer({{200, R"({"count":0,"page":1,"limit":50,"pages":0,"keys":[]})"}});
    EXPECT_EQ(run_line({"key", "list"}).code, exit_ok);
    EXPECT_EQ(api_.take().size(), 1U);
    unsetenv("KLEN_WEBHOOKS_KEY");
    std::ofstream(dir_ / "key") << "klen_from_a_file\n";
    setenv("KLEN_WEBHOOKS_KEY_FILE", (dir_ / "key").c_str(), 1);
    api_.will_answer({{200, R"({"count":0,"page":1,"limit":50,"pages":0,"keys":[]})"}});
    EXPECT_EQ(run_line({"key", "list"}).code, exit_ok);
    auto const with_file = api_.take();
    ASSERT_EQ(with_file.size(), 1U);
    EXPECT_EQ(with_file[0].headers.at("authorization"), "Bearer klen_from_a_file");
    setenv("KLEN_WEBHOOKS_KEY", "klen_e", 1);
    for (auto const& [words, key] : std::vector<std::pair<std::vector<std::string>, std::string>>{
             {{"key", "list"}, "klen_from_a_file"}, {{"key", "list", "--key", "klen_option"}, "klen_option"}}) {
        api_.will_answer({{200, R"({"count":0,"page":1,"limit":50,"pages":0,"keys":[]})"}});
        EXPECT_EQ(run_line(words).code, exit_ok);
        auto const asked = api_.take();
        ASSERT_EQ(asked.size(), 1U);
        EXPECT_EQ(asked[0].headers.at("authorization"), "Bearer " + key) << "the file's variable wins over the key's";
    }
    unsetenv("KLEN_WEBHOOKS_KEY");
    unsetenv("KLEN_WEBHOOKS_KEY_FILE");
    unsetenv("KLEN_WEBHOOKS_URL");
    setenv("KLEN_WEBHOOKS_DATABASE_PRIVATE_DIR", (dir_ / "nobody").c_str(), 1);
    auto const without_key = run_line({"key", "list"});
    unsetenv("KLEN_WEBHOOKS_DATABASE_PRIVATE_DIR");
    EXPECT_EQ(without_key.code, exit_unavailable);
    EXPECT_NE(without_key.err.find("there is no private PostgreSQL"), std::string::npos) << without_key.err;
    EXPECT_FALSE(fs::exists(dir_ / "nobody")) << "a wrong folder must not be filled with a database";
    EXPECT_EQ(run_line({"key", "list", "--url", api_.url()}).code, exit_failed) << "a daemon is meant: "
                                                                                << "{} is no list";
    EXPECT_EQ(api_.take().size(), 1U);
}

} // namespace
} // namespace klen::webhooks::app
