#include "api/management_fixture.hpp"

#include "klen/webhooks/event/event_types.hpp"

#include <gmock/gmock.h>

namespace klen::webhooks::api {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;
using testing_support::raw_response;
using testing_support::run_task;

struct event_types_handlers : testing_support::management_fixture {
    static constexpr char const* all = "/api/v1/event-types";
    static std::string one(std::string const& type) { return std::string(all) + "/" + type; }
    raw_response create(std::string const& body, std::string const& fields = "") {
        return call_as(platform_key(), "POST", all, body, fields);
    }
    raw_response change(std::string const& type, std::string const& body) {
        return call_as(platform_key(), "PATCH", one(type), body);
    }
    std::vector<std::string> names(std::string const& query = "?limit=200") {
        std::vector<std::string> out;
        auto const page = json(call("GET", all + query));
        for (auto const& type : page.at("event_types").as_array())
            out.push_back(text(type.as_object(), "event_type"));
        return out;
    }
};

TEST_F(event_types_handlers, built_in_types_come_with_description_and_sample) {
    auto const listed = json(call("GET", std::string(all) + "?limit=200")).at("event_types").as_array();
    EXPECT_THAT(listed, SizeIs(14));
    for (auto const& type : listed) {
        auto const& entry = type.as_object();
        auto const name = text(entry, "event_type");
        EXPECT_EQ(entry.at("built_in"), true) << name;
        EXPECT_NE(text(entry, "description"), "(none)") << name;
        ASSERT_TRUE(entry.at("sample").is_object()) << name;
        EXPECT_EQ(entry.at("sample").as_object().at("event_type"), boost::json::string(name));
        EXPECT_EQ(json(call("GET", one(name))), entry);
    }
}

TEST_F(event_types_handlers, the_list_is_sorted_and_in_pages) {
    auto const sorted = names();
    EXPECT_TRUE(std::ranges::is_sorted(sorted));
    auto const page = json(call("GET", std::string(all) + "?limit=5&page=3"));
    EXPECT_EQ(page.at("count"), 14);
    EXPECT_EQ(page.at("pages"), 3);
    EXPECT_THAT(names("?limit=5&page=3"), SizeIs(4));
    EXPECT_THAT(names("?limit=5&page=4"), IsEmpty());
    EXPECT_EQ(call("GET", std::string(all) + "?account_id=acct_1").status, 400) << "the catalogue is everybody's";
}

TEST_F(event_types_handlers, the_configurations_types_are_listed_too) {
    settings.intake.extra_event_types = {"zebra.seen", "call.ended"};
    EXPECT_EQ(names().back(), "zebra.seen");
    EXPECT_THAT(names(), SizeIs(15));
    auto const shown = json(call("GET", one("zebra.seen")));
    EXPECT_EQ(shown.at("created_at"), nullptr);
    EXPECT_EQ(shown.at("built_in"), false);
    EXPECT_EQ(change("zebra.seen", R"({"description":"x"})").status, 409);
    EXPECT_EQ(call_as(platform_key(), "DELETE", one("zebra.seen")).status, 409);
    EXPECT_EQ(create(R"({"event_type":"zebra.seen","description":"A zebra."})").status, 201);
    EXPECT_EQ(text(json(call("GET", one("zebra.seen"))), "description"), "A zebra.");
    EXPECT_THAT(names(), SizeIs(15));
}

TEST_F(event_types_handlers, a_type_is_made_changed_and_deleted) {
    auto const made =
        create(R"({"event_type":"invoice.paid","description":"Paid.","sample":{"n":12345678901234567890}})");
    ASSERT_EQ(made.status, 201) << made.body;
    EXPECT_THAT(
        made.body,
        HasSubstr(
            R"("sample":{"account_id":"acct_demo","event_type":"invoice.paid","payload":{"n":12345678901234567890}})"));
    EXPECT_TRUE(json(made).at("created_at").is_string());
    EXPECT_EQ(json(made).at("built_in"), false);
    EXPECT_EQ(call("GET", one("invoice.paid")).body, made.body);

    EXPECT_EQ(text(json(change("invoice.paid", R"({"description":"Was paid."})")), "description"), "Was paid.");
    EXPECT_TRUE(json(call("GET", one("invoice.paid"))).at("sample").is_object());
    EXPECT_EQ(json(change("invoice.paid", R"({"sample":null})")).at("sample"), nullptr);
    EXPECT_EQ(change("invoice.paid", R"({"sample":{}})").status, 200);
    EXPECT_EQ(change("invoice.paid", "{}").status, 200);

    auto const deleted = call_as(platform_key(), "DELETE", one("invoice.paid"));
    EXPECT_EQ(deleted.status, 200);
    EXPECT_EQ(text(json(deleted), "event_type"), "invoice.paid");
    EXPECT_EQ(call("GET", one("invoice.paid")).status, 404);
    EXPECT_EQ(change("invoice.paid", "{}").status, 404);
    EXPECT_EQ(call_as(platform_key(), "DELETE", one("invoice.paid")).status, 404);
}

TEST_F(event_types_handlers, what_is_made_can_be_published_at_once_and_what_is_deleted_cannot) {
    std::string const event = R"({"event_type":"invoice.paid","payload":{}})";
    EXPECT_EQ(call("POST", "/api/v1/events", event).status, 400);
    ASSERT_EQ(create(R"({"event_type":"invoice.paid"})").status, 201);
    EXPECT_EQ(call("POST", "/api/v1/events", event).status, 202);
    EXPECT_EQ(call("POST", "/api/v1/webhooks",
                   R"({"name":"n","url":"https://example.com/h","subscribed_events":["invoice.*"]})")
                  .status,
              201);
    EXPECT_EQ(call_as(platform_key(), "DELETE", one("invoice.paid")).status, 200);
    EXPECT_EQ(call("POST", "/api/v1/events", event).status, 400);
}

TEST_F(event_types_handlers, what_another_daemon_made_can_be_published_after_a_change_here) {
    store::event_type_row made_elsewhere;
    made_elsewhere.event_type = "invoice.paid";
    ASSERT_TRUE(run_task(stored->create_event_type(made_elsewhere)));
    EXPECT_EQ(change("invoice.paid", R"({"description":"Paid."})").status, 200);
    EXPECT_EQ(call("POST", "/api/v1/events", R"({"event_type":"invoice.paid","payload":{}})").status, 202);
}

TEST_F(event_types_handlers, what_is_there_is_not_made_again) {
    EXPECT_EQ(create(R"({"event_type":"invoice.paid"})").status, 201);
    EXPECT_EQ(create(R"({"event_type":"invoice.paid"})").status, 409);
    EXPECT_EQ(create(R"({"event_type":"call.ended"})").status, 409);
    EXPECT_EQ(create(R"({"event_type":"webhook.disabled"})").status, 409);
    EXPECT_EQ(create(R"({"event_type":"webhook.test"})").status, 409);
}

TEST_F(event_types_handlers, built_in_types_stay) {
    for (std::string const type : {"call.ended", "webhook.disabled"}) {
        EXPECT_EQ(change(type, R"({"description":"x"})").status, 409);
        EXPECT_EQ(call_as(platform_key(), "DELETE", one(type)).status, 409);
        EXPECT_EQ(call("GET", one(type)).status, 200);
    }
}

TEST_F(event_types_handlers, accounts_only_look) {
    EXPECT_EQ(call("POST", all, R"({"event_type":"invoice.paid"})").status, 403);
    EXPECT_EQ(call("PATCH", one("call.ended"), "{}").status, 403);
    EXPECT_EQ(call("DELETE", one("call.ended")).status, 403);
}

TEST_F(event_types_handlers, wrong_fields_are_named) {
    settings.intake.payload_bytes_max = 100;
    for (auto const& [body, what] : std::vector<std::pair<std::string, std::string>>{
             {"{}", "event_type: is missing"},
             {R"({"event_type":"Invoice"})", "event_type: must be two or more parts"},
             {R"({"event_type":"invoice"})", "event_type: must be two or more parts"},
             {R"({"event_type":"invoice.*"})", "event_type: must be two or more parts"},
             {R"({"event_type":"a.b","description":7})", "description: must be a string"},
             {R"({"event_type":"a.b","sample":[]})", "sample: must be a payload"},
             {R"({"event_type":"a.b","sample":"x"})", "sample: must be a payload"},
             {R"({"event_type":"a.b","sample":{"timestamp":"x"}})", "sample: must be a payload"},
             {R"({"event_type":"a.b","sample":{"event_type":"x"}})", "sample: must be a payload"},
             {R"({"event_type":"a.b","sample":{"a":")" + std::string(100, 'x') + "\"}}", "sample: must be at most 100"},
             {R"({"event_type":"a.b","smaple":{}})", "did you mean sample?"},
         }) {
        auto const got = create(body);
        EXPECT_EQ(got.status, 400) << body;
        EXPECT_THAT(message(got), HasSubstr(what)) << body;
    }
    EXPECT_EQ(create(R"({"event_type":"invoice.paid"})").status, 201);
    EXPECT_EQ(change("invoice.paid", R"({"event_type":"other.name"})").status, 400);
    EXPECT_EQ(change("invoice.paid", R"({"description":null})").status, 400);
    EXPECT_EQ(change("Invoice", "{}").status, 404);
    EXPECT_EQ(call("GET", one("a%20b")).status, 404);
}

TEST_F(event_types_handlers, a_repeated_create_answers_as_the_first_did) {
    std::string const body = R"({"event_type":"invoice.paid","sample":{"a":1}})";
    auto const first = create(body, once("t1"));
    EXPECT_EQ(create(body, once("t1")).body, first.body);
    db.query("UPDATE idempotent_calls SET status = NULL, sealed_answer = NULL, key_id = NULL,"
             " begun_at = begun_at - interval '2 minutes'");
    auto const after_a_crash = create(body, once("t1"));
    EXPECT_EQ(after_a_crash.status, 201);
    EXPECT_EQ(after_a_crash.body, first.body);
    EXPECT_EQ(create(body, once("t2")).status, 409);
}

} // namespace
} // namespace klen::webhooks::api
