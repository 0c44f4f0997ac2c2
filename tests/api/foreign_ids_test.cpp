// Ids of one account in calls for another: every route of the table, every kind of key, every kind of id. What is
// somebody else's is answered, byte for byte, like what is not there at all, and is left as it was.
#include "api/access_fixture.hpp"

#include "api/cursor.hpp"

#include <gmock/gmock.h>

#include <algorithm>
#include <array>
#include <atomic>

namespace klen::webhooks {
namespace {

using namespace testing_support;
using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

/// Whoever calls.
struct asker {
    std::string what;
    std::string field; ///< the header line with the key
    bool known = true; ///< the key is one
    bool platform = false;
    std::vector<std::string> permissions = {};
    std::string query = {}; ///< for whom, where a call takes it
};

/// acct_1 owns one of everything; nobody else has business with it.
struct foreign_ids : access_fixture {
    foreign_ids() {
        with.send_test = [this](dispatch::test_request) -> task<result<dispatch::test_outcome>> {
            ++tests_sent_;
            co_return dispatch::test_outcome();
        };
        // Failed once, so that there are attempts, and something to send again or to recover.
        auto const webhook = make_webhook();
        auto const event = publish();
        auto const delivery = newest("delivery_id", "deliveries");
        attempt_all({});
        owned_ = {{thing::webhook, webhook},
                  {thing::event, event},
                  {thing::delivery, delivery},
                  {thing::key, make(thing::key)}};
        EXPECT_EQ(call("POST", path_of(webhook) + "/rotate-secret", "", once("of-acct-1")).status, 200);
        owned_[thing::job] = make(thing::job); // of another webhook: cancelling leaves the delivery above alone
        secret_id_ = newest("secret_id", "webhook_secrets");
        pending_ = make(thing::delivery);
        everybody_else_ = make_askers();
        forget_what_was_told();
    }

    void forget_what_was_told() {
        for (auto* told : {&changed, &parked, &jobs_begun})
            taken(*told);
    }

    std::vector<asker> make_askers() {
        auto const revoked = make_key("acct_1");
        auto const revoked_id = newest("api_key_id", "api_keys WHERE account_id = 'acct_1'");
        run_task(stored->revoke_api_key(std::nullopt, *api_key_id::parse(revoked_id))).value();
        keys->apply(run_task(stored->list_api_keys()).value());
        std::vector<asker> out{{"no key", "", false},
                               {"another scheme", "Authorization: Basic eDp5\r\n", false},
                               {"rubbish", bearer("klen_x"), false},
                               {"a key that nobody has", bearer(signing::api_key::generate().text), false},
                               {"a revoked key of the owner", bearer(revoked), false}};
        auto const add = [&](std::string what, std::optional<std::string> account, std::vector<std::string> permissions,
                             std::string query = "") {
            bool const platform = !account;
            auto field = bearer(make_key(std::move(account), permissions));
            out.push_back(
                {std::move(what), std::move(field), true, platform, std::move(permissions), std::move(query)});
        };
        auto all = all_permissions();
        auto each = std::vector<std::vector<std::string>>{all};
        for (auto const& one : all)
            each.push_back({one});
        for (auto const& permissions : each) {
            auto const how = permissions.size() == 1 ? permissions.front() : "all";
            add("a key of acct_2 that may " + how, "acct_2", permissions);
            add("a platform key for acct_2 that may " + how, std::nullopt, permissions, "?account_id=acct_2");
        }
        add("a platform key for nobody", std::nullopt, all);
        return out;
    }

    /// Like `id`, of the same millisecond, but of nothing.
    static std::string nobodys(std::string id) {
        id.back() = id.back() == '0' ? '1' : '0';
        return id;
    }
    /// All bytes of an answer but the id that was asked for, its time and its own id.
    static std::string anonymous(raw_response const& answer, std::string const& id) {
        std::string out;
        for (std::string_view rest = answer.head; !rest.empty();) {
            auto const line = rest.substr(0, rest.find("\r\n") + 2);
            rest.remove_prefix(line.size());
            if (!line.starts_with("Date: ") && !line.starts_with("X-Request-ID: "))
                out += line;
        }
        out += "\r\n" + answer.body;
        for (auto at = out.find(id); at != std::string::npos; at = out.find(id))
            out.replace(at, id.size(), "(id)");
        return out;
    }

