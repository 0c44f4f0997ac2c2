#include "klen/webhooks/event/json_body.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace klen::webhooks::event {
namespace {

using testing::HasSubstr;
using testing::Optional;

publish_request parsed(std::string_view text) {
    auto const out = parse_publish_request(text, {});
    if (auto const* error = std::get_if<json_error>(&out))
        ADD_FAILURE() << error->text();
    if (auto const* error = std::get_if<field_error>(&out))
        ADD_FAILURE() << error->field << ": " << error->what;
    auto const* request = std::get_if<publish_request>(&out);
    return request != nullptr ? *request : publish_request{};
}

TEST(publish_request, all_members_are_read) {
    publish_request const r = parsed(R"( { "id" : "evt-1" , "account_id":"acct_1", "event_type":"call.ended",
        "payload" : { "b" : 1.0, "a" : [ true ] }, "timestamp":"2026-03-02T09:14:07Z", "traceparent":"00-ab-cd-01" } )");
    EXPECT_THAT(r.id, Optional(std::string("evt-1")));
    EXPECT_THAT(r.account_id, Optional(std::string("acct_1")));
    EXPECT_THAT(r.event_type, Optional(std::string("call.ended")));
    EXPECT_THAT(r.timestamp, Optional(std::string("2026-03-02T09:14:07Z")));
    EXPECT_THAT(r.traceparent, Optional(std::string("00-ab-cd-01")));
    EXPECT_EQ(r.payload, R"({"b":1,"a":[true]})");
}

TEST(publish_request, missing_members_are_left_to_the_caller) {
    publish_request const r = parsed("{}");
    EXPECT_FALSE(r.id || r.account_id || r.event_type || r.timestamp || r.traceparent);
    EXPECT_EQ(r.payload, "");
    EXPECT_EQ(parsed(R"({"payload":{}})").payload, "{}");
}

TEST(publish_request, strings_and_names_are_unescaped) {
    publish_request const r =
        parsed(R"({"\u0069d":"a\"\\\/\b\f\n\r\t\u0041\u00e9\ud83d\ude00\u001f","payl\u006fad":{"x":"\u0041"}})");
    EXPECT_THAT(r.id, Optional(std::string("a\"\\/\b\f\n\r\tAé\xf0\x9f\x98\x80\x1f")));
    EXPECT_EQ(r.payload, R"({"x":"A"})");
}

TEST(publish_request, escaped_nul_is_fine_in_the_payload) {
    EXPECT_EQ(parsed(R"({"payload":{"x":"\u0000"}})").payload, R"({"x":"\u0000"})");
}

struct wrong {
    std::string_view text;
    std::string_view field;
    std::string_view what;
};

TEST(publish_request, wrong_fields_are_named) {
    constexpr wrong table[] = {
        {"[]", "", "must be a JSON object"},
        {"\"x\"", "", "must be a JSON object"},
        {R"({"event_typ":"call.ended"})", "event_typ", "not known"},
        {R"({"data":{"x":[1,2]},"payload":{}})", "data", "not known"},
        {R"({"id":7})", "id", "must be a string"},
        {R"({"id":null})", "id", "must be a string"},
        {R"({"timestamp":1772443121})", "timestamp", "must be a string"},
        {R"({"account_id":{"a":1}})", "account_id", "must be a string"},
        {R"({"payload":[]})", "payload", "must be a JSON object"},
        {R"({"payload":"{}"})", "payload", "must be a JSON object"},
        {R"({"payload":null})", "payload", "must be a JSON object"},
        {R"({"id":"a\u0000b"})", "id", "U+0000"},
        {R"({"event_type":"\u0000"})", "event_type", "U+0000"},
        {R"({"payload":{"a":1,"event_type":"x"}})", "payload.event_type", "of its own"},
        {R"({"payload":{"time\u0073tamp":"x"}})", "payload.timestamp", "of its own"},
        {R"({"id":1,"nonsense":2})", "id", "must be a string"},
    };
    for (auto const& [text, field, what] : table) {
        auto const out = parse_publish_request(text, {});
        auto const* error = std::get_if<field_error>(&out);
        ASSERT_NE(error, nullptr) << text;
        EXPECT_EQ(error->field, field) << text;
        EXPECT_THAT(error->what, HasSubstr(std::string(what))) << text;
    }
}

TEST(publish_request, reserved_names_are_free_below_the_top_level) {
    EXPECT_EQ(parsed(R"({"payload":{"calendar_event":{"event_type":"appointment","timestamp":1}}})").payload,
              R"({"calendar_event":{"event_type":"appointment","timestamp":1}})");
    EXPECT_EQ(parsed(R"({"payload":{"a":[{"timestamp":1}]}})").payload, R"({"a":[{"timestamp":1}]})");
}

struct broken {
    std::string_view text;
    std::size_t offset;
    std::string_view path;
    std::string_view what;
};

TEST(publish_request, broken_json_is_reported_with_its_path) {
    constexpr broken table[] = {
        {"", 0, "", "expected a value"},
        {"{", 1, "", "a member's name"},
        {"{}x", 2, "", "nothing more"},
        {R"({"id":"a",})", 10, "", "a member's name"},
        {R"({"id" "a"})", 6, "", "':'"},
        {R"({"id":"a" "b":1})", 10, "", "',' or '}'"},
        {R"({"id":"\ud800"})", 7, "id", "lone surrogate"},
        {R"({"payload":{"call":{"contact":[0,1,{"name":nope}]}}})", 43, "payload.call.contact[2].name", "a value"},
        {R"({"payload":{"a":1,"a":2}})", 18, "payload", "duplicate key \"a\""},
        {R"({"payload":{},"payload":{}})", 14, "", "duplicate key \"payload\""},
        {R"({"id":"a","\u0069d":"b"})", 10, "", "duplicate key \"id\""},
        {R"({"id":7,"id":8})", 8, "", "duplicate key \"id\""},
        {R"({"typo":1,"payload":{"x":)", 25, "payload.x", "the end of the text"}, // worse than the typing error
    };
    for (auto const& [text, offset, path, what] : table) {
        auto const out = parse_publish_request(text, {});
        auto const* error = std::get_if<json_error>(&out);
        ASSERT_NE(error, nullptr) << text;
        EXPECT_EQ(error->offset, offset) << text << ": " << error->text();
        EXPECT_EQ(error->path, path) << text;
        EXPECT_THAT(error->what, HasSubstr(std::string(what))) << text;
    }
}

TEST(publish_request, depth_is_counted_from_the_payload) {
    EXPECT_TRUE(std::holds_alternative<publish_request>(parse_publish_request(R"({"payload":{"a":[]}})", {2})));
    auto const out = parse_publish_request(R"({"payload":{"a":[[]]}})", {2});
    auto const* error = std::get_if<json_error>(&out);
    ASSERT_NE(error, nullptr);
    EXPECT_EQ(error->path, "payload.a[0]");
}

TEST(publish_request, hostile_names_do_not_fill_messages) {
    auto const out = parse_publish_request("{\"" + std::string(10'000, 'x') + "\":1}", {});
    auto const* error = std::get_if<field_error>(&out);
    ASSERT_NE(error, nullptr);
    EXPECT_LT(error->field.size(), 64U);
}

} // namespace
} // namespace klen::webhooks::event
