#include "klen/webhooks/event/json_body.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace klen::webhooks::event {
namespace {

using testing::HasSubstr;

std::string canonical(std::string_view text) {
    std::string out;
    auto const error = canonical_json(text, {}, out);
    return error ? "error: " + error->text() : out;
}

json_error refusal(std::string_view text, json_limits limits = {}) {
    std::string out;
    auto const error = canonical_json(text, limits, out);
    EXPECT_TRUE(error.has_value()) << text << " was taken as " << out;
    return error.value_or(json_error{});
}

std::string repeat(std::string_view text, std::size_t times) {
    std::string out;
    for (std::size_t i = 0; i < times; ++i)
        out += text;
    return out;
}

struct pair {
    std::string_view published;
    std::string_view written;
};

TEST(json_body, white_space_between_tokens_goes_and_order_stays) {
    constexpr pair table[] = {
        {" {\t\"b\" :\r\n1 , \"a\":[ 1 ,2,\n3 ] } ", R"({"b":1,"a":[1,2,3]})"},
        {"[ ]", "[]"},
        {"{ }", "{}"},
        {"[[ ], { } ]", "[[],{}]"},
        {" true ", "true"},
        {"false", "false"},
        {"null", "null"},
        {R"( " a b " )", R"(" a b ")"},
        {R"({"2":1,"1":2})", R"({"2":1,"1":2})"},
        {R"({"__proto__":{"x":1},"":0})", R"({"__proto__":{"x":1},"":0})"},
    };
    for (auto const& [published, written] : table)
        EXPECT_EQ(canonical(published), written);
}

TEST(json_body, strings_have_the_escapes_of_json_stringify) {
    constexpr pair table[] = {
        {R"("\b\t\n\f\r\"\\\/")", R"("\b\t\n\f\r\"\\/")"},
        {R"("\u0008\u0009\u000a\u000C\u000d\u0022\u005C\u002f")", R"("\b\t\n\f\r\"\\/")"},
        {R"("\u0000\u0001\u001F\u000b")", R"("\u0000\u0001\u001f\u000b")"},
        {R"("\u007f\u0080")", "\"\x7f\xc2\x80\""},
        {R"("\u2028\u2029")", "\"\xe2\x80\xa8\xe2\x80\xa9\""},
        {"\"\xe2\x80\xa8\"", "\"\xe2\x80\xa8\""},
        {R"("\u00e9\u20AC\uFFFF\ufeff")", "\"\xc3\xa9\xe2\x82\xac\xef\xbf\xbf\xef\xbb\xbf\""},
        {R"("\ud83d\uDE00")", "\"\xf0\x9f\x98\x80\""},
        {R"("\ud800\udc00\udbff\udfff")", "\"\xf0\x90\x80\x80\xf4\x8f\xbf\xbf\""},
        {R"("</script>")", R"("</script>")"},
        {R"({"\u006bey\n":1})", R"({"key\n":1})"},
    };
    for (auto const& [published, written] : table)
        EXPECT_EQ(canonical(published), written);
}

TEST(json_body, special_characters_are_found_at_every_place_of_a_long_string) {
    for (std::size_t before = 0; before < 20; ++before)
        for (std::size_t after = 0; after < 20; ++after) {
            std::string const a(before, 'a');
            std::string const z(after, 'z');
            EXPECT_EQ(canonical("\"" + a + "\\n" + z + "\""), "\"" + a + "\\n" + z + "\"");
            EXPECT_EQ(canonical("\"" + a + "\\\"" + z + "\""), "\"" + a + "\\\"" + z + "\"");
            EXPECT_EQ(canonical("\"" + a + "ë" + z + "\""), "\"" + a + "ë" + z + "\"");
            for (char bad : {'\0', '\x1f', '\x80', '\xff'})
                EXPECT_EQ(refusal("\"" + a + bad + z + "\"").offset, before + 1);
        }
}

TEST(json_body, append_json_string_and_the_reader_agree) {
    std::string every;
    for (char c = 0; c < 127; ++c)
        every += c;
    every += "\x7f ë \xe2\x80\xa8 \xf0\x9f\x98\x80";
    std::string quoted;
    append_json_string(quoted, every);
    EXPECT_EQ(canonical(quoted), quoted);
    EXPECT_THAT(quoted, HasSubstr(R"("\u0000\u0001)"));
    EXPECT_THAT(quoted, HasSubstr(R"(\b\t\n\u000b\f\r\u000e)"));
}

TEST(json_body, numbers_that_a_double_gives_back_are_written_as_ecmascript_prints_them) {
    constexpr pair table[] = {
        {"0", "0"},
        {"-0", "0"},
        {"-0.0", "0"},
        {"0e999999999999999999", "0"},
        {"-0.000e-7", "0"},
        {"1", "1"},
        {"-1", "-1"},
        {"1.0", "1"},
        {"1.50", "1.5"},
        {"0.10", "0.1"},
        {"10e-1", "1"},
        {"1e2", "100"},
        {"1E+2", "100"},
        {"1e0000000000000000000000002", "100"},
        {"123456789012345", "123456789012345"},
        {"9007199254740991", "9007199254740991"},
        {"9007199254740992", "9007199254740992"},
        {"-9007199254740992", "-9007199254740992"},
        {"9007199254740994", "9007199254740994"},
        {"123456789012345680000", "123456789012345680000"},
        {"1e20", "100000000000000000000"},
        {"100000000000000000000", "100000000000000000000"},
        {"1e21", "1e+21"},
        {"1000000000000000000000", "1e+21"},
        {"123e19", "1.23e+21"},
        {"-1.5e300", "-1.5e+300"},
        {"0.000001", "0.000001"},
        {"0.0000001", "1e-7"},
        {"1e-7", "1e-7"},
        {"0.00000123", "0.00000123"},
        {"12.5e-8", "1.25e-7"},
        {"5e-324", "5e-324"},
        {"2.2250738585072014e-308", "2.2250738585072014e-308"},
        {"1.7976931348623157e308", "1.7976931348623157e+308"},
        {"0.1", "0.1"},
        {"0.30000000000000004", "0.30000000000000004"},
        {"273.6", "273.6"},
        {"3.141592653589793", "3.141592653589793"},
        {"1e23", "1e+23"},
        {"4.35", "4.35"},
    };
    for (auto const& [published, written] : table) {
        EXPECT_EQ(canonical_number(published), written) << published;
        EXPECT_EQ(canonical(published), written) << published;
    }
}

TEST(json_body, numbers_that_a_double_would_change_keep_their_text) {
    constexpr std::string_view table[] = {
        "9007199254740993",
        "-9007199254740993",
        "10000000000000001",
        "18446744073709551615",
        "18446744073709551616", // 2^64: a double holds it, ECMAScript prints 18446744073709552000
        "123456789012345678901234567890",
        "0.1000000000000000055511151231257827", // what 0.1 is as a double, almost
        "3.14159265358979323846",
        "1e309",
        "-1E400",
        "1e-400",
        "4.9e-324",
        "2e-324",
        "1e999999999999999999999999",
        "1E-999999999999999999999999",
        "1.00000000000000000000000000000001",
        "123456789.00000000000000000000000000001e+5",
    };
    for (auto const text : table) {
        EXPECT_EQ(canonical_number(text), text);
        EXPECT_EQ(canonical(text), text);
    }
}

TEST(json_body, very_long_numbers_are_judged_by_their_value) {
    std::string const zeros(100'000, '0');
    EXPECT_EQ(canonical("1." + zeros), "1");
    EXPECT_EQ(canonical("1" + zeros + "e-100000"), "1");
    EXPECT_EQ(canonical("0." + zeros + "1e100001"), "1");
    EXPECT_EQ(canonical("1." + zeros + "1"), "1." + zeros + "1");
    EXPECT_EQ(canonical("1" + zeros), "1" + zeros);
}

TEST(json_body, what_is_written_is_its_own_canonical_form) {
    for (std::string_view const text :
         {R"({"a":[1.0,1e21,-0,"\u00e9\u0001",{"b":null}],"c":9007199254740993})", "[0.0000001,\"\\/\"]"}) {
        std::string const once = canonical(text);
        EXPECT_EQ(canonical(once), once);
    }
}

struct refused {
    std::string_view text;
    std::size_t offset;
    std::string_view path;
    std::string_view what;
};

TEST(json_body, broken_json_is_refused_with_its_place) {
    constexpr refused table[] = {
        {"", 0, "", "the end of the text"},
        {"  ", 2, "", "the end of the text"},
        {"\xef\xbb\xbf{}", 0, "", "byte order mark"},
        {"{} {}", 3, "", "nothing more after the value, found '{'"},
        {"1 2", 2, "", "nothing more"},
        {R"({"a":1,})", 7, "", "a member's name"},
        {R"({"a":1 "b":2})", 7, "a", "',' or '}'"},
        {R"({"a" 1})", 5, "a", "':'"},
        {R"({"a":})", 5, "a", "a value, found '}'"},
        {R"({a:1})", 1, "", "double quotes"},
        {"{'a':1}", 1, "", "single quote"},
        {"[1,2", 4, "[1]", "the end of the text"},
        {"[1,]", 3, "[1]", "a value"},
        {"[1}", 2, "[0]", "',' or ']'"},
        {R"({"call":{"contact":[1,{},{"name":nul}]}})", 33, "call.contact[2].name", "a value"},
        {R"({"a.b":{"c d":x}})", 14, R"(["a.b"]["c d"])", "a value"},
        {"tru", 0, "", "a value"},
        {"truefalse", 4, "", "nothing more"},
        {"NaN", 0, "", "a value"},
        {"-Infinity", 1, "", "a digit after '-'"},
        {"01", 1, "", "zero"},
        {"-01", 2, "", "zero"},
        {"1.", 2, "", "a digit after '.'"},
        {".5", 0, "", "a value"},
        {"+1", 0, "", "a value"},
        {"1e", 2, "", "exponent"},
        {"1e+", 3, "", "exponent"},
        {"0x10", 1, "", "nothing more"},
        {R"({"a":"b)", 5, "a", "not closed"},
        {R"("\x41")", 1, "", "escape"},
        {R"("\)", 1, "", "escape"},
        {R"("\u12")", 1, "", "four hexadecimal digits"},
        {R"("\u12g4")", 1, "", "four hexadecimal digits"},
        {R"(["ok","\ud83d"])", 7, "[1]", "lone surrogate \\ud83d"},
        {R"("\ud83d\n")", 1, "", "lone surrogate"},
        {R"("\ud83dA\u")", 1, "", "lone surrogate"},
        {R"("\ud83d\ud83d")", 1, "", "lone surrogate"},
        {R"("\udE00")", 1, "", "lone surrogate \\ude00"},
        {"\"a\nb\"", 2, "", "U+000a as \\u000a"},
        {"[\"a\tb\"]", 3, "[0]", "raw control character"},
        {"// comment\n1", 0, "", "a value"},
    };
    for (auto const& [text, offset, path, what] : table) {
        json_error const error = refusal(text);
        EXPECT_EQ(error.offset, offset) << text << ": " << error.text();
        EXPECT_EQ(error.path, path) << text << ": " << error.text();
        EXPECT_THAT(error.what, HasSubstr(std::string(what))) << text;
    }
}

TEST(json_body, a_raw_nul_is_refused_with_its_place) {
    using namespace std::string_view_literals;
    EXPECT_THAT(refusal("{\"a\":\"x\0y\"}"sv).text(),
                testing::AllOf(HasSubstr("byte 7"), HasSubstr("at a:"), HasSubstr("U+0000")));
    EXPECT_THAT(refusal("[1,\0]"sv).text(), testing::AllOf(HasSubstr("byte 3"), HasSubstr("U+0000")));
    EXPECT_THAT(refusal("{}\0"sv).text(), HasSubstr("byte 2"));
}

TEST(json_body, malformed_utf8_is_refused) {
    constexpr std::string_view table[] = {
        "\x80",             // a tail without a head
        "\xc0\xaf",         // overlong
        "\xc1\xbf",         // overlong
        "\xc3",             // cut off
        "\xc3(",            // cut off
        "\xe0\x9f\xbf",     // overlong
        "\xe2\x82",         // cut off
        "\xed\xa0\x80",     // a surrogate
        "\xed\xbf\xbf",     // a surrogate
        "\xf0\x8f\xbf\xbf", // overlong
        "\xf4\x90\x80\x80", // past U+10FFFF
        "\xf5\x80\x80\x80",
        "\xfe",
        "\xff",
    };
    for (auto const bytes : table) {
        json_error const error = refusal("[\"ab" + std::string(bytes) + "\"]");
        EXPECT_EQ(error.offset, 4U);
        EXPECT_EQ(error.path, "[0]");
        EXPECT_THAT(error.what, HasSubstr("UTF-8"));
        EXPECT_EQ(refusal("\"ab" + std::string(bytes)).offset, 3U); // at the end of the text too
    }
}

TEST(json_body, place_counts_lines_and_characters) {
    json_error const error = refusal("{\n  \"Zoë Çelik\": oops\n}");
    EXPECT_EQ(error.line, 2U);
    EXPECT_EQ(error.column, 16U);
    EXPECT_EQ(error.offset, 19U);
    EXPECT_EQ(error.text(), "line 2, column 16 (byte 19), at [\"Zoë Çelik\"]: expected a value, found 'o'");
}

TEST(json_body, duplicate_keys_are_refused_at_the_second) {
    constexpr refused table[] = {
        {R"({"a":1,"a":2})", 7, "", "duplicate key \"a\""},
        {R"({"a":1,"\u0061":2})", 7, "", "duplicate key \"a\""},
        {R"({"":1,"b":2,"":3})", 12, "", "duplicate key \"\""},
        {R"({"x":[{"\n":1,"y":1,"\u000a":2}]})", 20, "x[0]", "duplicate key \"\\n\""},
        {R"({"\/":1,"/":2})", 8, "", "duplicate key \"/\""},
        {R"({"b":{"c":1},"a":1,"b":2,"a":3})", 19, "", "duplicate key \"b\""},
        {"{\"\\ud83d\\ude00\":1,\"\xf0\x9f\x98\x80\":2}", 18, "", "duplicate key"},
    };
    for (auto const& [text, offset, path, what] : table) {
        json_error const error = refusal(text);
        EXPECT_EQ(error.offset, offset) << error.text();
        EXPECT_EQ(error.path, path) << error.text();
        EXPECT_THAT(error.what, HasSubstr(std::string(what)));
    }
    EXPECT_EQ(canonical(R"({"a":{"a":1},"b":{"a":2,"A":3}})"), R"({"a":{"a":1},"b":{"a":2,"A":3}})");
}

TEST(json_body, many_keys_are_compared_in_reasonable_time) {
    // Comparing each with each would take minutes. Half of the keys share a long beginning and a length.
    constexpr int keys = 300'000;
    std::string text = "{";
    for (int i = 0; i < keys; ++i)
        text += (i % 2 == 0 ? "\"same-beginning-" : "\"k") + std::to_string(1'000'000 + i) + "\":0,";
    std::string const distinct = text + "\"last\":0}";
    EXPECT_EQ(canonical(distinct), distinct);
    json_error const error = refusal(text + "\"k1000001\":0,\"k1000003\":0}");
    EXPECT_EQ(error.offset, text.size());
    EXPECT_EQ(error.what, "duplicate key \"k1000001\"");
}

TEST(json_body, long_keys_are_cut_in_messages) {
    std::string const key = "a" + repeat("ë", 200);
    json_error const duplicate = refusal("{\"" + key + "\":1,\"" + key + "\":2}");
    EXPECT_LT(duplicate.what.size(), 100U);
    EXPECT_THAT(duplicate.what, testing::EndsWith("ë…\""));
    EXPECT_LT(refusal("{\"" + key + "\":x}").path.size(), 100U);
}

TEST(json_body, depth_is_limited) {
    for (std::uint32_t const limit : {1U, 2U, 128U, 1000U}) {
        json_limits const limits{limit};
        std::string out;
        std::string const arrays = repeat("[", limit) + repeat("]", limit);
        EXPECT_FALSE(canonical_json(arrays, limits, out));
        EXPECT_EQ(out, arrays);
        std::string const objects = repeat("{\"a\":", limit - 1) + "{}" + repeat("}", limit - 1);
        EXPECT_FALSE(canonical_json(objects, limits, out));
        json_error const error = refusal(repeat("[", limit + 1), limits);
        EXPECT_EQ(error.offset, limit);
        EXPECT_THAT(error.what, HasSubstr("more than " + std::to_string(limit) + " arrays and objects"));
    }
}

TEST(json_body, an_error_in_the_depths_names_the_way_within_bounds) {
    std::string out;
    auto const error = canonical_json(repeat("{\"key\":[", 50'000) + "x", json_limits{100'000}, out);
    ASSERT_TRUE(error);
    EXPECT_THAT(error->path, testing::StartsWith("key[0].key[0]"));
    EXPECT_LT(error->path.size(), 400U);
}

TEST(json_body, a_flood_of_brackets_is_refused_at_the_limit) {
    EXPECT_EQ(refusal(repeat("[", 1'000'000)).offset, 128U);
    EXPECT_EQ(refusal(repeat("{\"a\":", 1'000'000)).offset, 128U * 5);
}

TEST(json_body, output_replaces_what_was_there) {
    std::string out = "before";
    EXPECT_FALSE(canonical_json("[]", {}, out));
    EXPECT_EQ(out, "[]");
}

TEST(json_body, body_puts_the_payload_between_type_and_timestamp) {
    EXPECT_EQ(make_body("call.ended", R"({"call":{"id":1},"x":2})", "2026-03-02T09:18:41Z"),
              R"({"event_type":"call.ended","call":{"id":1},"x":2,"timestamp":"2026-03-02T09:18:41Z"})");
    EXPECT_EQ(make_body("call.ended", "{}", "t"), R"({"event_type":"call.ended","timestamp":"t"})");
    EXPECT_EQ(make_body("a.b", "{}", "\"\\\n"), R"({"event_type":"a.b","timestamp":"\"\\\n"})");
}

} // namespace
} // namespace klen::webhooks::event
