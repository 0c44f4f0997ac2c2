#include "app/text_table.hpp"

#include "app/display_width.hpp"

#include <gtest/gtest.h>

namespace klen::webhooks::app {
namespace {

TEST(display_width, counts_columns_and_not_bytes) {
    EXPECT_EQ(display_width("abc"), 3U);
    EXPECT_EQ(display_width("Zoë"), 3U);
    EXPECT_EQ(display_width("Zoe\xCC\x88"), 3U); // e + combining diaeresis
    EXPECT_EQ(display_width("東京"), 4U);
    EXPECT_EQ(display_width("😀!"), 3U);
    EXPECT_EQ(display_width(""), 0U);
}

TEST(display_width, cuts_between_characters_and_marks_that) {
    EXPECT_EQ(cut_to_width("abcdef", 6, "…"), "abcdef");
    EXPECT_EQ(cut_to_width("abcdef", 4, "…"), "abc…");
    EXPECT_EQ(cut_to_width("東京都庁", 6, "…"), "東京…"); // a third one would need a seventh column
    EXPECT_EQ(cut_to_width("abcdef", 4, "..."), "a...");
    EXPECT_EQ(cut_to_width("Zoë", 2, "…"), "Z…");
}

TEST(text_table, aligns_by_what_is_seen_and_numbers_to_the_right) {
    text_table table({{"NAME"}, {"N", true, 0}, {"LAST"}}, {});
    table.add({"東京", "7", "x"});
    table.add({"a", "1234", ""});
    EXPECT_EQ(table.take(), "NAME     N  LAST\n"
                            "東京     7  x\n"
                            "a     1234  -\n");
}

TEST(text_table, cuts_nothing_where_there_is_no_terminal) {
    std::string const longest(500, 'x');
    text_table table({{"A", false, 4}, {"B"}}, {0, true});
    table.add({longest, "b"});
    EXPECT_NE(table.take().find(longest + "  b"), std::string::npos);
}

TEST(text_table, cuts_the_widest_column_that_may_be_cut_and_no_id) {
    text_table table({{"ID"}, {"TEXT", false, 4}, {"MORE", false, 4}}, {20, true});
    table.add({"12345678", "aaaaaaaaaaaaaaaaaaaa", "bbbb"});
    EXPECT_EQ(table.take(), "ID        TEXT  MORE\n"
                            "12345678  aaa…  bbbb\n");
    text_table too_narrow({{"ID"}, {"TEXT", false, 4}}, {6, false});
    too_narrow.add({"12345678", "aaaaaaa"});
    EXPECT_EQ(too_narrow.take(), "ID        TEXT\n12345678  a...\n");
}

TEST(text_table, writes_its_titles_once_and_none_without_rows) {
    text_table table({{"A"}}, {});
    EXPECT_EQ(table.take(), "");
    table.add({"1"});
    EXPECT_EQ(table.take(), "A\n1\n");
    table.add({"2"});
    EXPECT_EQ(table.take(), "2\n");
}

TEST(text_table, lets_no_control_character_and_no_line_end_through) {
    text_table table({{"A"}, {"B"}}, {});
    table.add({"x\x1b[2J\ny", "\xE2\x80\xAEz\xff"});
    EXPECT_EQ(table.take(), "A        B\nx?[2J?y  ?z?\n");
}

TEST(text_block, puts_values_into_one_column) {
    text_block block("  ");
    block.add("id", "1").add("longer", "").add_unless_empty("nothing", "").add("name", "a\tb");
    EXPECT_EQ(block.take(), "  id:      1\n"
                            "  longer:  -\n"
                            "  name:    a?b\n");
}

} // namespace
} // namespace klen::webhooks::app