    static bool names_something_owned(rule const& r) { return r.names != thing::none && r.names != thing::event_type; }
    static std::string query_of(asker const& who, rule const& r) { return for_account(r).empty() ? "" : who.query; }
    /// Platform keys that name no account see and revoke the keys of all: access_test.cpp.
    static bool acts_for_all(asker const& who, rule const& r) {
        return who.known && who.platform && who.query.empty() && r.whose == account::optional;
    }
    static bool permits(asker const& who, rule const& r) {
        bool const has = std::ranges::any_of(who.permissions, [&](auto const& one) { return may(r, one); });
        return has && (who.platform || !r.platform_only);
    }
    /// What the documents promise for a call about something of acct_1.
    static int promised(asker const& who, rule const& r) {
        if (r.permission.empty())
            return r.success; // no key is looked at: PUT says what to do instead
        if (!who.known)
            return 401;
        if (!permits(who, r))
            return 403;
        return who.platform && who.query.empty() ? 400 : 404;
    }

    /// Every row of every table that has to do with acct_1, as text: a new table is in it by itself.
    std::vector<std::string> rows_of_the_owner() {
        std::string any = "acct_1";
        for (auto const& webhook : db.query("SELECT webhook_id FROM webhooks WHERE account_id = 'acct_1'"))
            any += "|" + webhook.at(0);
        std::vector<std::string> out;
        for (auto const& table : db.query("SELECT relname FROM pg_class WHERE relkind IN ('r', 'p') AND NOT"
                                          " relispartition AND relnamespace = 'public'::regnamespace ORDER BY 1"))
            for (auto const& row :
                 db.query("SELECT t::text FROM " + table.at(0) + " t WHERE t::text ~ '" + any + "' ORDER BY 1"))
                out.push_back(table.at(0) + " " + row.at(0));
        return out;
    }
    void expect_untouched(std::vector<std::string> const& before) {
        EXPECT_EQ(rows_of_the_owner(), before);
        EXPECT_THAT(taken(changed), Not(Contains(owned_.at(thing::webhook))));
        EXPECT_THAT(taken(parked), IsEmpty());
        EXPECT_THAT(taken(jobs_begun), IsEmpty());
        EXPECT_EQ(tests_sent_.load(), 0);
    }
    /// All of acct_1's ids that a path may be given, by what they are of.
    std::vector<std::pair<std::string, std::string>> all_ids() const {
        return {{"webhook", owned_.at(thing::webhook)},
                {"event", owned_.at(thing::event)},
                {"delivery", owned_.at(thing::delivery)},
                {"pending delivery", pending_},
                {"job", owned_.at(thing::job)},
                {"key", owned_.at(thing::key)},
                {"secret", secret_id_}};
    }
    asker const& asker_called(std::string const& what) const {
        return *std::ranges::find(everybody_else_, what, &asker::what);
    }
    std::vector<asker> those_who_may_everything() const {
        return {asker_called("a key of acct_2 that may all"), asker_called("a platform key for acct_2 that may all")};
    }
    /// Each route that names something of an account, with HEAD where there is a GET.
    template <class Function>
    void for_each_naming_route(Function const& what) {
        for (auto const& r : routes()) {
            ASSERT_TRUE(rules().contains(name_of(r))) << name_of(r) << " has no rule: see access_fixture.hpp";
            auto const& rule = rules().at(name_of(r));
            if (names_something_owned(rule))
                what(name_of(r), rule);
        }
    }
    raw_response head_about(std::string const& id, std::string name, asker const& who, std::string const& query) {
        name = name.substr(name.find(' ') + 1);
        name.replace(name.find("{id}"), 4, id);
        return call_with(who.field, "HEAD", name + query);
    }

