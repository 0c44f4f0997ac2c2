#include "api/management_fixture.hpp"

#include <gmock/gmock.h>

#include <algorithm>

namespace klen::webhooks::api {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using testing::UnorderedElementsAre;
using testing_support::raw_response;
using testing_support::run_task;

struct keys_handlers : testing_support::management_fixture {
    raw_response create_as(std::string const& key, std::string const& more, std::string const& fields = "") {
        return call_as(key, "POST", "/api/v1/keys", R"({"name":"k")" + (more.empty() ? "" : "," + more) + "}", fields);
    }
    raw_response create(std::string const& more = "", std::string const& fields = "") {
        return create_as(own_key(), more, fields);
    }
    static std::vector<std::string> permissions_of(raw_response const& made) {
        std::vector<std::string> out;
        auto const shown = json(made);
        for (auto const& one : shown.at("permissions").as_array())
            out.emplace_back(one.as_string());
        return out;
    }
    std::string id_of(std::string const& key) { return text(json(call_as(key, "GET", "/api/v1/whoami")), "key_id"); }
    std::vector<std::string> listed(std::string const& key, std::string const& query = "") {
        std::vector<std::string> out;
        auto const got = call_as(key, "GET", "/api/v1/keys" + query);
        EXPECT_EQ(got.status, 200) << got.body;
        auto const page = json(got);
        for (auto const& one : page.at("keys").as_array())
            out.push_back(text(one.as_object(), "id"));
        return out;
    }
};

TEST_F(keys_handlers, a_key_is_shown_once_and_works_at_once) {
    auto const made = create();
    ASSERT_EQ(made.status, 201) << made.body;
    EXPECT_EQ(made.header("Cache-Control"), "no-store");
    auto const shown = json(made);
    auto const key = text(shown, "key");
    EXPECT_EQ(id_of(key), text(shown, "id"));
    EXPECT_EQ(shown.at("account_id"), "acct_1");
    EXPECT_EQ(shown.at("platform"), false);
    EXPECT_EQ(shown.at("revoked_at"), nullptr);
    EXPECT_EQ(shown.at("max_requests_per_second"), nullptr);
    EXPECT_THAT(key, HasSubstr(text(shown, "hint").substr(0, 9)));
    for (auto const& got : {call("GET", "/api/v1/keys"), call("GET", "/api/v1/keys/" + text(shown, "id"))}) {
        EXPECT_EQ(got.status, 200);
        EXPECT_THAT(got.body, Not(HasSubstr(key)));
        EXPECT_THAT(got.body, Not(HasSubstr("\"hash\"")));
        EXPECT_THAT(got.body, Not(HasSubstr("\"key\"")));
    }
}

TEST_F(keys_handlers, an_account_key_gives_its_own_permissions_at_most) {
    auto const some = make_key("acct_1", {"read", "manage_keys"});
    EXPECT_THAT(permissions_of(create_as(some, "")), UnorderedElementsAre("read", "manage_keys")) << "unless told";
    EXPECT_THAT(permissions_of(create_as(some, R"("permissions":["read"])")), ElementsAre("read"));
    auto const refused = create_as(some, R"("permissions":["read","publish"])");
    EXPECT_EQ(refused.status, 403);
    EXPECT_THAT(message(refused), HasSubstr("lacks publish"));
    EXPECT_EQ(create_as(some, R"("account_id":"acct_2")").status, 403);
    EXPECT_EQ(create_as(some, R"("platform":true)").status, 403);
    EXPECT_EQ(create_as(some, R"("platform":false,"account_id":"acct_1")").status, 201);
}

TEST_F(keys_handlers, a_platform_key_says_whose_key_it_makes) {
    auto const refused = create_as(platform_key(), "");
    EXPECT_EQ(refused.status, 400);
    EXPECT_THAT(message(refused), HasSubstr("account_id"));
    EXPECT_THAT(message(refused), HasSubstr("\"platform\": true"));
    EXPECT_EQ(create_as(platform_key(), R"("platform":true,"account_id":"acct_1")").status, 400);
    auto const of_account = create_as(platform_key(), R"("account_id":"acct_9")");
    EXPECT_EQ(text(json(of_account), "account_id"), "acct_9");
    EXPECT_EQ(permissions_of(of_account).size(), 4U);
    auto const of_query = call_as(platform_key(), "POST", "/api/v1/keys?account_id=acct_8", R"({"name":"k"})");
    EXPECT_EQ(text(json(of_query), "account_id"), "acct_8");
    auto const of_platform = json(create_as(platform_key(), R"("platform":true)"));
    EXPECT_EQ(of_platform.at("account_id"), nullptr);
    EXPECT_EQ(of_platform.at("platform"), true);
}

TEST_F(keys_handlers, a_platform_key_makes_none_that_is_mightier_for_the_platform) {
    auto const keeper = make_key(std::nullopt, {"manage_keys"});
    EXPECT_EQ(create_as(keeper, R"("platform":true,"permissions":["publish"])").status, 403);
    EXPECT_THAT(permissions_of(create_as(keeper, R"("platform":true)")), ElementsAre("manage_keys"));
    EXPECT_THAT(permissions_of(create_as(keeper, R"("account_id":"acct_1","permissions":["publish"])")),
                ElementsAre("publish"));
}

TEST_F(keys_handlers, wrong_fields_are_named) {
    for (auto const& [body, what] : std::vector<std::pair<std::string, std::string>>{
             {"{}", "name: is missing"},
             {R"({"name":""})", "name: must be 1 to 200"},
             {R"({"name":"k","permissions":[]})", "permissions: must be an array"},
             {R"({"name":"k","permissions":"read"})", "permissions: must be an array"},
             {R"({"name":"k","permissions":["read","read"]})", "permissions[1]: is there twice"},
             {R"({"name":"k","permissions":["admin"]})", "permissions[0]: must be publish"},
             {R"({"name":"k","permissions":[7]})", "permissions[0]: must be publish"},
             {R"({"name":"k","permissions":["a","b","c","d","e"]})", "permissions: must be an array"},
             {R"({"name":"k","max_requests_per_second":0})", "max_requests_per_second: must be"},
             {R"({"name":"k","max_requests_per_second":1000001})", "max_requests_per_second: must be"},
             {R"({"name":"k","platform":"yes"})", "platform: must be true or false"},
             {R"({"name":"k","role":"x"})", "role: there is no such field"},
             {R"({"name":"k","account_id":"a b"})", "account_id: must be"},
         }) {
        auto const got = call_as(platform_key(), "POST", "/api/v1/keys", body);
        EXPECT_EQ(got.status, 400) << body;
        EXPECT_THAT(message(got), HasSubstr(what)) << body;
    }
}

TEST_F(keys_handlers, an_account_key_makes_none_that_is_faster) {
    settings.server.account_key_requests_per_second_max = 100;
    EXPECT_EQ(create(R"("max_requests_per_second":100)").status, 201);
    EXPECT_EQ(create(R"("max_requests_per_second":101)").status, 403);
    auto const slow = make_key("acct_1", all_permissions(), 50);
    EXPECT_EQ(create_as(slow, R"("max_requests_per_second":51)").status, 403);
    EXPECT_EQ(json(create_as(slow, "")).at("max_requests_per_second"), 50);
    EXPECT_EQ(json(create_as(platform_key(), R"("account_id":"acct_1","max_requests_per_second":5000)"))
                  .at("max_requests_per_second"),
              5000);
}

TEST_F(keys_handlers, a_key_over_its_limit_is_told_to_wait) {
    auto const slow = make_key("acct_1", {"read"}, 2);
    EXPECT_EQ(call_as(slow, "GET", "/api/v1/webhooks").status, 200);
    EXPECT_EQ(call_as(slow, "GET", "/api/v1/whoami").status, 200);
    raw_response got;
    for (int i = 0; i < 20 && got.status != 429; ++i) // a slow machine may win a call back
        got = call_as(slow, "GET", "/api/v1/webhooks");
    EXPECT_EQ(got.status, 429);
    EXPECT_EQ(text(json(got), "error"), "rate_limit_exceeded");
    EXPECT_EQ(got.header("Retry-After"), "1");
    EXPECT_EQ(call("GET", "/api/v1/webhooks").status, 200) << "others are not affected";
}

TEST_F(keys_handlers, more_keys_do_not_make_an_account_faster) {
    keys = std::make_unique<key_cache>(key_limits{.account_key = 0, .platform_key = 0, .account = 3});
    auto const one = make_key("acct_1", {"read"}), two = make_key("acct_1", {"read"});
    raw_response got;
    for (int i = 0; i < 40 && got.status != 429; ++i) // a slow machine may win a call back
        got = call_as(i % 2 == 0 ? one : two, "GET", "/api/v1/whoami");
    EXPECT_EQ(got.status, 429);
    EXPECT_EQ(text(json(got), "error"), "rate_limit_exceeded");
    EXPECT_THAT(message(got), HasSubstr("keys of this account together"));
    EXPECT_EQ(got.header("Retry-After"), "1");
    EXPECT_EQ(call_as(make_key("acct_2"), "GET", "/api/v1/whoami").status, 200) << "others are not affected";
}

TEST_F(keys_handlers, a_limit_of_its_own_cannot_lift_the_accounts) {
    settings.server.account_key_requests_per_second_max = 0;
    settings.server.account_requests_per_second_max = 70;
    EXPECT_EQ(create(R"("max_requests_per_second":71)").status, 403);
    EXPECT_EQ(create(R"("max_requests_per_second":70)").status, 201);
}

TEST_F(keys_handlers, an_account_has_so_many_keys_at_most) {
    settings.server.keys_per_account_max = 3;
    auto const second = json(create("", once("k2")));
    EXPECT_EQ(create().status, 201);
    for (auto const& got : {create(), create_as(platform_key(), R"("account_id":"acct_1")")}) {
        EXPECT_EQ(got.status, 409);
        EXPECT_THAT(message(got), HasSubstr("the account has 3 keys"));
    }
    EXPECT_EQ(create("", once("k2")).status, 201) << "a repeat makes none";
    EXPECT_EQ(create_as(other_key(), "").status, 201) << "another account is not affected";
    EXPECT_EQ(create_as(platform_key(), R"("platform":true)").status, 201);
    EXPECT_EQ(call("DELETE", "/api/v1/keys/" + text(second, "id")).status, 200);
    EXPECT_EQ(create().status, 201) << "a revoked one does not count";
}

TEST_F(keys_handlers, who_sees_which_keys) {
    auto const mine = id_of(own_key());
    auto const theirs = id_of(other_key());
    auto const platforms = id_of(platform_key());
    EXPECT_THAT(listed(own_key()), ElementsAre(mine));
    EXPECT_THAT(listed(other_key()), ElementsAre(theirs));
    EXPECT_THAT(listed(platform_key()), UnorderedElementsAre(mine, theirs, platforms));
    EXPECT_THAT(listed(platform_key(), "?account_id=acct_2"), ElementsAre(theirs));
    EXPECT_EQ(call("GET", "/api/v1/keys?account_id=acct_2").status, 403);
    EXPECT_EQ(call("GET", "/api/v1/keys/" + theirs).status, 404);
    EXPECT_EQ(call("GET", "/api/v1/keys/" + platforms).status, 404);
    EXPECT_EQ(call("GET", "/api/v1/keys/7").status, 404);
    EXPECT_EQ(call_as(platform_key(), "GET", "/api/v1/keys/" + theirs).status, 200);
    EXPECT_EQ(call_as(platform_key(), "GET", "/api/v1/keys/" + theirs + "?account_id=acct_1").status, 404);
    auto const page = json(call_as(platform_key(), "GET", "/api/v1/keys?limit=2"));
    EXPECT_EQ(page.at("count"), 3);
    EXPECT_EQ(page.at("pages"), 2);
}

TEST_F(keys_handlers, a_revoked_key_is_dead_at_once_and_stays_on_record) {
    auto const made = json(create());
    auto const path = "/api/v1/keys/" + text(made, "id");
    auto const revoked = call("DELETE", path);
    EXPECT_EQ(revoked.status, 200);
    EXPECT_TRUE(json(revoked).at("revoked_at").is_string());
    auto const refused = call_as(text(made, "key"), "GET", "/api/v1/whoami");
    EXPECT_EQ(refused.status, 401);
    EXPECT_THAT(refused.body, HasSubstr("invalid_key"));
    auto const again = call("POST", path + "/revoke");
    EXPECT_EQ(again.status, 200);
    EXPECT_EQ(json(again).at("revoked_at"), json(revoked).at("revoked_at"));
    EXPECT_TRUE(json(call("GET", path)).at("revoked_at").is_string());
}

TEST_F(keys_handlers, a_key_cannot_revoke_itself) {
    for (std::string const& key : {own_key(), platform_key()}) {
        auto const path = "/api/v1/keys/" + id_of(key);
        for (auto const& got : {call_as(key, "DELETE", path), call_as(key, "POST", path + "/revoke")}) {
            EXPECT_EQ(got.status, 409);
            EXPECT_THAT(message(got), HasSubstr("cannot revoke itself"));
        }
        EXPECT_EQ(call_as(key, "GET", "/api/v1/whoami").status, 200);
    }
}

TEST_F(keys_handlers, anothers_key_cannot_be_revoked) {
    for (std::string const& key : {other_key(), platform_key()}) {
        EXPECT_EQ(call("DELETE", "/api/v1/keys/" + id_of(key)).status, 404);
        EXPECT_EQ(call_as(key, "GET", "/api/v1/whoami").status, 200);
    }
    EXPECT_EQ(call_as(platform_key(), "DELETE", "/api/v1/keys/" + id_of(other_key())).status, 200);
}

TEST_F(keys_handlers, whoami_needs_any_key_and_tells_what_it_may) {
    auto const got = json(call_as(make_key("acct_7", {"publish"}), "GET", "/api/v1/whoami"));
    EXPECT_EQ(got.at("account_id"), "acct_7");
    EXPECT_EQ(got.at("platform"), false);
    EXPECT_EQ(got.at("permissions"), boost::json::parse(R"(["publish"])"));
    EXPECT_EQ(json(call_as(platform_key(), "GET", "/api/v1/whoami")).at("account_id"), nullptr);
    EXPECT_EQ(call_with("", "GET", "/api/v1/whoami").status, 401);
}

TEST_F(keys_handlers, a_repeated_create_gives_the_same_key) {
    auto const first = create("", once("k1"));
    auto const again = create("", once("k1"));
    EXPECT_EQ(again.body, first.body);
    EXPECT_EQ(again.header("Idempotency-Replayed"), "true");
    EXPECT_EQ(listed(own_key()).size(), 2U);
    EXPECT_EQ(db.number("SELECT count(*) FROM idempotent_calls WHERE position('klen_'::bytea IN sealed_answer) > 0"),
              0);
}

TEST_F(keys_handlers, a_repeat_by_a_lesser_key_gives_nothing_away) {
    EXPECT_EQ(create("", once("k1")).status, 201);
    auto const lesser = make_key("acct_1", {"manage_keys"});
    auto const got = create_as(lesser, "", once("k1"));
    EXPECT_EQ(got.status, 409);
    EXPECT_THAT(got.body, Not(HasSubstr("klen_")));
}

TEST_F(keys_handlers, a_create_whose_answer_was_lost_gives_a_key_that_works) {
    auto const lose_answer = [&] {
        db.query("UPDATE idempotent_calls SET status = NULL, sealed_answer = NULL, key_id = NULL,"
                 " begun_at = begun_at - interval '2 minutes'");
    };
    auto const first = json(create("", once("k1")));
    lose_answer();
    auto const second = json(create("", once("k1")));
    EXPECT_EQ(text(second, "id"), text(first, "id"));
    EXPECT_EQ(id_of(text(second, "key")), text(first, "id"));
    EXPECT_EQ(call_as(text(first, "key"), "GET", "/api/v1/whoami").status, 401) << "nobody has seen that one";
    db.query("UPDATE api_keys SET last_used_at = clock_timestamp() WHERE api_key_id = '" + text(first, "id") + "'");
    lose_answer();
    EXPECT_EQ(create("", once("k1")).status, 409);
    EXPECT_EQ(call_as(text(second, "key"), "GET", "/api/v1/whoami").status, 200);
}

TEST_F(keys_handlers, the_last_use_is_shown) {
    auto const id = id_of(own_key());
    auto const uses = keys->take_uses();
    ASSERT_EQ(uses.size(), 1U);
    ASSERT_TRUE(run_task(stored->note_key_use(uses)));
    auto const at = parse_rfc3339(text(json(call("GET", "/api/v1/keys/" + id)), "last_used_at"));
    ASSERT_TRUE(at);
    EXPECT_EQ(*at, uses.at(0).second);
}

} // namespace
} // namespace klen::webhooks::api
