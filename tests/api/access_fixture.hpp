#pragma once

#include "api/history_fixture.hpp"

#include <functional>
#include <map>
#include <string>

/// Who may call what, in words of its own: the table that every route is held to, and requests made from it.
namespace klen::webhooks::testing_support {

/// What a path names.
enum class thing { none, webhook, event, delivery, job, key, event_type };

/// What a platform key has to say about the account.
enum class account {
    named,    ///< must name it: otherwise 400
    optional, ///< may; all accounts otherwise
    in_body,  ///< the body of this test names it
    none      ///< the call has nothing to do with accounts
};

struct rule {
    std::string permission; ///< "": no key; "*": any
    thing names = thing::none;
    account whose = account::named;
    int success = 200;
    std::string body = {};
    bool platform_only = false;
    bool creates = false;
};

inline constexpr char const* reads = "read";
inline constexpr char const* manages = "manage_webhooks";

inline std::map<std::string, rule> const& rules() {
    std::string const webhook = R"({"name":"n","url":"https://example.com/h","subscribed_events":["*"]})";
    std::string const event = R"({"account_id":"acct_1","event_type":"call.ended","payload":{}})";
    static std::map<std::string, rule> const all{
        {"GET /livez", {"", thing::none, account::none}},
        {"GET /healthz", {"", thing::none, account::none}},
        {"GET /readyz", {"", thing::none, account::none}},
        {"GET /metrics", {"", thing::none, account::none}},
        {"GET /api/v1/openapi.json", {"", thing::none, account::none}},
        {"GET /api/v1/whoami", {"*", thing::none, account::none}},

        {"POST /api/v1/webhooks", {manages, thing::none, account::named, 201, webhook, false, true}},
        {"POST /api/webhooks/create", {manages, thing::none, account::named, 201, webhook, false, true}},
        {"GET /api/v1/webhooks", {reads, thing::none, account::optional}},
        {"GET /api/v1/webhooks/{id}", {reads, thing::webhook}},
        {"PATCH /api/v1/webhooks/{id}", {manages, thing::webhook, account::named, 200, R"({"name":"m"})"}},
        {"PUT /api/v1/webhooks/{id}", {"", thing::webhook, account::none, 405, webhook}},
        {"DELETE /api/v1/webhooks/{id}", {manages, thing::webhook}},
        {"POST /api/v1/webhooks/{id}/delete", {manages, thing::webhook}},
        {"POST /api/v1/webhooks/{id}/enable", {manages, thing::webhook}},
        {"POST /api/v1/webhooks/{id}/disable", {manages, thing::webhook}},
        {"GET /api/v1/webhooks/{id}/secret", {manages, thing::webhook}},
        {"POST /api/v1/webhooks/{id}/rotate-secret", {manages, thing::webhook, account::named, 200, "", false, true}},
        {"POST /api/v1/webhooks/{id}/test", {manages, thing::webhook, account::named, 200, "", false, true}},
        {"GET /api/v1/webhooks/{id}/deliveries", {reads, thing::webhook}},
        {"POST /api/v1/webhooks/{id}/recover",
         {manages, thing::webhook, account::named, 202, R"({"since":"2026-01-01T00:00:00Z"})", false, true}},
        {"POST /api/v1/webhooks/{id}/cancel-pending", {manages, thing::webhook, account::named, 202, "", false, true}},
        {"GET /api/v1/webhooks/{id}/jobs", {reads, thing::webhook}},
        {"GET /api/v1/jobs/{id}", {reads, thing::job}},

        {"GET /api/v1/deliveries/{id}", {reads, thing::delivery}},
        {"POST /api/v1/deliveries/{id}/resend", {manages, thing::delivery, account::named, 202, "", false, true}},
        {"POST /api/v1/deliveries/{id}/cancel", {manages, thing::delivery}},

        {"POST /api/v1/events", {"publish", thing::none, account::in_body, 202, event}},
        {"GET /api/v1/events", {reads}},
        {"GET /api/v1/events/{id}", {reads, thing::event}},
        {"GET /api/v1/events/{id}/deliveries", {reads, thing::event}},

        {"GET /api/v1/event-types", {reads, thing::none, account::none}},
        {"GET /api/v1/event-types/{event_type}", {reads, thing::event_type, account::none}},
        {"POST /api/v1/event-types",
         {manages, thing::none, account::none, 201, R"({"event_type":"fresh.type{n}"})", true, true}},
        {"PATCH /api/v1/event-types/{event_type}",
         {manages, thing::event_type, account::none, 200, R"({"description":"d"})", true}},
        {"DELETE /api/v1/event-types/{event_type}", {manages, thing::event_type, account::none, 200, "", true}},

        {"GET /api/v1/keys", {"manage_keys", thing::none, account::optional}},
        {"POST /api/v1/keys", {"manage_keys", thing::none, account::named, 201, R"({"name":"k"})", false, true}},
        {"GET /api/v1/keys/{id}", {"manage_keys", thing::key, account::optional}},
        {"DELETE /api/v1/keys/{id}", {"manage_keys", thing::key, account::optional}},
        {"POST /api/v1/keys/{id}/revoke", {"manage_keys", thing::key, account::optional}},
    };
    return all;
}

struct access_fixture : history_fixture {
    access_fixture() {
        with.send_test = [](dispatch::test_request) -> task<result<dispatch::test_outcome>> {
            co_return dispatch::test_outcome();
        };
    }

