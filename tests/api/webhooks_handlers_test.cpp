#include "api/management_fixture.hpp"

#include "klen/webhooks/signing/secret.hpp"

#include <gmock/gmock.h>

namespace klen::webhooks::api {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing_support::raw_response;
using testing_support::run_task;

struct webhooks_handlers : testing_support::management_fixture {
    raw_response create(std::string const& more = "", std::string const& fields = "") {
        return call("POST", "/api/v1/webhooks", webhook_body(more), fields);
    }
    raw_response patch(std::string const& id, std::string const& body) { return call("PATCH", path_of(id), body); }
    std::vector<std::string> names(std::string const& query, std::string const& key) {
        std::vector<std::string> out;
        auto const got = call_as(key, "GET", "/api/v1/webhooks" + query);
        EXPECT_EQ(got.status, 200) << got.body;
        auto const page = json(got);
        for (auto const& w : page.at("webhooks").as_array())
            out.push_back(text(w.as_object(), "name"));
        return out;
    }
    std::vector<std::string> names(std::string const& query) { return names(query, own_key()); }
    std::string named(std::string const& name, std::string const& more = "") {
        auto const made = call("POST", "/api/v1/webhooks",
                               R"({"name":")" + name + R"(","url":"https://example.com/h","subscribed_events":["*"])" +
                                   (more.empty() ? "" : "," + more) + "}");
        EXPECT_EQ(made.status, 201) << made.body;
        return text(json(made), "id");
    }
};

// --- create ----------------------------------------------------------------------------------------------------------

TEST_F(webhooks_handlers, the_secret_is_shown_on_create_and_sealed_in_the_store) {
    auto const made = create(R"("metadata":{"n":12345678901234567890})");
    ASSERT_EQ(made.status, 201) << made.body;
    EXPECT_EQ(made.header("Cache-Control"), "no-store");
    auto const shown = json(made);
    auto const secret = text(shown, "secret");
    EXPECT_TRUE(signing::secret::parse(secret));
    EXPECT_THAT(made.body, HasSubstr(R"("metadata":{"n":12345678901234567890})"));
    auto const id = webhook_id::parse(text(shown, "id"));
    ASSERT_TRUE(id);
    auto const kept = run_task(stored->show_secrets("acct_1", *id)).value();
    ASSERT_EQ(kept.secrets.size(), 1U);
    auto const& sealed = kept.secrets.at(0);
    EXPECT_EQ(seals.open(sealed.sealed, sealed.key_id, {"webhook_secrets", sealed.id.value, "acct_1"}).value(), secret);
    EXPECT_THAT(taken(changed), ElementsAre(id->text()));
}

TEST_F(webhooks_handlers, a_webhook_has_all_its_members) {
    auto const shown = json(call("GET", path_of(make_webhook())));
    for (char const* name : {"id", "account_id", "name", "url", "description", "subscribed_events", "headers",
                             "metadata", "enabled", "disabled_reason", "disabled_note", "disabled_at", "failing_since",
                             "max_concurrency", "max_rate_per_second", "created_at", "updated_at", "health"})
        EXPECT_TRUE(shown.contains(name)) << name;
    EXPECT_EQ(shown.size(), 18U);
    EXPECT_EQ(shown.at("account_id"), "acct_1");
    EXPECT_EQ(shown.at("disabled_note"), nullptr);
}

TEST_F(webhooks_handlers, the_callers_secret_is_taken) {
    std::string const own = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    auto const made = create(R"("secret":")" + own + "\"");
    EXPECT_EQ(text(json(made), "secret"), own);
    EXPECT_EQ(text(json(call("GET", path_of(text(json(made), "id")) + "/secret")), "secret"), own);
    auto const refused = create(R"("secret":"whsec_aHVudGVyMg==")");
    EXPECT_EQ(refused.status, 400);
    EXPECT_THAT(message(refused), HasSubstr("secret: must be"));
    EXPECT_THAT(refused.body, Not(HasSubstr("aHVudGVyMg")));
}

TEST_F(webhooks_handlers, no_other_call_shows_the_secret) {
    auto const id = make_webhook();
    for (auto const& got : {call("GET", "/api/v1/webhooks"), call("GET", path_of(id)), patch(id, R"({"name":"m"})"),
                            call("POST", path_of(id) + "/disable"), call("DELETE", path_of(id))}) {
        EXPECT_EQ(got.status, 200);
        EXPECT_THAT(got.body, Not(HasSubstr("whsec_")));
        EXPECT_THAT(got.body, Not(HasSubstr("secret")));
    }
}

