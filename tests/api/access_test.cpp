// Who may call what: every route of the table with every kind of key. A route that is added is tried here as well; one
// whose permission is not known here fails the test.
#include "api/raw_client.hpp"
#include "api/running_server.hpp"
#include "api/service_fixture.hpp"

#include "klen/webhooks/signing/api_key.hpp"

#include <gmock/gmock.h>

#include <set>

namespace klen::webhooks {
namespace {

using namespace testing_support;
using testing::HasSubstr;

struct access : service_fixture {
    /// A key with one permission, or all, for an account or the platform.
    std::string key(std::optional<std::string> account, std::vector<std::string> allowed, bool revoked = false) {
        auto const generated = signing::api_key::generate();
        store::api_key_row row;
        row.id = make_id<api_key_id>();
        row.account_id = std::move(account);
        row.hash = generated.hash;
        row.permissions = std::move(allowed);
        row.revoked = revoked;
        keys.apply({row});
        return generated.text;
    }

    access() {
        asio_context = std::make_unique<asio::io_context>();
        auto all = api::api_routes(with);
        for (auto& r : api::operations_routes(with))
            all.push_back(std::move(r));
        routes = all;
        webhook = own_webhook();
        stored_event();
        made = api::server::create({asio_context.get()}, running_server::quick_limits(), "127.0.0.1", 0, std::move(all),
                                   keys)
                   .value();
        made->start();
        guard.emplace(asio::make_work_guard(*asio_context));
        thread = std::thread([this] { asio_context->run(); });
    }
    ~access() override {
        std::promise<void> stopped;
        asio::co_spawn(*asio_context, made->stop(std::chrono::steady_clock::now()),
                       [&](std::exception_ptr) { stopped.set_value(); });
        stopped.get_future().wait();
        guard.reset();
        asio_context->stop();
        thread.join();
    }

    webhook_id own_webhook() {
        store::webhook w;
        w.id = make_id<webhook_id>();
        w.account_id = "acct_1";
        store.webhooks.push_back(w);
        return w.id;
    }
    void stored_event() {
        store::event_row e;
        e.id.value = webhook.value; // the same id serves every {id}
        e.account_id = "acct_1";
        e.body = "{}";
        store.events = {e};
    }