    static std::string name_of(api::route const& r) { return std::string(api::to_string(r.verb)) + " " + r.path; }

    std::string fresh_number() { return std::to_string(++numbers_); }
    std::string newest(std::string const& column, std::string const& table) {
        return db.value("SELECT " + column + " FROM " + table + " ORDER BY " + column + " DESC LIMIT 1");
    }
    std::string publish() {
        auto const made = call("POST", "/api/v1/events", R"({"event_type":"call.ended","payload":{}})");
        EXPECT_EQ(made.status, 202) << made.body;
        return text(json(made), "id");
    }
    /// A new one, of acct_1.
    std::string make(thing what) {
        switch (what) {
        case thing::none:
            return "";
        case thing::webhook:
            return make_webhook();
        case thing::event:
            return publish();
        case thing::delivery:
            if (db.number("SELECT count(*) FROM webhooks WHERE deleted_at IS NULL") == 0)
                make_webhook();
            publish();
            return newest("delivery_id", "deliveries");
        case thing::job:
            call("POST", path_of(make_webhook()) + "/cancel-pending");
            return newest("job_id", "webhook_jobs");
        case thing::key:
            make_key("acct_1");
            // Not simply the newest: ids of two threads within a millisecond are in no order.
            return newest("api_key_id", "api_keys WHERE account_id = 'acct_1'");
        case thing::event_type: {
            store::event_type_row type;
            type.event_type = "made.type" + fresh_number();
            return run_task(stored->create_event_type(std::move(type))).value().event_type;
        }
        }
        return "";
    }

    /// A request that is right in every respect but, maybe, its key.
    raw_response request(std::string const& name, std::string const& key_field, std::string const& query = "") {
        return request_about(make(rules().at(name).names), name, key_field, query);
    }
    /// The same about what is named by `id`.
    raw_response request_about(std::string const& id, std::string const& name, std::string const& key_field,
                               std::string const& query = "") {
        auto const space = name.find(' ');
        std::string path = name.substr(space + 1);
        for (char const* parameter : {"{id}", "{event_type}"})
            if (auto const at = path.find(parameter); at != std::string::npos)
                path.replace(at, std::string_view(parameter).size(), id);
        std::string body = rules().at(name).body;
        if (auto const at = body.find("{n}"); at != std::string::npos)
            body.replace(at, 3, fresh_number());
        return call_with(key_field, name.substr(0, space), path + query, body);
    }
    static std::string bearer(std::string const& key) { return "Authorization: Bearer " + key + "\r\n"; }
    static bool may(rule const& r, std::string const& permission) {
        return r.permission == "*" || r.permission == permission;
    }
    /// ?account_id= where the call takes it.
    static std::string for_account(rule const& r) {
        return r.whose == account::none || r.whose == account::in_body ? "" : "?account_id=acct_1";
    }
    void for_each_keyed(std::function<void(std::string const&, rule const&)> const& what) {
        for (auto const& [name, r] : rules())
            if (!r.permission.empty())
                what(name, r);
    }

  private:
    int numbers_ = 0;
};

} // namespace klen::webhooks::testing_support
