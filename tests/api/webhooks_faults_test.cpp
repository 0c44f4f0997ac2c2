// What the calls answer when the database is gone, and for whom they ask it. Everything else is tested with a real one.
#include "api/service_fixture.hpp"

#include <gmock/gmock.h>

namespace klen::webhooks::api {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

struct management_faults : testing_support::service_fixture {
    static std::string body_of(route const& r) {
        if (r.verb == method::patch)
            return r.path.find("event-types") == std::string::npos ? R"({"name":"x"})" : R"({"description":"x"})";
        if (r.path == "/api/v1/webhooks" || r.path == "/api/webhooks/create")
            return R"({"name":"n","url":"https://example.com/h","subscribed_events":["*"]})";
        if (r.path == "/api/v1/event-types")
            return R"({"event_type":"invoice.paid"})";
        if (r.path == "/api/v1/keys")
            return R"({"name":"k"})";
        return "";
    }
    static std::string path_of(route const& r) {
        auto path = r.path;
        if (auto const at = path.find("{id}"); at != std::string::npos)
            path.replace(at, 4, make_uuid_v7().text());
        if (auto const at = path.find("{event_type}"); at != std::string::npos)
            path.replace(at, 12, "invoice.paid");
        return path;
    }
    static bool is_managed_here(route const& r) {
        for (char const* other : {"deliveries", "events", "jobs", "recover", "cancel-pending", "openapi", "whoami"})
            if (r.path.find(other) != std::string::npos)
                return false;
        return r.verb != method::put;
    }
};

TEST_F(management_faults, a_database_that_is_gone_is_told_as_such_by_every_call) {
    store.fails = failure{fault::connection_lost, "password=hunter2"};
    caller const who{.key_id = make_uuid_v7().text(), .account_id = "acct_1", .permissions = {"read"}};
    int tried = 0;
    for (auto const& r : api_routes(with)) {
        if (!is_managed_here(r))
            continue;
        auto const got = call(r.verb, path_of(r), r.verb == method::get ? "" : body_of(r), who);
        EXPECT_EQ(got.status, 503) << r.path;
        EXPECT_THAT(got.headers, testing::Contains(testing::Key("Retry-After"))) << r.path;
        EXPECT_THAT(got.body, Not(HasSubstr("hunter2"))) << r.path;
        ++tried;
    }
    EXPECT_GT(tried, 20);
    EXPECT_TRUE(changed.empty());
}

TEST_F(management_faults, the_catalogue_is_read_among_the_calls_of_whoever_asks) {
    auto const id = make_uuid_v7().text();
    call(method::get, "/api/v1/event-types");
    call(method::get, "/api/v1/event-types/invoice.paid");
    call(method::post, "/api/v1/webhooks/" + id + "/test", R"({"event_type":"invoice.paid"})");
    EXPECT_THAT(store.accounts, ElementsAre("acct_1", "acct_1", "acct_1"));
    store.accounts.clear();
    call(method::get, "/api/v1/event-types", "", platform());
    call(method::post, "/api/v1/webhooks/" + id + "/test?account_id=acct_2", R"({"event_type":"invoice.paid"})",
         platform());
    EXPECT_THAT(store.accounts, ElementsAre("", "acct_2"));
}

TEST_F(management_faults, a_webhook_is_shown_without_health_where_nobody_keeps_it) {
    auto const got = call(method::get, "/api/v1/webhooks/" + make_uuid_v7().text());
    EXPECT_EQ(got.status, 200);
    EXPECT_FALSE(json(got).contains("health"));
}

TEST_F(management_faults, a_secret_that_does_not_open_is_told_as_such_and_shows_nothing) {
    signing::sealer const others = signing::sealer::create(signing::generate_master_key(), "k1").value();
    with.seals = &others;
    store.begun.reset();
    struct foreign_store : testing_support::fake_api_store {
        task<result<webhook>> show_secrets(std::string account, webhook_id) override {
            webhook out;
            out.account_id = std::move(account);
            out.secrets.push_back(
                {.id = make_id<secret_id>(), .sealed = {1, 2, 3}, .key_id = "k1", .created_at = {}, .expires_at = {}});
            co_return out;
        }
    } foreign;
    with.store = &foreign;
    auto const got = call(method::get, "/api/v1/webhooks/" + make_uuid_v7().text() + "/secret");
    EXPECT_EQ(got.status, 503);
    EXPECT_THAT(got.body, HasSubstr("secrets.previous_master_keys"));
    EXPECT_THAT(got.body, Not(HasSubstr("k1")));
}

} // namespace
} // namespace klen::webhooks::api
