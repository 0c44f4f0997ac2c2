#include "api/service_fixture.hpp"

#include "klen/webhooks/signing/secret.hpp"

#include <gmock/gmock.h>

namespace klen::webhooks::api {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

struct webhooks_handlers : testing_support::service_fixture {
    static std::string body(std::string const& more = "") {
        return R"({"name":"n","url":"https://example.com/h","subscribed_events":["call.*"])" + more + "}";
    }
    response create(std::string const& more = "",
                    caller who = {.key_id = "k", .account_id = "acct_1", .permissions = {}},
                    std::string const& path = "/api/v1/webhooks") {
        return call(method::post, path, body(more), std::move(who));
    }
    std::string created_id(std::string const& more = "") { return text(json(create(more)), "id"); }
    static caller other() { return {.key_id = "o", .account_id = "acct_2", .permissions = {}}; }
};

TEST_F(webhooks_handlers, the_secret_is_shown_on_create_and_sealed_in_the_store) {
    auto const answer = create(R"(,"metadata":{"n":12345678901234567890})");
    ASSERT_EQ(answer.status, 201);
    EXPECT_THAT(answer.headers, testing::Contains(testing::Pair("Cache-Control", "no-store")));
    auto const shown = json(answer);
    auto const secret = text(shown, "secret");
    EXPECT_TRUE(signing::secret::parse(secret));
    EXPECT_THAT(answer.body, HasSubstr(R"("metadata":{"n":12345678901234567890})"));
    EXPECT_EQ(text(shown, "created_at"), "2026-03-02T09:18:41.000Z");

    auto const& stored = store.webhooks.at(0);
    EXPECT_EQ(stored.account_id, "acct_1");
    EXPECT_EQ(stored.id.text(), text(shown, "id"));
    auto const& sealed = stored.secrets.at(0);
    signing::sealer::place const place{"webhook_secrets", sealed.id.value, "acct_1"};
    EXPECT_EQ(seals.open(sealed.sealed, sealed.key_id, place).value(), secret);
    EXPECT_THAT(changed, ElementsAre(stored.id));
}

TEST_F(webhooks_handlers, no_other_call_shows_the_secret) {
    auto const id = created_id();
    for (std::string const& path : {std::string("/api/v1/webhooks"), "/api/v1/webhooks/" + id}) {
        auto const answer = call(method::get, path);
        EXPECT_EQ(answer.status, 200);
        EXPECT_THAT(answer.body, Not(HasSubstr("whsec_")));
        EXPECT_THAT(answer.body, Not(HasSubstr("secret")));
    }
}

TEST_F(webhooks_handlers, the_older_path_creates_too) {
    EXPECT_EQ(create("", {.key_id = "k", .account_id = "acct_1", .permissions = {}}, "/api/webhooks/create").status,
              201);
}

TEST_F(webhooks_handlers, a_webhook_can_be_created_disabled) {
    auto const shown = json(create(R"(,"enabled":false)"));
    EXPECT_FALSE(shown.at("enabled").as_bool());
    EXPECT_EQ(text(shown, "disabled_reason"), "requested");
    EXPECT_TRUE(shown.at("disabled_at").is_string());
}

TEST_F(webhooks_handlers, a_wrong_body_creates_nothing) {
    auto const answer = call(method::post, "/api/v1/webhooks", R"({"nmae":"x"})");
    EXPECT_EQ(answer.status, 400);
    EXPECT_EQ(text(json(answer), "error"), "validation_error");
    EXPECT_THAT(text(json(answer), "message"), HasSubstr("did you mean name?"));
    EXPECT_TRUE(store.webhooks.empty());
    EXPECT_TRUE(changed.empty());
}

TEST_F(webhooks_handlers, a_platform_key_says_for_whom_it_acts) {
    EXPECT_EQ(create("", platform()).status, 400);
    EXPECT_THAT(text(json(create("", platform())), "message"), HasSubstr("account_id"));
    EXPECT_EQ(create(R"(,"account_id":"a b")", platform()).status, 400);
    EXPECT_EQ(create(R"(,"account_id":"acct_2")", platform()).status, 201);
    EXPECT_EQ(create("", platform(), "/api/v1/webhooks?account_id=acct_3").status, 201);
    EXPECT_EQ(create(R"(,"account_id":"acct_2")", platform(), "/api/v1/webhooks?account_id=acct_3").status, 400);
    EXPECT_EQ(store.webhooks.at(0).account_id, "acct_2");
    EXPECT_EQ(store.webhooks.at(1).account_id, "acct_3");
    EXPECT_EQ(call(method::get, "/api/v1/webhooks", "", platform()).status, 400);
    EXPECT_EQ(json(call(method::get, "/api/v1/webhooks?account_id=acct_2", "", platform())).at("count").as_int64(), 1);
}

TEST_F(webhooks_handlers, an_account_key_cannot_name_another_account) {
    EXPECT_EQ(create(R"(,"account_id":"acct_2")").status, 403);
    EXPECT_EQ(create("", other(), "/api/v1/webhooks?account_id=acct_1").status, 403);
    EXPECT_EQ(create(R"(,"account_id":"acct_1")").status, 201);
    EXPECT_EQ(store.webhooks.size(), 1U);
}

TEST_F(webhooks_handlers, anothers_webhook_is_not_found) {
    auto const id = created_id();
    EXPECT_EQ(call(method::get, "/api/v1/webhooks/" + id, "", other()).status, 404);
    EXPECT_EQ(call(method::delete_, "/api/v1/webhooks/" + id, "", other()).status, 404);
    EXPECT_EQ(call(method::post, "/api/v1/webhooks/" + id + "/delete", "", other()).status, 404);
    EXPECT_EQ(json(call(method::get, "/api/v1/webhooks", "", other())).at("count").as_int64(), 0);
    EXPECT_EQ(call(method::get, "/api/v1/webhooks/" + id).status, 200);
}

TEST_F(webhooks_handlers, a_malformed_id_is_not_found) {
    EXPECT_EQ(call(method::get, "/api/v1/webhooks/7").status, 404);
    EXPECT_EQ(call(method::delete_, "/api/v1/webhooks/7").status, 404);
}

TEST_F(webhooks_handlers, both_forms_of_delete_delete) {
    auto const first = created_id();
    auto const second = created_id();
    changed.clear();
    auto const answer = call(method::delete_, "/api/v1/webhooks/" + first);
    EXPECT_EQ(answer.status, 200);
    EXPECT_EQ(text(json(answer), "id"), first);
    EXPECT_TRUE(json(answer).at("message").is_string());
    EXPECT_EQ(call(method::post, "/api/v1/webhooks/" + second + "/delete").status, 200);
    EXPECT_EQ(call(method::get, "/api/v1/webhooks/" + first).status, 404);
    EXPECT_EQ(call(method::delete_, "/api/v1/webhooks/" + first).status, 404);
    EXPECT_EQ(changed.size(), 2U);
}

TEST_F(webhooks_handlers, a_list_comes_in_pages) {
    for (int i = 0; i < 5; ++i)
        create();
    auto const page = json(call(method::get, "/api/v1/webhooks?limit=2"));
    EXPECT_EQ(page.at("count").as_int64(), 5);
    EXPECT_EQ(page.at("pages").as_int64(), 3);
    EXPECT_EQ(page.at("limit").as_int64(), 2);
    EXPECT_EQ(page.at("webhooks").as_array().size(), 2U);
    for (char const* bad : {"?limit=0", "?limit=201", "?limit=x", "?limit=", "?limit=1.5", "?limit=-1", "?page=0",
                            "?page=99999999999999999999"})
        EXPECT_EQ(call(method::get, std::string("/api/v1/webhooks") + bad).status, 400) << bad;
}

TEST_F(webhooks_handlers, a_store_that_is_gone_is_told_as_such) {
    store.fails = failure{fault::connection_lost, "password=hunter2"};
    for (auto const& answer : {create(), call(method::get, "/api/v1/webhooks"),
                               call(method::get, "/api/v1/webhooks/" + make_id<webhook_id>().text()),
                               call(method::delete_, "/api/v1/webhooks/" + make_id<webhook_id>().text())}) {
        EXPECT_EQ(answer.status, 503);
        EXPECT_THAT(answer.headers, testing::Contains(testing::Key("Retry-After")));
        EXPECT_THAT(answer.body, Not(HasSubstr("hunter2")));
    }
    EXPECT_TRUE(changed.empty());
}

} // namespace
} // namespace klen::webhooks::api
