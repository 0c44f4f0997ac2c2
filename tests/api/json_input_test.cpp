#include "api/json_input.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace klen::webhooks::api {
namespace {

using testing::HasSubstr;

parsed_object parsed(std::string_view text) {
    auto out = parse_json_object(text);
    if (auto const* wrong = std::get_if<std::string>(&out)) {
        ADD_FAILURE() << *wrong;
        return {};
    }
    return std::get<parsed_object>(std::move(out));
}

std::string refused(std::string_view text) {
    auto out = parse_json_object(text);
    return std::holds_alternative<std::string>(out) ? std::get<std::string>(out) : "";
}

TEST(json_input, broken_documents_are_refused_with_the_place) {
    EXPECT_THAT(refused("{\"a\":1,\n \"a\":2}"), HasSubstr("line 2"));
    EXPECT_THAT(refused("{\"a\":\"\xff\"}"), HasSubstr("line 1"));
    EXPECT_THAT(refused("[1]"), HasSubstr("must be a JSON object"));
    EXPECT_NE(refused(""), "");
    std::string const deep = R"({"a":)" + std::string(31, '[') + std::string(31, ']') + "}";
    EXPECT_EQ(refused(deep), "");
    EXPECT_NE(refused(R"({"a":[)" + std::string(31, '[') + std::string(31, ']') + "]}"), "");
    EXPECT_NE(refused(std::string(100'000, '[')), "");
}

TEST(json_input, a_member_keeps_its_digits_as_raw_text) {
    auto const whole = parsed(R"( {"x":"}\"metadata\":{", "metadata" : {"n": 123456789012345678901234567890,
                                  "list":["]",{}],"s":"a,b"}, "y":[1,{"metadata":2}]} )");
    EXPECT_EQ(whole.raw_member("metadata"), R"({"n":123456789012345678901234567890,"list":["]",{}],"s":"a,b"})");
    EXPECT_EQ(whole.raw_member("x"), R"("}\"metadata\":{")");
    EXPECT_EQ(whole.raw_member("y"), R"([1,{"metadata":2}])");
    EXPECT_EQ(whole.raw_member("z"), "");
    EXPECT_EQ(parsed("{}").raw_member("z"), "");
}

TEST(json_input, all_problems_are_told_at_once) {
    auto const whole = parsed(R"({"name":7,"count":1.5,"flag":"yes","desciption":"x","nothing":null})");
    problem_list problems;
    object_reader in(whole.members, problems);
    EXPECT_FALSE(in.required_text("name", {1, 10}));
    EXPECT_FALSE(in.text("description", {0, 10}));
    EXPECT_FALSE(in.integer("count", 1, 10));
    EXPECT_FALSE(in.boolean("flag"));
    EXPECT_FALSE(in.text("nothing", {1, 10}));
    EXPECT_FALSE(in.required_text("missing", {1, 10}));
    in.refuse_others();
    EXPECT_EQ(problems.text(), "name: must be a string; count: must be a whole number from 1 to 10; "
                               "flag: must be true or false; missing: is missing; "
                               "desciption: there is no such field; did you mean description?");
}

TEST(json_input, texts_are_counted_in_characters) {
    EXPECT_EQ(judge_text("\xc3\xa4\xc3\xb6", {2, 2}), "");
    EXPECT_NE(judge_text("\xc3\xa4\xc3\xb6x", {2, 2}), "");
    EXPECT_NE(judge_text("a\nb", {1, 9}), "");
    EXPECT_EQ(judge_text("a\nb", {1, 9, true}), "");
    EXPECT_NE(judge_text(std::string_view("a\0b", 3), {1, 9, true}), "");
}

TEST(json_input, whole_numbers_within_bounds_only) {
    auto const read = [](std::string_view number) {
        auto const whole = parsed(R"({"n":)" + std::string(number) + "}");
        problem_list problems;
        return object_reader(whole.members, problems).integer("n", 1, 1000);
    };
    EXPECT_EQ(read("1000"), 1000);
    EXPECT_EQ(read("1e2"), 100);
    EXPECT_EQ(read("1.0"), 1);
    for (char const* bad : {"0", "-1", "1001", "1.5", "1e400", "99999999999999999999", "true", "\"7\""})
        EXPECT_FALSE(read(bad)) << bad;
}

TEST(json_input, null_is_not_given_or_wrong_or_a_value) {
    auto const whole = parsed(R"({"a":null,"n":null,"m":7,"x":"7"})");
    problem_list problems;
    object_reader lenient(whole.members, problems);
    EXPECT_FALSE(lenient.text("a", {0, 9}));
    EXPECT_TRUE(problems.empty());
    object_reader strict(whole.members, problems, null_means::wrong_type);
    EXPECT_FALSE(strict.text("a", {0, 9}));
    EXPECT_EQ(problems.text(), "a: must be a string");
    EXPECT_EQ(strict.integer_or_null("n", 1, 9), std::optional<std::optional<int>>(std::in_place));
    EXPECT_EQ(strict.integer_or_null("m", 1, 9), std::optional<std::optional<int>>(7));
    EXPECT_EQ(strict.integer_or_null("nothing", 1, 9), std::nullopt);
    EXPECT_EQ(strict.integer_or_null("x", 1, 9), std::nullopt);
    EXPECT_THAT(problems.text(), HasSubstr("x: must be a whole number from 1 to 9"));
}

TEST(json_input, numbers_within_bounds_only) {
    auto const read = [](std::string_view number) {
        auto const whole = parsed(R"({"n":)" + std::string(number) + "}");
        problem_list problems;
        return object_reader(whole.members, problems).number("n", 0, 168);
    };
    EXPECT_EQ(read("0"), 0);
    EXPECT_EQ(read("0.5"), 0.5);
    EXPECT_EQ(read("168"), 168);
    for (char const* bad : {"-0.1", "168.1", "1e400", "true", "\"7\"", "[]"})
        EXPECT_FALSE(read(bad)) << bad;
}

TEST(json_input, a_body_may_be_left_out_where_nothing_is_needed) {
    EXPECT_TRUE(std::holds_alternative<parsed_object>(parse_optional_object("")));
    EXPECT_TRUE(std::holds_alternative<std::string>(parse_optional_object(" ")));
}

TEST(json_input, a_suggestion_is_made_only_for_what_is_near) {
    std::vector<std::string> const known = {"name", "url", "subscribed_events"};
    EXPECT_EQ(nearest("nmae", known), "name");
    EXPECT_EQ(nearest("subscribedEvents", known), "subscribed_events");
    EXPECT_FALSE(nearest("password", known));
    EXPECT_FALSE(nearest(std::string(100'000, 'a'), known));
}

} // namespace
} // namespace klen::webhooks::api
