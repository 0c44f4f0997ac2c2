#include "api/idempotency.hpp"

#include "api/service_fixture.hpp"

#include <gmock/gmock.h>

#include <set>

namespace klen::webhooks::api {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::Pair;

request asked(std::string body, std::vector<std::pair<std::string, std::string>> query = {}) {
    request out;
    out.verb = method::post;
    out.route = "/api/v1/webhooks/{id}/test";
    out.parameters = {{"id", "7"}};
    out.body = std::move(body);
    out.query = std::move(query);
    return out;
}
std::array<std::uint8_t, 32> hash_of(request const& what, std::vector<std::string> permissions = {"read"}) {
    return idempotency_hash(what, {.key_id = "k", .account_id = "acct_1", .permissions = std::move(permissions)});
}
caller of_account(std::optional<std::string> account) {
    return {.key_id = "k", .account_id = std::move(account), .permissions = {}};
}

TEST(idempotency, the_spelling_of_json_and_the_order_of_the_query_do_not_matter) {
    auto const first = hash_of(asked(R"({"a":1.0,"b":"x"})", {{"p", "1"}, {"q", "2"}}));
    EXPECT_EQ(first, hash_of(asked(R"( { "a" : 1, "b":"\u0078" } )", {{"q", "2"}, {"p", "1"}})));
}

TEST(idempotency, what_differs_has_another_hash) {
    std::vector<request> const all = {asked("{}"),
                                      asked(""),
                                      asked("{"),
                                      asked("[]"),
                                      asked(R"({"a":1})"),
                                      asked(R"({"a":2})"),
                                      asked(R"({"a":1,"b":2})"),
                                      asked(R"({"b":2,"a":1})"), // the order of members can be seen in metadata
                                      asked("{}", {{"a", "b"}}),
                                      asked("{}", {{"ab", ""}}),
                                      asked("{}", {{"", "ab"}}),
                                      asked("{}", {{"a", "b"}, {"a", "b"}})};
    std::set<std::array<std::uint8_t, 32>> hashes;
    for (auto const& one : all)
        EXPECT_TRUE(hashes.insert(hash_of(one)).second) << one.body;
}

TEST(idempotency, who_may_less_asks_for_something_else) {
    auto const all = hash_of(asked("{}"), {"read", "manage_keys"});
    EXPECT_EQ(all, hash_of(asked("{}"), {"manage_keys", "read"}));
    EXPECT_NE(all, hash_of(asked("{}"), {"manage_keys"}));
}

TEST(idempotency, another_key_that_makes_a_key_asks_for_something_else) {
    auto const by = [](std::string_view route, std::string key_id) {
        auto what = asked("{}");
        what.route = route;
        return idempotency_hash(what, {.key_id = std::move(key_id), .account_id = "acct_1", .permissions = {}});
    };
    EXPECT_NE(by("/api/v1/keys", "slow"), by("/api/v1/keys", "fast"));
    EXPECT_EQ(by("/api/v1/webhooks", "slow"), by("/api/v1/webhooks", "fast")) << "a key may be replaced meanwhile";
}

TEST(idempotency, a_key_belongs_to_an_account_a_call_and_a_thing) {
    auto const base = idempotency_scope(asked("{}"), of_account("acct_1"));
    EXPECT_EQ(base, idempotency_scope(asked("other body"), of_account("acct_1")));
    std::set<std::string> scopes{base};
    EXPECT_TRUE(scopes.insert(idempotency_scope(asked("{}"), of_account("acct_2"))).second);
    EXPECT_TRUE(scopes.insert(idempotency_scope(asked("{}"), of_account(std::nullopt))).second);
    EXPECT_TRUE(scopes.insert(idempotency_scope(asked("{}"), of_account("platform"))).second);
    auto elsewhere = asked("{}");
    elsewhere.route = "/api/v1/webhooks/{id}/rotate-secret";
    EXPECT_TRUE(scopes.insert(idempotency_scope(elsewhere, of_account("acct_1"))).second);
    auto another = asked("{}");
    another.parameters = {{"id", std::string("8\0\xff", 3)}};
    auto const scope = idempotency_scope(another, of_account("acct_1"));
    EXPECT_TRUE(scopes.insert(scope).second);
    EXPECT_TRUE(std::ranges::all_of(scope, [](char c) { return c >= ' ' && c <= '~'; }))
        << "it goes into a text column";
}

/// Takes every call and then cannot create a webhook.
struct refusing_store : testing_support::fake_api_store {
    task<result<webhook>> create_webhook(webhook, store::sealed_secret, std::uint32_t) override { co_return why; }
    failure why;
};

struct idempotent_calls : testing_support::service_fixture {
    response create(std::string const& name = "n") {
        return call(method::post, "/api/v1/webhooks",
                    R"({"name":")" + name + R"(","url":"https://example.com/h","subscribed_events":["*"]})",
                    of_account("acct_1"), "key-1");
    }
    refusing_store refusing;
};

TEST_F(idempotent_calls, an_answer_is_kept_unless_it_is_an_error) {
    EXPECT_EQ(create().status, 201);
    EXPECT_THAT(store.finished, ElementsAre("key-1"));
    EXPECT_EQ(create("").status, 400);
    EXPECT_THAT(store.finished, ElementsAre("key-1"));
    EXPECT_THAT(store.forgotten, ElementsAre("key-1")) << "the mended call may have the key";

    with.store = &refusing; // begins, and then cannot create
    for (auto const& [kind, status] : {std::pair(fault::connection_lost, 503), std::pair(fault::overloaded, 429),
                                       std::pair(fault::database_refused, 500)}) {
        refusing.why = failure{kind, "x"};
        refusing.forgotten.clear();
        EXPECT_EQ(create().status, status);
        EXPECT_THAT(refusing.forgotten, ElementsAre("key-1"));
        EXPECT_THAT(refusing.finished, IsEmpty());
    }
}

TEST_F(idempotent_calls, count_among_their_accounts_calls_from_begin_to_end) {
    create();
    EXPECT_THAT(store.accounts, ElementsAre("acct_1", "acct_1")); // begun, finished
    store.accounts.clear();
    with.store = &refusing;
    refusing.why = failure{fault::overloaded, "x"};
    create();
    EXPECT_THAT(refusing.accounts, ElementsAre("acct_1", "acct_1")); // begun, forgotten
    with.store = &store;
    call(method::post, "/api/v1/event-types", R"({"event_type":"a.b"})", platform(), "key-2");
    EXPECT_THAT(store.accounts, ElementsAre("", "")) << "the platform's are nobody's";
}

TEST_F(idempotent_calls, a_call_under_way_is_a_conflict_that_passes) {
    store.begun = store::call_under_way();
    auto const answer = create();
    EXPECT_EQ(answer.status, 409);
    EXPECT_THAT(answer.headers, Contains(Pair("Retry-After", "1")));
    EXPECT_THAT(answer.body, HasSubstr("still under way"));
}

TEST_F(idempotent_calls, a_database_without_room_is_unavailable_and_no_conflict) {
    store.fails = failure{fault::database_busy, "could not extend file (SQLSTATE 53100)"};
    auto const answer = create();
    EXPECT_EQ(answer.status, 503);
    EXPECT_THAT(answer.headers, Contains(Pair("Retry-After", "1")));
    EXPECT_THAT(answer.body, HasSubstr("unavailable"));
}

TEST_F(idempotent_calls, a_used_key_is_a_conflict_that_stays) {
    store.fails = failure{fault::conflict, "other hash"};
    auto const answer = create();
    EXPECT_EQ(answer.status, 409);
    EXPECT_THAT(answer.headers, Not(Contains(testing::Key("Retry-After"))));
    EXPECT_THAT(answer.body, HasSubstr("Idempotency-Key: was used"));
}

TEST_F(idempotent_calls, without_a_store_nothing_is_done) {
    store.fails = failure{fault::connection_lost, "password=hunter2"};
    auto const answer = create();
    EXPECT_EQ(answer.status, 503);
    EXPECT_THAT(answer.body, Not(HasSubstr("hunter2")));
    EXPECT_THAT(changed, IsEmpty());
}

TEST_F(idempotent_calls, an_answer_that_does_not_open_says_that_the_call_was_made) {
    store.begun = store::idempotent_answer{
        .status = 201, .sealed_body = {1, 2, 3}, .key_id = "k1", .resource_id = make_uuid_v7()};
    auto const answer = create();
    EXPECT_EQ(answer.status, 409);
    EXPECT_THAT(answer.headers, Not(Contains(testing::Key("Retry-After"))));
    EXPECT_THAT(answer.body, HasSubstr("its answer cannot be shown again"));
    EXPECT_THAT(changed, IsEmpty());
}

TEST_F(idempotent_calls, what_a_broken_call_left_is_found_out_by_the_next_one) {
    with.webhook_changed = [](webhook_id) { throw std::runtime_error("on purpose"); };
    EXPECT_THROW(create(), std::runtime_error);
    EXPECT_THAT(store.finished, IsEmpty());
    EXPECT_THAT(store.forgotten, IsEmpty()) << "it goes on with the same id, after a while";
}

TEST_F(idempotent_calls, a_query_that_is_wrong_uses_no_key_up) {
    auto const answer = call(method::post, "/api/v1/webhooks?x=1", "{}", of_account("acct_1"), "key-1");
    EXPECT_EQ(answer.status, 400);
    EXPECT_THAT(store.finished, IsEmpty());
}

TEST_F(idempotent_calls, calls_that_make_nothing_overlook_the_key) {
    EXPECT_EQ(call(method::get, "/api/v1/webhooks", "", of_account("acct_1"), "key-1").status, 200);
    EXPECT_THAT(store.finished, IsEmpty());
}

} // namespace
} // namespace klen::webhooks::api