    std::map<thing, std::string> owned_;
    std::string secret_id_;
    std::string pending_;
    std::vector<asker> everybody_else_;
    std::atomic<int> tests_sent_ = 0;
};

TEST_F(foreign_ids, are_answered_like_ids_of_nothing_whoever_asks) {
    auto const before = rows_of_the_owner();
    ASSERT_GT(before.size(), 10U);
    int calls = 0;
    int routes_tried = 0;
    for_each_naming_route([&](std::string const& name, rule const& r) {
        ++routes_tried;
        auto const& id = owned_.at(r.names);
        for (auto const& who : everybody_else_) {
            if (acts_for_all(who, r))
                continue;
            auto const query = query_of(who, r);
            auto const about_it = request_about(id, name, who.field, query);
            auto const about_nothing = request_about(nobodys(id), name, who.field, query);
            EXPECT_EQ(about_it.status, promised(who, r)) << name << ", " << who.what << ": " << about_it.body;
            EXPECT_EQ(anonymous(about_it, id), anonymous(about_nothing, nobodys(id))) << name << ", " << who.what;
            EXPECT_THAT(about_it.body, Not(HasSubstr("acct_1"))) << name << ", " << who.what;
            calls += 2;
            if (name.starts_with("GET ")) {
                auto const head = head_about(id, name, who, query);
                EXPECT_EQ(head.status, promised(who, r)) << "HEAD for " << name << ", " << who.what;
                EXPECT_EQ(anonymous(head, id), anonymous(head_about(nobodys(id), name, who, query), nobodys(id)));
                calls += 2;
            }
        }
    });
    RecordProperty("routes", routes_tried);
    RecordProperty("callers", static_cast<int>(everybody_else_.size()));
    RecordProperty("calls", calls);
    EXPECT_GE(routes_tried, 20);
    expect_untouched(before);
}

TEST_F(foreign_ids, of_another_kind_than_the_path_asks_for_are_nothing_either) {
    auto const before = rows_of_the_owner();
    for_each_naming_route([&](std::string const& name, rule const& r) {
        for (auto const& who : those_who_may_everything()) {
            for (auto const& [kind, id] : all_ids()) {
                auto upper = id;
                std::ranges::transform(upper, upper.begin(), [](unsigned char c) { return std::toupper(c); });
                for (auto const& spelled : {id, upper}) {
                    auto const got = request_about(spelled, name, who.field, query_of(who, r));
                    auto const nothing = request_about(nobodys(spelled), name, who.field, query_of(who, r));
                    EXPECT_EQ(got.status, promised(who, r)) << name << ", " << who.what << ", id of a " << kind;
                    EXPECT_EQ(anonymous(got, spelled), anonymous(nothing, nobodys(spelled))) << name << " " << kind;
                }
            }
        }
    });
    expect_untouched(before);
}

TEST_F(foreign_ids, are_not_told_from_ids_of_nothing_by_a_request_that_is_wrong) {
    auto const before = rows_of_the_owner();
    for_each_naming_route([&](std::string const& name, rule const& r) {
        auto const& id = owned_.at(r.names);
        for (auto const& who : those_who_may_everything()) {
            auto const space = name.find(' ');
            auto const query = query_of(who, r);
            auto const wrong = [&](std::string const& of, std::string const& more, std::string const& body,
                                   std::string const& fields) {
                std::string path = name.substr(space + 1);
                path.replace(path.find("{id}"), 4, of);
                return anonymous(call_with(who.field, name.substr(0, space), path + query + more, body, fields), of);
            };
            std::string const next = query.empty() ? "?" : "&";
            for (auto const& [more, body, fields] : std::vector<std::array<std::string, 3>>{
                     {next + "no_such_parameter=1", "", ""},
                     {next + "limit=0&cursor=x", "", ""},
                     {"", R"({"no_such_member":1})", ""},
                     {"", "{", ""},
                     {"", "", "Idempotency-Key: a b\r\n"},
                     // The owner's own, for this very path where it is rotate-secret: no answer of theirs is shown.
                     {"", "", once("of-acct-1")}}) {
                auto const got = wrong(id, more, body, fields);
                EXPECT_EQ(got, wrong(nobodys(id), more, body, fields)) << name << ", " << who.what << more << body;
                EXPECT_THAT(got, Not(HasSubstr("HTTP/1.1 2"))) << name << ", " << who.what << more << body << fields;
                EXPECT_THAT(got, Not(HasSubstr("HTTP/1.1 5"))) << name << ", " << who.what << more << body << fields;
            }
        }
    });
    expect_untouched(before);
}

TEST_F(foreign_ids, calls_that_name_nothing_act_on_what_is_the_callers_own) {
    auto const before = rows_of_the_owner();
    for (auto const& r : routes()) {
        auto const name = name_of(r);
        auto const& how = rules().at(name);
        // Where the body names acct_1, it is a call for the wrong account: the next test.
        if (names_something_owned(how) || how.permission.empty() || how.whose == account::in_body)
            continue;
        for (auto const& who : everybody_else_) {
            if (acts_for_all(who, how))
                continue;
            auto const got = request(name, who.field, query_of(who, how));
            bool const must_name = how.whose == account::named && who.platform && who.query.empty();
            int const expected = !who.known ? 401 : !permits(who, how) ? 403 : must_name ? 400 : how.success;
            EXPECT_EQ(got.status, expected) << name << ", " << who.what << ": " << got.body;
            EXPECT_THAT(got.body, Not(HasSubstr("acct_1"))) << name << ", " << who.what;
            for (auto const& [kind, id] : all_ids())
                EXPECT_THAT(got.body, Not(HasSubstr(id))) << name << ", " << who.what << " shows a " << kind;
        }
    }
    expect_untouched(before);
}

TEST_F(foreign_ids, of_the_account_itself_are_refused_whether_or_not_there_is_one) {
    auto const before = rows_of_the_owner();
    auto const& who = asker_called("a key of acct_2 that may all");
    for (auto const& r : routes()) {
        auto const name = name_of(r);
        auto const& how = rules().at(name);
        if (how.permission.empty() || how.whose == account::none)
            continue;
        auto const id = names_something_owned(how) ? owned_.at(how.names) : "";
        auto const there = request_about(id, name, who.field, "?account_id=acct_1");
        auto const nobody = request_about(id, name, who.field, "?account_id=acct_0");
        EXPECT_EQ(there.status, 403) << name << ": " << there.body;
        EXPECT_EQ(anonymous(there, "acct_1"), anonymous(nobody, "acct_0")) << name;
    }
    for (std::string const path : {"/api/v1/events", "/api/v1/keys"}) {
        auto const named = [&](std::string const& account) {
            auto const body =
                R"({"account_id":")" + account +
                (path.ends_with("keys") ? R"(","name":"k"})" : R"(","event_type":"call.ended","payload":{}})");
            return call_with(who.field, "POST", path, body);
        };
        EXPECT_EQ(named("acct_1").status, 403) << path;
        EXPECT_EQ(anonymous(named("acct_1"), "acct_1"), anonymous(named("acct_0"), "acct_0")) << path;
        EXPECT_LT(named("acct_2").status, 300) << path << " for its own";
    }
    // In a batch each event is refused for itself.
    auto const batch = call_with(who.field, "POST", "/api/v1/events",
                                 R"([{"account_id":"acct_1","event_type":"call.ended","payload":{}}])");
    EXPECT_THAT(batch.body, HasSubstr("permission_denied"));
    // A platform key that says acct_2 in the query does not act for acct_1 in the body.
    auto const& platform = asker_called("a platform key for acct_2 that may all");
    EXPECT_EQ(call_with(platform.field, "POST", "/api/v1/events" + platform.query,
                        R"({"account_id":"acct_1","event_type":"call.ended","payload":{}})")
                  .status,
              400);
    expect_untouched(before);
}

