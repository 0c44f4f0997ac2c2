#include "app/json_text.hpp"

#include <gtest/gtest.h>

namespace klen::webhooks::app {
namespace {

TEST(json_text, indents_two_spaces_a_level) {
    EXPECT_EQ(indent_json(R"({"a":[1,{"b":"x"}],"c":{},"d":[]})", "> ", 100), "> {\n"
                                                                              ">   \"a\": [\n"
                                                                              ">     1,\n"
                                                                              ">     {\n"
                                                                              ">       \"b\": \"x\"\n"
                                                                              ">     }\n"
                                                                              ">   ],\n"
                                                                              ">   \"c\": {},\n"
                                                                              ">   \"d\": []\n"
                                                                              "> }");
}

TEST(json_text, leaves_strings_and_digits_alone) {
    EXPECT_EQ(indent_json(R"(["{\"a\":[1,2]}\\",123456789012345678901234567890])", "", 100),
              "[\n  \"{\\\"a\\\":[1,2]}\\\\\",\n  123456789012345678901234567890\n]");
    EXPECT_EQ(indent_json("7", "", 100), "7");
}

TEST(json_text, sums_up_what_is_too_long) {
    EXPECT_EQ(indent_json("[1,2,3,4]", " ", 3), " [\n   1,\n   2,\n ... 3 more lines");
    EXPECT_EQ(indent_json("[1]", " ", 3), " [\n   1\n ]");
}

TEST(json_text, makes_any_bytes_safe_for_a_terminal) {
    EXPECT_EQ(terminal_safe("a\tb\nc\x1b[0m", 100), "a?b?c?[0m");
    EXPECT_EQ(terminal_safe("a\nb", 100, true), "a\nb");
    EXPECT_EQ(terminal_safe("Zoë Çelik 😀", 100), "Zoë Çelik 😀");
    EXPECT_EQ(terminal_safe("\xE2\x80\xAE\xC2\x9B\xEF\xBB\xBF\xE2\x80\xA8\xC3", 100), "?????");
    EXPECT_EQ(terminal_safe("abcdef", 3), "abc...");
}

TEST(json_text, hides_tags_and_other_marks_that_nobody_sees) {
    EXPECT_EQ(terminal_safe("a\xD8\x9C\xE1\xA0\x8E\xF3\xA0\x81\x81\xEF\xBF\xBA", 100), "a????");
}

TEST(json_text, finds_a_member_as_it_stands) {
    std::string_view const text = R"({"a":{"b":[1,"}\"]"]},"n":12345678901234567890.10,"b":"x,y","c":[{}],"d":null})";
    EXPECT_EQ(member_of(text, "a"), R"({"b":[1,"}\"]"]})");
    EXPECT_EQ(member_of(member_of(text, "a"), "b"), R"([1,"}\"]"])");
    EXPECT_EQ(member_of(text, "n"), "12345678901234567890.10");
    EXPECT_EQ(member_of(text, "b"), "\"x,y\"");
    EXPECT_EQ(member_of(text, "c"), "[{}]");
    EXPECT_EQ(member_of(text, "d"), "null");
    EXPECT_EQ(member_of(text, "x,y"), "");
    for (char const* none : {"", "{}", "[]", "7", "\"a\"", "{\"b\":1}"})
        EXPECT_EQ(member_of(none, "a"), "") << none;
}

TEST(json_text, quotes_bytes_that_are_no_utf8) {
    EXPECT_EQ(json_quoted("a\"\\\n"), R"("a\"\\\n")");
    EXPECT_EQ(json_quoted("\xff"), "\"\xEF\xBF\xBD\"");
}

} // namespace
} // namespace klen::webhooks::app
