// What calls read from their query and body in the same way: cursors, filters, times.
#include "api/cursor.hpp"
#include "api/delivery_filters.hpp"
#include "api/request_scope.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace klen::webhooks::api {
namespace {

using testing::HasSubstr;

request asking(std::vector<std::pair<std::string, std::string>> query) {
    request out;
    out.query = std::move(query);
    return out;
}

template <class T>
std::string refusal(std::variant<T, response> const& read) {
    auto const* no = std::get_if<response>(&read);
    return no == nullptr ? "" : std::to_string(no->status) + " " + no->body;
}

TEST(cursor, leads_back_to_its_id_and_is_safe_in_a_url) {
    for (int i = 0; i < 50; ++i) {
        auto const id = make_uuid_v7();
        auto const text = cursor_after(id);
        EXPECT_EQ(text.find_first_of("+/=&?%"), std::string::npos) << text;
        EXPECT_EQ(parse_cursor(text), id);
    }
}

TEST(cursor, of_another_form_is_refused) {
    auto const fine = cursor_after(make_uuid_v7());
    for (std::string const& bad : {std::string(), fine.substr(1), fine + "A", fine.substr(0, 21) + "!",
                                   fine.substr(0, 21) + "B", std::string("2"), std::string(22, '+')})
        EXPECT_THAT(refusal(slice_of_request(asking({{"cursor", bad}}))), HasSubstr("cursor: ")) << bad;
}

TEST(slice, a_page_is_refused_with_a_hint_to_the_cursor) {
    EXPECT_THAT(refusal(slice_of_request(asking({{"page", "2"}}))), HasSubstr("next_cursor"));
    EXPECT_THAT(refusal(slice_of_request(asking({{"limit", "201"}}))), HasSubstr("limit: "));
    EXPECT_THAT(refusal(slice_of_request(asking({{"limit", "0"}}))), HasSubstr("limit: "));
    EXPECT_EQ(std::get<slice_request>(slice_of_request(asking({}))).limit, 50U);
    EXPECT_EQ(std::get<slice_request>(slice_of_request(asking({{"limit", "200"}}))).limit, 200U);
}

TEST(slice, the_next_cursor_is_null_at_the_end) {
    store::slice_of<store::event_row> slice;
    auto const shown = [&] {
        json_writer out;
        out.begin_object();
        write_next_cursor(out, slice);
        out.end_object();
        return out.take();
    };
    slice.more = true;
    EXPECT_EQ(shown(), R"({"next_cursor":null})");
    slice.items.resize(2);
    slice.items.back().id = make_id<event_id>();
    EXPECT_EQ(shown(), R"({"next_cursor":")" + cursor_after(slice.items.back().id.value) + "\"}");
    slice.more = false;
    EXPECT_EQ(shown(), R"({"next_cursor":null})");
}

TEST(filters, each_is_read) {
    auto const cursor = make_uuid_v7();
    auto const read = delivery_filter_of(asking({{"status", "failed,pending,failed"},
                                                 {"event_type", "call.ended"},
                                                 {"error_class", "http_status"},
                                                 {"since", "2026-03-02T09:18:41Z"},
                                                 {"until", "2026-03-02T11:18:41.5 02:00"},
                                                 {"cursor", cursor_after(cursor)},
                                                 {"limit", "7"}}));
    auto const& filter = std::get<store::delivery_filter>(read);
    EXPECT_EQ(filter.status, (std::vector{store::delivery_status::failed, store::delivery_status::pending}));
    EXPECT_EQ(filter.event_type, "call.ended");
    EXPECT_EQ(filter.error, policy::error_class::http_status);
    EXPECT_EQ(rfc3339_ms(*filter.since), "2026-03-02T09:18:41.000Z");
    EXPECT_EQ(rfc3339_ms(*filter.until), "2026-03-02T09:18:41.500Z") << "an unescaped + arrives as a space";
    EXPECT_EQ(filter.after->value, cursor);
    EXPECT_EQ(filter.limit, 7U);
}

TEST(filters, without_a_query_nothing_is_left_out) {
    auto const read = delivery_filter_of(asking({}));
    auto const& filter = std::get<store::delivery_filter>(read);
    EXPECT_TRUE(filter.status.empty());
    EXPECT_TRUE(filter.event_type.empty());
    EXPECT_FALSE(filter.error || filter.since || filter.until || filter.after);
}

TEST(filters, a_wrong_value_is_refused_by_name) {
    for (auto const& [name, value] : std::vector<std::pair<std::string, std::string>>{{"status", ""},
                                                                                      {"status", "done"},
                                                                                      {"status", "failed,"},
                                                                                      {"status", "FAILED"},
                                                                                      {"error_class", "none"},
                                                                                      {"error_class", "500"},
                                                                                      {"event_type", "call.*"},
                                                                                      {"event_type", "\xff.ended"},
                                                                                      {"since", "yesterday"},
                                                                                      {"until", "2026-03-02"},
                                                                                      {"limit", "many"}})
        EXPECT_THAT(refusal(delivery_filter_of(asking({{name, value}}))),
                    testing::AllOf(HasSubstr("400"), HasSubstr(name + ": ")))
            << value;
}

TEST(times, nothing_is_older_than_1970) {
    EXPECT_EQ(std::get<wall_time>(time_of_text("since", "0001-01-01T00:00:00Z")), wall_time());
    EXPECT_THAT(std::get<std::string>(time_of_text("since", "now")), HasSubstr("since: "));
}

TEST(query, a_parameter_that_is_not_known_or_given_twice_is_refused) {
    std::vector<std::string_view> const known{"limit", "cursor"};
    EXPECT_FALSE(refuse_other_parameters(asking({{"limit", "1"}, {"cursor", "x"}}), known));
    EXPECT_THAT(refuse_other_parameters(asking({{"limt", "1"}}), known)->body,
                testing::AllOf(HasSubstr("limt"), HasSubstr("limit")));
    EXPECT_THAT(refuse_other_parameters(asking({{"limit", "1"}, {"limit", "1"}}), known)->body, HasSubstr("twice"));
    EXPECT_EQ(refuse_other_parameters(asking({{"\xff\xfe", "1"}}), known)->status, 400);
    EXPECT_EQ(refuse_other_parameters(asking({{"\xff\xfe", "1"}}), known)->body.find('\xff'), std::string::npos);
}

TEST(query, a_call_without_a_body_takes_none_or_an_empty_object) {
    request what;
    for (char const* fine : {"", "{}", " { } "}) {
        what.body = fine;
        EXPECT_FALSE(refuse_body(what)) << fine;
    }
    for (char const* wrong : {"{\"a\":1}", "[]", "null", "{"}) {
        what.body = wrong;
        ASSERT_TRUE(refuse_body(what)) << wrong;
        EXPECT_EQ(refuse_body(what)->status, 400);
    }
}

} // namespace
} // namespace klen::webhooks::api