TEST_F(foreign_ids, in_cursors_and_keys_of_repeats_tell_nothing) {
    auto const& who = asker_called("a key of acct_2 that may all");
    auto const own = text(json(call_with(who.field, "POST", "/api/v1/webhooks", webhook_body())), "id");
    auto const event_of = [&](std::string const& id) {
        return call_with(who.field, "POST", "/api/v1/events",
                         R"({"id":")" + id + R"(","event_type":"call.ended","payload":{"of":2}})");
    };
    auto const taken_by_owner =
        call("POST", "/api/v1/events", R"({"id":"e-1","event_type":"call.ended","payload":{}})");
    ASSERT_EQ(taken_by_owner.status, 202);
    auto const first = call("POST", "/api/v1/webhooks", webhook_body(), once("k-1"));
    ASSERT_EQ(first.status, 201);
    forget_what_was_told();
    auto const before = rows_of_the_owner();

    auto const mine = event_of("e-1");
    EXPECT_EQ(mine.status, 202) << "the owner's e-1 is none of this account: " << mine.body;
    EXPECT_NE(text(json(mine), "id"), text(json(taken_by_owner), "id"));
    EXPECT_EQ(text(json(event_of("e-1")), "id"), text(json(mine), "id")) << "its own is known";

    auto const event = text(json(mine), "id");
    auto const delivery = db.value("SELECT delivery_id FROM deliveries WHERE account_id = 'acct_2'");
    for (std::string const& path : {std::string("/events"), path_of(own).substr(7) + "/deliveries", "/events/" + event,
                                    "/events/" + event + "/deliveries", "/deliveries/" + delivery}) {
        for (auto const& [kind, id] : all_ids()) {
            auto const from = [&](std::string const& last) {
                auto const cursor = api::cursor_after(*uuid::parse(last));
                return anonymous(call_with(who.field, "GET", "/api/v1" + path + "?cursor=" + cursor), cursor);
            };
            auto const got = from(id);
            EXPECT_EQ(got, from(nobodys(id))) << path << " from a " << kind;
            for (auto const& [other, hidden] : all_ids())
                EXPECT_THAT(got, Not(HasSubstr(hidden))) << path << " from a " << kind << " shows a " << other;
        }
    }

    // The owner's Idempotency-Key brings back nothing of the owner's, also to whoever says the same.
    auto const second = call_with(who.field, "POST", "/api/v1/webhooks", webhook_body(), once("k-1"));
    EXPECT_EQ(second.status, 201);
    EXPECT_FALSE(second.header("Idempotency-Replayed"));
    EXPECT_NE(text(json(second), "id"), text(json(first), "id"));
    EXPECT_NE(text(json(second), "secret"), text(json(first), "secret"));
    EXPECT_TRUE(call("POST", "/api/v1/webhooks", webhook_body(), once("k-1")).header("Idempotency-Replayed"));
    expect_untouched(before);
}