    /// A request to `to` that is right in every respect but, maybe, its key.
    raw_response call(api::route const& to, std::string const& key_field, std::string const& query = "") {
        std::string path = to.path;
        if (auto const at = path.find("{id}"); at != std::string::npos)
            path.replace(at, 4, webhook.text());
        std::string body;
        if (path.ends_with("/events"))
            body = R"({"account_id":"acct_1","event_type":"call.ended","payload":{}})";
        else if (to.verb == api::method::post && !path.ends_with("/delete"))
            body = R"({"name":"n","url":"https://example.com/h","subscribed_events":["*"]})";
        raw_client client(made->port());
        return client.exchange(std::string(api::to_string(to.verb)) + " " + path + query +
                               " HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n" + key_field +
                               "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body);
    }
    static std::string bearer(std::string const& key) { return "Authorization: Bearer " + key + "\r\n"; }

    std::vector<api::route> keyed_routes() const {
        std::vector<api::route> out;
        std::ranges::copy_if(routes, std::back_inserter(out), [](auto const& r) { return !r.permission.empty(); });
        return out;
    }
    /// What the account of the key decides about a call.
    static bool is_account_scoped(api::route const& r) { return r.path != "/api/v1/event-types"; }
    static bool is_publish(api::route const& r) { return r.permission == "publish"; }
    static bool names_a_thing(api::route const& r) { return r.path.find("{id}") != std::string::npos; }

    static std::set<std::string> const permissions;
    api::key_cache keys;
    std::vector<api::route> routes;
    webhook_id webhook;
    std::unique_ptr<asio::io_context> asio_context;
    std::unique_ptr<api::server> made;
    std::optional<asio::executor_work_guard<asio::io_context::executor_type>> guard;
    std::thread thread;
};
std::set<std::string> const access::permissions = {"publish", "read", "manage_webhooks", "manage_keys"};

TEST_F(access, only_the_operations_calls_need_no_key) {
    std::set<std::string> open;
    for (auto const& r : routes) {
        if (r.permission.empty())
            open.insert(r.path);
        else
            EXPECT_TRUE(permissions.contains(r.permission)) << r.path;
    }
    EXPECT_EQ(open, (std::set<std::string>{"/livez", "/healthz", "/readyz", "/metrics"}));
    for (auto const& r : routes) {
        if (r.permission.empty()) {
            EXPECT_EQ(call(r, "").status, 200) << r.path;
        }
    }
}

TEST_F(access, without_a_key_or_with_a_bad_one_nothing_is_answered) {
    auto const revoked = key("acct_1", {permissions.begin(), permissions.end()}, true);
    for (auto const& r : keyed_routes()) {
        for (std::string const& field :
             {std::string(), std::string("Authorization: Basic eDp5\r\n"), std::string("Authorization: Bearer \r\n")}) {
            auto const got = call(r, field);
            EXPECT_EQ(got.status, 401) << r.path;
            EXPECT_THAT(got.body, HasSubstr("authentication_required"));
            EXPECT_TRUE(got.header("WWW-Authenticate"));
        }
        for (std::string const& text : {std::string("klen_x"), revoked}) {
            auto const got = call(r, bearer(text));
            EXPECT_EQ(got.status, 401) << r.path;
            EXPECT_THAT(got.body, HasSubstr("invalid_key"));
            EXPECT_THAT(got.body, testing::Not(HasSubstr(text)));
        }
    }
    EXPECT_TRUE(writer.submitted().empty());
    EXPECT_EQ(store.webhooks.size(), 1U);
}

TEST_F(access, each_call_needs_its_own_permission) {
    for (auto const& r : keyed_routes()) {
        auto without = permissions;
        without.erase(r.permission);
        auto const got = call(r, bearer(key("acct_1", {without.begin(), without.end()})));
        EXPECT_EQ(got.status, 403) << r.path;
        EXPECT_THAT(got.body, HasSubstr(r.permission));
    }
    for (auto const& r : keyed_routes()) {
        store.webhooks.at(0).deleted = false;
        EXPECT_LT(call(r, bearer(key("acct_1", {r.permission}))).status, 300) << r.path;
        store.webhooks.at(0).deleted = false;
        EXPECT_LT(call(r, "X-API-Key: " + key("acct_1", {r.permission}) + "\r\n").status, 300) << r.path;
    }
}

TEST_F(access, another_accounts_things_are_not_there) {
    auto const foreign = bearer(key("acct_2", {permissions.begin(), permissions.end()}));
    for (auto const& r : keyed_routes()) {
        if (is_publish(r)) {
            EXPECT_EQ(call(r, foreign).status, 403) << r.path; // the event names acct_1
        } else if (names_a_thing(r)) {
            EXPECT_EQ(call(r, foreign).status, 404) << r.path;
        }
        if (is_account_scoped(r) && !is_publish(r)) {
            EXPECT_EQ(call(r, foreign, "?account_id=acct_1").status, 403) << r.path;
        }
    }
    EXPECT_TRUE(writer.submitted().empty());
    EXPECT_FALSE(store.webhooks.at(0).deleted);
}

TEST_F(access, a_platform_key_acts_for_the_account_that_it_names) {
    auto const any = bearer(key(std::nullopt, {permissions.begin(), permissions.end()}));
    for (auto const& r : keyed_routes()) {
        if (is_account_scoped(r) && !is_publish(r)) {
            auto const got = call(r, any);
            EXPECT_EQ(got.status, 400) << r.path;
            EXPECT_THAT(got.body, HasSubstr("account_id"));
        }
        store.webhooks.at(0).deleted = false;
        EXPECT_LT(call(r, any, "?account_id=acct_1").status, 300) << r.path;
    }
}

} // namespace
} // namespace klen::webhooks