TEST_F(webhooks_handlers, the_older_path_creates_too) {
    EXPECT_EQ(call("POST", "/api/webhooks/create/", webhook_body()).status, 201);
}

TEST_F(webhooks_handlers, a_webhook_can_be_created_disabled_with_a_note) {
    auto const shown = json(create(R"("enabled":false,"disabled_note":"until Monday")"));
    EXPECT_FALSE(shown.at("enabled").as_bool());
    EXPECT_EQ(text(shown, "disabled_reason"), "requested");
    EXPECT_EQ(text(shown, "disabled_note"), "until Monday");
    EXPECT_TRUE(shown.at("disabled_at").is_string());
}

TEST_F(webhooks_handlers, a_wrong_body_creates_nothing) {
    auto const got = call("POST", "/api/v1/webhooks", R"({"nmae":"x"})");
    EXPECT_EQ(got.status, 400);
    EXPECT_EQ(text(json(got), "error"), "validation_error");
    EXPECT_THAT(message(got), HasSubstr("did you mean name?"));
    EXPECT_EQ(db.number("SELECT count(*) FROM webhooks"), 0);
    EXPECT_THAT(taken(changed), IsEmpty());
}

TEST_F(webhooks_handlers, an_account_has_so_many_webhooks) {
    settings.webhooks.per_account_max = 2;
    make_webhook();
    auto const second = make_webhook();
    EXPECT_EQ(create().status, 409);
    EXPECT_EQ(call_as(other_key(), "POST", "/api/v1/webhooks", webhook_body()).status, 201);
    EXPECT_EQ(call("DELETE", path_of(second)).status, 200);
    EXPECT_EQ(create().status, 201);
}