/// Without this, routes that fail for everybody would pass.
TEST_F(foreign_ids, are_no_foreign_ids_to_their_owner) {
    auto const owner = bearer(own_key());
    auto const platform = bearer(platform_key());
    for (auto const& r : routes()) {
        auto const& how = rules().at(name_of(r));
        if (how.platform_only) {
            EXPECT_EQ(request(name_of(r), platform).status, how.success) << name_of(r);
            continue;
        }
        auto const got = request(name_of(r), owner);
        EXPECT_EQ(got.status, how.success) << name_of(r) << ": " << got.body;
        EXPECT_EQ(request(name_of(r), platform, for_account(how)).status, how.success) << name_of(r);
        // Its own key is no help where the permission is missing, and the answer does not depend on what is there.
        if (how.permission.empty() || how.permission == "*")
            continue;
        for (auto const& other : all_permissions()) {
            if (other == how.permission)
                continue;
            auto const field = bearer(make_key("acct_1", {other}));
            auto const id = names_something_owned(how) ? owned_.at(how.names) : std::string("made.type0");
            auto const refused = request_about(id, name_of(r), field);
            EXPECT_EQ(refused.status, 403) << name_of(r) << " with " << other;
            EXPECT_EQ(anonymous(refused, id), anonymous(request_about(nobodys(id), name_of(r), field), nobodys(id)))
                << name_of(r);
        }
    }
    // And the comparison of rows sees what a call does.
    auto const before = rows_of_the_owner();
    EXPECT_EQ(request_about(owned_.at(thing::webhook), "POST /api/v1/webhooks/{id}/disable", owner).status, 200);
    EXPECT_NE(rows_of_the_owner(), before);
}

} // namespace
} // namespace klen::webhooks
