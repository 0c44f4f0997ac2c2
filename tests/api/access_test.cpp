// Who may call what: every route of the table with every kind of key. Each route has a rule (access_fixture.hpp); a new
// route without one fails the first test. Ids of other accounts: foreign_ids_test.cpp.
#include "api/access_fixture.hpp"

#include <gmock/gmock.h>

namespace klen::webhooks {
namespace {

using namespace testing_support;
using testing::HasSubstr;
using testing::Not;

struct access : access_fixture {};

TEST_F(access, every_route_has_a_rule_and_keeps_to_it) {
    std::map<std::string, api::route const*> served;
    for (auto const& r : routes())
        served[name_of(r)] = &r;
    for (auto const& [name, r] : served) {
        ASSERT_TRUE(rules().contains(name)) << name << " has no rule: say above who may call it";
        auto const& expected = rules().at(name);
        EXPECT_EQ(r->permission, expected.permission) << name;
        EXPECT_EQ(r->platform_only, expected.platform_only) << name;
        EXPECT_EQ(r->creates, expected.creates) << name;
    }
    for (auto const& [name, r] : rules())
        EXPECT_TRUE(served.contains(name)) << name << " is not served";
}

TEST_F(access, calls_without_a_permission_need_no_key) {
    for (auto const& [name, r] : rules()) {
        if (r.permission.empty()) {
            EXPECT_EQ(request(name, "").status, r.success) << name;
        }
    }
}

TEST_F(access, without_a_key_or_with_a_bad_one_nothing_is_answered) {
    auto const revoked = make_key("acct_1");
    run_task(stored->revoke_api_key(std::nullopt, *api_key_id::parse(newest("api_key_id", "api_keys")))).value();
    keys->apply(run_task(stored->list_api_keys()).value());
    for_each_keyed([&](std::string const& name, rule const&) {
        for (std::string const& field :
             {std::string(), std::string("Authorization: Basic eDp5\r\n"), std::string("Authorization: Bearer \r\n")}) {
            auto const got = request(name, field);
            EXPECT_EQ(got.status, 401) << name;
            EXPECT_THAT(got.body, HasSubstr("authentication_required")) << name;
            EXPECT_TRUE(got.header("WWW-Authenticate")) << name;
        }
        for (std::string const& text : {std::string("klen_x"), revoked}) {
            auto const got = request(name, bearer(text));
            EXPECT_EQ(got.status, 401) << name;
            EXPECT_THAT(got.body, HasSubstr("invalid_key")) << name;
            EXPECT_THAT(got.body, Not(HasSubstr(text))) << name;
        }
    });
}

TEST_F(access, an_account_key_may_what_its_permission_says) {
    for (auto const& permission : all_permissions()) {
        auto const key = make_key("acct_1", {permission});
        for_each_keyed([&](std::string const& name, rule const& r) {
            bool const allowed = may(r, permission) && !r.platform_only;
            auto const got = request(name, bearer(key));
            EXPECT_EQ(got.status, allowed ? r.success : 403) << name << " with " << permission << ": " << got.body;
            if (!allowed && !r.platform_only) {
                EXPECT_THAT(got.body, HasSubstr(r.permission)) << name;
            }
        });
    }
}

TEST_F(access, a_key_is_taken_from_either_field) {
    auto const key = make_key("acct_1");
    for_each_keyed([&](std::string const& name, rule const& r) {
        if (!r.platform_only) {
            EXPECT_EQ(request(name, "X-API-Key: " + key + "\r\n").status, r.success) << name;
        }
    });
}

TEST_F(access, a_platform_key_may_what_its_permission_says_for_the_account_that_it_names) {
    for (auto const& permission : all_permissions()) {
        auto const key = make_key(std::nullopt, {permission});
        for_each_keyed([&](std::string const& name, rule const& r) {
            auto const got = request(name, bearer(key), for_account(r));
            EXPECT_EQ(got.status, may(r, permission) ? r.success : 403)
                << name << " with " << permission << ": " << got.body;
        });
    }
}

TEST_F(access, a_platform_key_that_names_no_account_is_asked_for_one) {
    auto const key = make_key(std::nullopt);
    for_each_keyed([&](std::string const& name, rule const& r) {
        auto const got = request(name, bearer(key));
        if (r.whose != account::named) {
            EXPECT_EQ(got.status, r.success) << name << ": " << got.body;
            return;
        }
        EXPECT_EQ(got.status, 400) << name;
        EXPECT_THAT(got.body, HasSubstr("account_id")) << name;
    });
}

TEST_F(access, no_call_takes_a_parameter_that_it_does_not_know) {
    auto const key = make_key(std::nullopt);
    for_each_keyed([&](std::string const& name, rule const& r) {
        auto const query = for_account(r);
        auto const got = request(name, bearer(key), query + (query.empty() ? "?" : "&") + "no_such_thing=1");
        EXPECT_EQ(got.status, 400) << name;
        EXPECT_THAT(got.body, HasSubstr("no_such_thing")) << name;
    });
}

} // namespace
} // namespace klen::webhooks