TEST_F(webhooks_handlers, a_name_that_leads_to_a_refused_address_is_refused_at_once) {
    std::string asked, asked_for;
    with.judge_address = [&](std::string account, egress::target where) -> task<result<std::optional<std::string>>> {
        asked = where.host;
        asked_for = account;
        std::optional<std::string> wrong;
        if (where.host == "inside.example.com")
            wrong = "The URL leads to an address that is not allowed.";
        co_return wrong;
    };
    auto const id = make_webhook();
    EXPECT_EQ(asked, "example.com");
    EXPECT_EQ(asked_for, "acct_1");
    for (char const* path : {"/api/v1/webhooks", "/api/webhooks/create"})
        for (std::string const host : {"inside.example.com", "10.0.0.1"}) {
            auto const refused =
                call("POST", path, R"({"name":"n","url":"https://)" + host + R"(/","subscribed_events":["*"]})");
            EXPECT_EQ(refused.status, 400) << path << " " << host;
            EXPECT_THAT(message(refused), HasSubstr("url: The URL leads to an address that is not allowed."));
        }
    EXPECT_EQ(patch(id, R"({"url":"https://inside.example.com/x"})").status, 400);
    EXPECT_EQ(text(json(call("GET", path_of(id))), "url"), "https://example.com/h");
    asked.clear();
    EXPECT_EQ(patch(id, R"({"name":"other"})").status, 200);
    EXPECT_EQ(asked, "") << "only a new URL is judged";
    EXPECT_EQ(patch(id, R"({"url":"https://outside.example.com/x"})").status, 200);
    call_as(platform_key(), "PATCH", path_of(id) + "?account_id=acct_2", R"({"url":"https://a.example.com"})");
    EXPECT_EQ(asked_for, "acct_2") << "it counts for whom the call is made";
}

TEST_F(webhooks_handlers, a_url_that_cannot_be_judged_now_is_to_be_tried_again) {
    std::optional<failure> why;
    with.judge_address = [&](std::string, egress::target) -> task<result<std::optional<std::string>>> {
        if (why)
            co_return *why;
        co_return std::optional<std::string>();
    };
    auto const id = make_webhook();
    for (auto const& [kind, status, error] :
         {std::tuple(fault::over_limit, 429, "rate_limit_exceeded"), std::tuple(fault::overloaded, 503, "unavailable"),
          std::tuple(fault::shutting_down, 503, "unavailable")}) {
        why = failure{kind, "this account has enough to do"};
        for (auto const& got : {create(), patch(id, R"({"url":"https://b.example.com"})")}) {
            EXPECT_EQ(got.status, status) << got.body;
            EXPECT_EQ(text(json(got), "error"), error);
            EXPECT_EQ(got.header("Retry-After"), "1");
            EXPECT_EQ(message(got) == why->message, kind != fault::shutting_down) << got.body;
        }
    }
    EXPECT_EQ(db.number("SELECT count(*) FROM webhooks"), 1);
    EXPECT_EQ(patch(id, R"({"url":"https://192.0.2.1/"})").status, 400) << "an address needs no question";
}

// --- accounts --------------------------------------------------------------------------------------------------------

TEST_F(webhooks_handlers, a_platform_key_says_for_whom_it_acts) {
    auto const post = [&](std::string const& more, std::string const& query) {
        return call_as(platform_key(), "POST", "/api/v1/webhooks" + query, webhook_body(more));
    };
    EXPECT_EQ(post("", "").status, 400);
    EXPECT_THAT(message(post("", "")), HasSubstr("account_id"));
    EXPECT_EQ(post(R"("account_id":"a b")", "").status, 400);
    EXPECT_EQ(text(json(post(R"("account_id":"acct_2")", "")), "account_id"), "acct_2");
    EXPECT_EQ(text(json(post("", "?account_id=acct_3")), "account_id"), "acct_3");
    EXPECT_EQ(post(R"("account_id":"acct_2")", "?account_id=acct_3").status, 400);
    EXPECT_EQ(names("", platform_key()).size(), 2U) << "without an account: all";
    EXPECT_EQ(names("?account_id=acct_2", platform_key()).size(), 1U);
    EXPECT_EQ(call_as(platform_key(), "GET", "/api/v1/webhooks?account_id=a%20b").status, 400);
}

TEST_F(webhooks_handlers, an_account_key_cannot_name_another_account) {
    EXPECT_EQ(create(R"("account_id":"acct_2")").status, 403);
    EXPECT_EQ(call("POST", "/api/v1/webhooks?account_id=acct_2", webhook_body()).status, 403);
    EXPECT_EQ(call("GET", "/api/v1/webhooks?account_id=acct_2").status, 403);
    EXPECT_EQ(create(R"("account_id":"acct_1")").status, 201);
    EXPECT_EQ(db.number("SELECT count(*) FROM webhooks"), 1);
}

TEST_F(webhooks_handlers, anothers_webhook_is_not_found) {
    auto const id = make_webhook();
    taken(changed);
    for (auto const& [verb, rest, body] : std::vector<std::array<std::string, 3>>{{"GET", "", ""},
                                                                                  {"PATCH", "", R"({"name":"x"})"},
                                                                                  {"DELETE", "", ""},
                                                                                  {"POST", "/delete", ""},
                                                                                  {"POST", "/enable", ""},
                                                                                  {"POST", "/disable", ""},
                                                                                  {"GET", "/secret", ""},
                                                                                  {"POST", "/rotate-secret", ""},
                                                                                  {"POST", "/test", ""}}) {
        auto const got = call_as(other_key(), verb, path_of(id) + rest, body);
        EXPECT_EQ(got.status, 404) << verb << rest;
        EXPECT_EQ(message(got), "no such webhook in this account");
        EXPECT_EQ(call(verb, path_of("7") + rest, body).status, 404) << "malformed id: " << verb << rest;
    }
    EXPECT_THAT(names("", other_key()), IsEmpty());
    EXPECT_THAT(names(""), ElementsAre("n"));
    EXPECT_THAT(taken(changed), IsEmpty());
}

// --- list ------------------------------------------------------------------------------------------------------------

TEST_F(webhooks_handlers, a_list_comes_in_pages) {
    for (int i = 0; i < 5; ++i)
        make_webhook();
    auto const page = json(call("GET", "/api/v1/webhooks?limit=2&page=3"));
    EXPECT_EQ(page.at("count").as_int64(), 5);
    EXPECT_EQ(page.at("pages").as_int64(), 3);
    EXPECT_EQ(page.at("page").as_int64(), 3);
    EXPECT_EQ(page.at("limit").as_int64(), 2);
    EXPECT_EQ(page.at("webhooks").as_array().size(), 1U);
    EXPECT_EQ(json(call("GET", "/api/v1/webhooks")).at("limit").as_int64(), 50);
}

TEST_F(webhooks_handlers, a_wrong_query_is_named) {
    for (auto const& [query, what] : std::vector<std::pair<std::string, std::string>>{
             {"limit=0", "limit: "},
             {"limit=201", "limit: "},
             {"limit=x", "limit: "},
             {"limit=", "limit: "},
             {"limit=1.5", "limit: "},
             {"limit=-1", "limit: "},
             {"page=0", "page: "},
             {"page=99999999999999999999", "page: "},
             {"enabled=1", "enabled: must be true or false"},
             {"event_type=Call", "event_type: must be"},
             {"event_type=call.*", "event_type: must be"},
             {"q=%01", "q: must not"},
             {"q=%ff", "q: must be UTF-8"},
             {"q=" + std::string(201, 'x'), "q: must be at most 200"},
             {"cursor=x", "cursor: there is no such query parameter"},
             {"limt=5", "did you mean limit?"},
             {"limit=5&limit=6", "limit: is in the query twice"},
         }) {
        auto const got = call("GET", "/api/v1/webhooks?" + query);
        EXPECT_EQ(got.status, 400) << query;
        EXPECT_THAT(message(got), HasSubstr(what)) << query;
    }
    EXPECT_EQ(call("POST", "/api/v1/webhooks?dry_run=1", webhook_body()).status, 400);
    EXPECT_EQ(db.number("SELECT count(*) FROM webhooks"), 0);
}

TEST_F(webhooks_handlers, a_list_is_filtered) {
    named("Orders 100%");
    named("calls", R"("enabled":false)");
    EXPECT_EQ(call("POST", "/api/v1/webhooks",
                   R"({"name":"third","url":"https://SHOP.example.com/h","subscribed_events":["calendar.created"]})")
                  .status,
              201);
    EXPECT_THAT(names("?enabled=false"), ElementsAre("calls"));
    EXPECT_THAT(names("?enabled=true").size(), 2U);
    EXPECT_THAT(names("?event_type=call.ended").size(), 2U);
    EXPECT_THAT(names("?event_type=calendar.created").size(), 3U);
    EXPECT_THAT(names("?q=oRDERS"), ElementsAre("Orders 100%"));
    EXPECT_THAT(names("?q=0%25"), ElementsAre("Orders 100%")) << "% is a character like any other";
    EXPECT_THAT(names("?q=_"), IsEmpty());
    EXPECT_THAT(names("?q=shop.EXAMPLE"), ElementsAre("third"));
    EXPECT_THAT(names("?q=").size(), 3U);
    EXPECT_THAT(names("?q=calls&enabled=true"), IsEmpty());
    EXPECT_EQ(json(call("GET", "/api/v1/webhooks?q=calls")).at("count").as_int64(), 1);
}

// --- change ----------------------------------------------------------------------------------------------------------

TEST_F(webhooks_handlers, a_patch_changes_what_it_names) {
    auto const id = make_webhook(R"("max_concurrency":3,"max_rate_per_second":9)");
    taken(changed);
    auto const got = patch(
        id,
        R"({"name":"m","url":"https://example.org/x","subscribed_events":["*"],"description":"d","headers":{"X-A":"b"},
                "metadata":{"a":1.50},"max_concurrency":null,"enabled":false,"disabled_note":"why"})");
    ASSERT_EQ(got.status, 200) << got.body;
    EXPECT_THAT(taken(changed), ElementsAre(id));
    auto const shown = json(call("GET", path_of(id)));
    EXPECT_EQ(text(shown, "name"), "m");
    EXPECT_EQ(text(shown, "url"), "https://example.org/x");
    EXPECT_EQ(text(shown, "description"), "d");
    EXPECT_EQ(shown.at("subscribed_events"), boost::json::parse(R"(["*"])"));
    EXPECT_EQ(shown.at("headers"), boost::json::parse(R"({"X-A":"b"})"));
    EXPECT_EQ(shown.at("max_concurrency"), nullptr);
    EXPECT_EQ(shown.at("max_rate_per_second"), 9);
    EXPECT_EQ(shown.at("enabled"), false);
    EXPECT_EQ(text(shown, "disabled_reason"), "requested");
    EXPECT_EQ(text(shown, "disabled_note"), "why");
    EXPECT_EQ(patch(id, R"({"metadata":{}})").status, 200);
    EXPECT_EQ(text(json(call("GET", path_of(id))), "name"), "m");
}

TEST_F(webhooks_handlers, an_empty_patch_changes_nothing) {
    auto const id = make_webhook();
    auto before = json(call("GET", path_of(id)));
    EXPECT_EQ(patch(id, "{}").status, 200);
    auto after = json(call("GET", path_of(id)));
    before.erase("updated_at");
    after.erase("updated_at");
    EXPECT_EQ(before, after);
}

TEST_F(webhooks_handlers, a_wrong_patch_changes_nothing) {
    auto const id = make_webhook();
    taken(changed);
    for (char const* body : {R"({"name":""})", R"({"secret":"x"})", R"({"url":"ftp://x"})", R"({"name":null})", "[]",
                             "", R"({"name":"x","enabled":1})"})
        EXPECT_EQ(patch(id, body).status, 400) << body;
    EXPECT_EQ(text(json(call("GET", path_of(id))), "name"), "n");
    EXPECT_THAT(taken(changed), IsEmpty());
}

TEST_F(webhooks_handlers, a_note_needs_a_disabled_webhook) {
    auto const id = make_webhook();
    auto const refused = patch(id, R"({"disabled_note":"x"})");
    EXPECT_EQ(refused.status, 400);
    EXPECT_THAT(message(refused), HasSubstr("disabled_note: the webhook is enabled"));
    EXPECT_EQ(patch(id, R"({"enabled":true,"disabled_note":"x"})").status, 400);
    EXPECT_EQ(patch(id, R"({"enabled":false})").status, 200);
    EXPECT_EQ(text(json(patch(id, R"({"disabled_note":"y"})")), "disabled_note"), "y");
    auto const enabled = json(patch(id, R"({"enabled":true})"));
    EXPECT_EQ(enabled.at("disabled_note"), nullptr);
    EXPECT_EQ(enabled.at("disabled_reason"), nullptr);
    EXPECT_EQ(enabled.at("disabled_at"), nullptr);
}

TEST_F(webhooks_handlers, put_is_refused_with_a_hint) {
    auto const got = call("PUT", path_of(make_webhook()), webhook_body());
    EXPECT_EQ(got.status, 405);
    EXPECT_EQ(text(json(got), "error"), "method_not_allowed");
    EXPECT_THAT(message(got), HasSubstr("use PATCH"));
    EXPECT_THAT(got.header("Allow").value_or(""), HasSubstr("PATCH"));
    EXPECT_THAT(got.header("Allow").value_or(""), Not(HasSubstr("PUT")));
}

TEST_F(webhooks_handlers, enable_and_disable_are_calls_too) {
    auto const id = make_webhook();
    taken(changed);
    auto const off = json(call("POST", path_of(id) + "/disable", R"({"note":"maintenance"})"));
    EXPECT_EQ(off.at("enabled"), false);
    EXPECT_EQ(text(off, "disabled_reason"), "requested");
    EXPECT_EQ(text(off, "disabled_note"), "maintenance");
    auto const on = json(call("POST", path_of(id) + "/enable"));
    EXPECT_EQ(on.at("enabled"), true);
    EXPECT_EQ(on.at("disabled_note"), nullptr);
    EXPECT_EQ(json(call("POST", path_of(id) + "/disable")).at("disabled_note"), nullptr);
    EXPECT_EQ(taken(changed).size(), 3U);
    EXPECT_EQ(call("POST", path_of(id) + "/enable", R"({"note":"x"})").status, 400);
    EXPECT_EQ(call("POST", path_of(id) + "/disable", R"({"reason":"x"})").status, 400);
    EXPECT_EQ(call("POST", path_of(id) + "/disable", R"({"note":7})").status, 400);
}

TEST_F(webhooks_handlers, both_forms_of_delete_delete) {
    auto const first = make_webhook();
    auto const second = make_webhook();
    taken(changed);
    auto const got = call("DELETE", path_of(first));
    EXPECT_EQ(got.status, 200);
    EXPECT_EQ(text(json(got), "id"), first);
    EXPECT_NE(message(got), "(none)");
    EXPECT_EQ(call("POST", path_of(second) + "/delete").status, 200);
    EXPECT_EQ(call("GET", path_of(first)).status, 404);
    EXPECT_EQ(call("DELETE", path_of(first)).status, 404);
    EXPECT_EQ(patch(first, "{}").status, 404);
    EXPECT_EQ(taken(changed).size(), 2U);
}

// --- health ----------------------------------------------------------------------------------------------------------

TEST_F(webhooks_handlers, health_is_shown_with_the_webhook_alone) {
    auto const id = make_webhook();
    EXPECT_FALSE(json(call("GET", "/api/v1/webhooks")).at("webhooks").as_array()[0].as_object().contains("health"));
    auto const idle = json(call("GET", path_of(id))).at("health").as_object();
    EXPECT_EQ(idle.at("pending"), 0);
    EXPECT_EQ(idle.at("pending_is_minimum"), false);
    EXPECT_EQ(idle.at("last_failure_class"), nullptr);
    EXPECT_EQ(idle.at("last_hour").as_object().at("success_rate"), nullptr);
    EXPECT_EQ(idle.at("last_hour").as_object().at("p50_ms"), nullptr);

    store::health_record record;
    record.webhook = *webhook_id::parse(id);
    record.delivered = 3;
    record.failed = 1;
    record.durations[4] = 4;
    record.last_success_at = record.last_failure_at = std::chrono::system_clock::now();
    record.last_failure = policy::error_class::timeout;
    record.failures_since_success = 1;
    ASSERT_TRUE(run_task(recorded->add_health({make_uuid_v7(), 1, {record}})));
    auto const busy = json(call("GET", path_of(id))).at("health").as_object();
    EXPECT_EQ(busy.at("consecutive_failures"), 1);
    EXPECT_EQ(busy.at("last_failure_class"), "timeout");
    EXPECT_TRUE(busy.at("last_success_at").is_string());
    for (char const* window : {"last_hour", "last_day"}) {
        auto const& sums = busy.at(window).as_object();
        EXPECT_EQ(sums.at("delivered"), 3);
        EXPECT_EQ(sums.at("failed"), 1);
        EXPECT_DOUBLE_EQ(sums.at("success_rate").as_double(), 0.75);
        EXPECT_TRUE(sums.at("p50_ms").is_int64());
        EXPECT_GE(sums.at("p95_ms").as_int64(), sums.at("p50_ms").as_int64());
    }
}

TEST_F(webhooks_handlers, circuit_of_the_daemon_that_answers_is_shown_with_the_health) {
    using policy::circuit_state;
    dispatch::circuit_status held;
    webhook_id asked{};
    with.circuit_of = [&](webhook_id of) {
        asked = of;
        return held;
    };
    auto const id = make_webhook();
    auto const health = [&] { return json(call("GET", path_of(id))).at("health").as_object(); };
    auto const closed = health();
    EXPECT_EQ(asked.text(), id);
    EXPECT_EQ(closed.at("circuit"), "closed");
    EXPECT_EQ(closed.at("circuit_open_until"), nullptr);

    held = {circuit_state::open, system_clock().steady() + std::chrono::minutes(1)};
    auto const before = rfc3339_ms(system_clock().wall() + std::chrono::seconds(50));
    auto const open = health();
    EXPECT_EQ(open.at("circuit"), "open");
    EXPECT_GT(text(open, "circuit_open_until"), before);
    EXPECT_LT(text(open, "circuit_open_until"), rfc3339_ms(system_clock().wall() + std::chrono::minutes(1)));

    held.state = circuit_state::half_open;
    auto const half_open = health();
    EXPECT_EQ(half_open.at("circuit"), "half_open");
    EXPECT_EQ(half_open.at("circuit_open_until"), nullptr);
}

// --- once ------------------------------------------------------------------------------------------------------------

TEST_F(webhooks_handlers, a_repeated_create_answers_as_the_first_did) {
    auto const first = create("", once("a"));
    auto const again = call("POST", "/api/v1/webhooks", " " + webhook_body(), once("a"));
    EXPECT_EQ(again.status, 201);
    EXPECT_EQ(again.body, first.body) << "its secret, too";
    EXPECT_EQ(again.header("Idempotency-Replayed"), "true");
    EXPECT_EQ(again.header("Cache-Control"), "no-store");
    EXPECT_FALSE(first.header("Idempotency-Replayed"));
    EXPECT_EQ(create("", once("b")).status, 201);
    EXPECT_EQ(db.number("SELECT count(*) FROM webhooks"), 2);
    EXPECT_EQ(db.number("SELECT count(*) FROM idempotent_calls WHERE sealed_answer::text LIKE '%whsec_%'"), 0);
}

TEST_F(webhooks_handlers, an_idempotency_key_is_for_one_request) {
    create("", once("a"));
    auto const other = create(R"("description":"x")", once("a"));
    EXPECT_EQ(other.status, 409);
    EXPECT_THAT(message(other), HasSubstr("Idempotency-Key"));
    EXPECT_FALSE(other.header("Retry-After"));
    EXPECT_EQ(call_as(other_key(), "POST", "/api/v1/webhooks", webhook_body(R"("description":"x")"), once("a")).status,
              201)
        << "another account's keys are others";
    EXPECT_EQ(db.number("SELECT count(*) FROM webhooks"), 2);
}

TEST_F(webhooks_handlers, a_body_of_nothing_but_problems_gets_a_short_answer) {
    std::string body = "{";
    for (int i = 0; i < 6'000; ++i) // as many as the limit of such a body allows
        body.append(i == 0 ? "" : ",").append("\"u").append(std::to_string(i)).append("\":0");
    body += "}";
    for (std::string const& field : {std::string(), once("k1")}) {
        auto const got = call("POST", "/api/v1/webhooks", body, field);
        EXPECT_EQ(got.status, 400);
        EXPECT_LT(got.body.size(), 16'384u);
        EXPECT_THAT(got.body, HasSubstr("and so on"));
    }
}

TEST_F(webhooks_handlers, a_refused_call_leaves_its_key_to_the_mended_one) {
    auto const first = call("POST", "/api/v1/webhooks", "{}", once("a"));
    auto const again = call("POST", "/api/v1/webhooks", "{}", once("a"));
    EXPECT_EQ(first.status, 400);
    EXPECT_EQ(again.status, 400);
    EXPECT_FALSE(again.header("Idempotency-Replayed"));
    auto const mended = create("", once("a"));
    EXPECT_EQ(mended.status, 201);
    EXPECT_EQ(create("", once("a")).body, mended.body);
    EXPECT_EQ(call("POST", "/api/v1/webhooks", "{}", once("a")).status, 409) << "now it is taken";
    EXPECT_EQ(db.number("SELECT count(*) FROM webhooks"), 1);
}

TEST_F(webhooks_handlers, a_call_whose_answer_was_lost_makes_the_same_webhook) {
    auto const first = json(create("", once("a")));
    // As a crash between the webhook's commit and the answer's leaves it.
    db.query("UPDATE idempotent_calls SET status = NULL, sealed_answer = NULL, key_id = NULL");
    auto const at_once = create("", once("a"));
    EXPECT_EQ(at_once.status, 409);
    EXPECT_EQ(at_once.header("Retry-After"), "1");
    db.query("UPDATE idempotent_calls SET begun_at = begun_at - interval '2 minutes'");
    auto const later = create("", once("a"));
    EXPECT_EQ(later.status, 201);
    EXPECT_EQ(text(json(later), "id"), text(first, "id"));
    EXPECT_EQ(text(json(later), "secret"), text(first, "secret"));
    EXPECT_EQ(db.number("SELECT count(*) FROM webhooks"), 1);
}

TEST_F(webhooks_handlers, of_many_calls_at_once_one_makes_the_webhook) {
    auto const at_port = port(); // the server is there before the threads are
    auto const key = own_key();
    std::vector<raw_response> answers(8);
    std::vector<std::thread> threads;
    for (auto& answer : answers)
        threads.emplace_back([&] { answer = call_as(key, "POST", "/api/v1/webhooks", webhook_body(), once("a")); });
    for (auto& thread : threads)
        thread.join();
    EXPECT_NE(at_port, 0);
    EXPECT_EQ(db.number("SELECT count(*) FROM webhooks"), 1);
    auto const last = create("", once("a"));
    EXPECT_EQ(last.status, 201);
    for (auto const& answer : answers) {
        if (answer.status == 201)
            EXPECT_EQ(answer.body, last.body);
        else
            EXPECT_EQ(answer.status, 409) << answer.body;
    }
}

TEST_F(webhooks_handlers, malformed_idempotency_keys_are_refused) {
    EXPECT_EQ(create("", once("")).status, 400);
    EXPECT_EQ(create("", once("a b")).status, 400);
    EXPECT_EQ(create("", once(std::string(256, 'a'))).status, 400);
    EXPECT_EQ(create("", once(std::string(255, '~'))).status, 201);
}

} // namespace
} // namespace klen::webhooks::api
