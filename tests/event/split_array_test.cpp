#include "klen/webhooks/event/json_body.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace klen::webhooks::event {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::vector<std::string_view> items(std::string_view text, std::size_t items_max = 100) {
    auto const out = split_array(text, items_max);
    if (auto const* error = std::get_if<json_error>(&out))
        ADD_FAILURE() << text << ": " << error->text();
    auto const* found = std::get_if<json_items>(&out);
    return found != nullptr ? found->items : std::vector<std::string_view>{};
}

TEST(split_array, items_are_slices_without_the_space_around_them) {
    EXPECT_THAT(items("[]"), ElementsAre());
    EXPECT_THAT(items(" [ \n ] "), ElementsAre());
    EXPECT_THAT(items("[1]"), ElementsAre("1"));
    EXPECT_THAT(items(" [ {\"a\":[1,2]} ,\n{\"b\":{}} , \"x\" ] "),
                ElementsAre("{\"a\":[1,2]}", "{\"b\":{}}", "\"x\""));
    EXPECT_THAT(items("[[[]],[]]"), ElementsAre("[[]]", "[]"));
}

TEST(split_array, brackets_and_commas_in_strings_do_not_cut) {
    EXPECT_THAT(items(R"(["],[","\"],","\\",{"}":"{"}])"),
                ElementsAre(R"("],[")", R"("\"],")", R"("\\")", R"({"}":"{"})"));
}

TEST(split_array, a_bad_item_does_not_spoil_the_others) {
    EXPECT_THAT(items(R"([{"id":"a"},{"id":nope},{"x":[}},1 2,{"id":"b"}])"),
                ElementsAre(R"({"id":"a"})", R"({"id":nope})", R"({"x":[}})", "1 2", R"({"id":"b"})"));
    EXPECT_THAT(items("[\"\xff\",\"\x01\",{}]"), ElementsAre("\"\xff\"", "\"\x01\"", "{}"));
}

TEST(split_array, depth_costs_no_memory_and_has_no_limit_here) {
    std::string const deep = std::string(1'000'000, '[') + std::string(1'000'000, ']');
    EXPECT_THAT(items("[" + deep + ",1]"), ElementsAre(deep, "1"));
}

TEST(split_array, the_number_of_items_is_limited) {
    EXPECT_EQ(items("[1,2,3]", 3).size(), 3U);
    auto const out = split_array("[1,2,3]", 2);
    auto const* error = std::get_if<json_error>(&out);
    ASSERT_NE(error, nullptr);
    EXPECT_THAT(error->what, HasSubstr("more than 2 items"));
}

struct refused {
    std::string_view text;
    std::size_t offset;
    std::string_view what;
};

TEST(split_array, what_cannot_be_cut_is_refused_with_its_place) {
    constexpr refused table[] = {
        {"", 0, "expected an array"}, {" {}", 1, "expected an array"},  {"[", 1, "not closed"},
        {"[1", 2, "not closed"},      {"[1,", 3, "not closed"},         {"[\"a]", 4, "not closed"},
        {"[\"a\\", 4, "not closed"},  {"[{\"a\":[}]", 9, "not closed"}, {"[1}", 2, "found '}'"},
        {"[,1]", 1, "an item"},       {"[1,]", 3, "an item"},           {"[1,,2]", 3, "an item"},
        {"[1] x", 4, "nothing more"}, {"[1]]", 3, "nothing more"},
    };
    for (auto const& [text, offset, what] : table) {
        auto const out = split_array(text, 100);
        auto const* error = std::get_if<json_error>(&out);
        ASSERT_NE(error, nullptr) << text;
        EXPECT_EQ(error->offset, offset) << text;
        EXPECT_THAT(error->what, HasSubstr(std::string(what))) << text;
    }
}

} // namespace
} // namespace klen::webhooks::event
