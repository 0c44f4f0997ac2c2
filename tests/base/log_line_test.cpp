#include "base/log_line.hpp"

#include "klen/webhooks/base/encoding.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include <boost/json.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace klen::webhooks::log {
namespace {

using testing::HasSubstr;

/// 2026-03-02T09:18:41.903Z
wall_time const at = wall_time(std::chrono::milliseconds(1772443121903));

std::string text_line(level severity, std::string_view message, fields what) {
    std::string out;
    append_text_line(out, {at, severity, message, what});
    return out;
}

std::string json_line(level severity, std::string_view message, fields what) {
    std::string out;
    append_json_line(out, {at, severity, message, what}, service_members("0.1.0", 42));
    return out;
}

TEST(text_line, is_made_for_people) {
    auto const id = webhook_id::parse("01890a5d-ac96-774b-bcce-b302099a8057");
    EXPECT_EQ(text_line(level::info, "delivery attempted", {{"webhook_id", *id}, {"attempt", 1}}),
              "2026-03-02T09:18:41.903Z info  delivery attempted  webhook_id=01890a5d-ac96-774b-bcce-b302099a8057 "
              "attempt=1\n");
    EXPECT_EQ(text_line(level::error, "stopped", {}), "2026-03-02T09:18:41.903Z error stopped\n");
}

TEST(text_line, values_are_quoted_only_where_needed) {
    EXPECT_EQ(text_line(level::warn, "m", {{"a", "x"}, {"b", ""}, {"c", "x y"}, {"d", "k=v"}, {"e", "say \"x\""}}),
              "2026-03-02T09:18:41.903Z warn  m  a=x b=\"\" c=\"x y\" d=\"k=v\" e=\"say \\\"x\\\"\"\n");
}

TEST(json_line, has_the_members_of_ecs_and_keeps_dotted_names_flat) {
    EXPECT_EQ(json_line(level::info, "delivery attempted",
                        {{"http.response.status_code", 500}, {"ok", false}, {"error.message", "a \"quote\""}}),
              R"({"@timestamp":"2026-03-02T09:18:41.903Z","log.level":"info","message":"delivery attempted",)"
              R"("ecs.version":"8.11.0","service.name":"klen-webhooks","service.version":"0.1.0","process.pid":42,)"
              R"("http.response.status_code":500,"ok":false,"error.message":"a \"quote\""})"
              "\n");
}

TEST(json_line, numbers_of_every_kind_stay_numbers) {
    std::string const line = json_line(level::info, "m",
                                       {{"least", std::numeric_limits<std::int64_t>::min()},
                                        {"most", std::numeric_limits<std::uint64_t>::max()},
                                        {"half", 0.5},
                                        {"took_ms", std::chrono::milliseconds(12)},
                                        {"instance", instance_id{7}},
                                        {"nan", std::nan("")}});
    EXPECT_THAT(line, HasSubstr(R"("least":-9223372036854775808,"most":18446744073709551615,"half":0.5,)"));
    EXPECT_THAT(line, HasSubstr(R"("took_ms":12,"instance":7,"nan":"nan")"));
}

// What a receiver, a customer or a publisher may have put into a name, a header or an error.
std::vector<std::string> const hostile{
    "two\nlines",
    "\r\n2026-03-02T09:18:41.903Z info  forged  webhook_id=1",
    "\"} {\"message\":\"forged\"",
    "\\",
    "trailing backslash \\",
    std::string("nul\0nul", 7),
    "\x1b[2J\x1b]0;title\x07",
    "\x7f\xc2\x85\xc2\x9b",                 // DEL, NEL, CSI
    "\xe2\x80\xa8\xe2\x80\xa9",             // line and paragraph separator
    "\xe2\x80\xae reversed \xe2\x81\xa6",   // bidirectional override and isolate
    "\xef\xbb\xbf zero \xe2\x80\x8b width", // byte order mark
    "\xff\xfe\xc0\x80\xed\xa0\x80\xf4\x90\x80\x80\xe2\x82",
    "\xf3\xa0\x81\x81 tag characters",
};

TEST(log_lines, text_from_outside_never_breaks_out_of_its_place) {
    for (std::string const& text : hostile) {
        for (std::string const& line :
             {text_line(level::warn, text, {{"error.message", text}}), json_line(level::warn, text, {{"a", text}})}) {
            EXPECT_EQ(std::ranges::count(line, '\n'), 1) << line;
            EXPECT_EQ(line.back(), '\n');
            EXPECT_TRUE(is_utf8(line)) << line;
            EXPECT_TRUE(std::ranges::none_of(line, [](char c) {
                return (c >= 0 && c < 0x20 && c != '\n') || c == 0x7f;
            })) << line;
            for (char const* deceptive : {"\xc2\x85", "\xe2\x80\xa8", "\xe2\x80\xae", "\xef\xbb\xbf", "\xe2\x80\x8b"})
                EXPECT_EQ(line.find(deceptive), std::string::npos) << line;
        }
    }
}

TEST(log_lines, json_reads_back_as_what_was_written) {
    for (std::string const& text : hostile) {
        boost::system::error_code ec;
        auto const parsed = boost::json::parse(json_line(level::warn, "m", {{"a", text}}), ec);
        ASSERT_FALSE(ec) << text;
        if (is_utf8(text)) {
            EXPECT_EQ(parsed.at("a").as_string(), text);
        }
    }
}

TEST(log_lines, bytes_that_are_no_text_are_shown_as_such) {
    EXPECT_THAT(text_line(level::info, "m", {{"a", "x\xff\xe2\x82"}}), HasSubstr(R"(a="x\xff\xe2\x82")"));
    EXPECT_THAT(json_line(level::info, "m", {{"a", "x\xff"}}), HasSubstr(R"("a":"x\ufffd")"));
}

TEST(log_lines, readable_characters_of_all_languages_stay_as_they_are) {
    std::string const text = "Grüße/日本語/😀";
    EXPECT_THAT(json_line(level::info, "m", {{"a", text}}), HasSubstr("\"a\":\"" + text + "\""));
    EXPECT_THAT(text_line(level::info, "m", {{"a", text}}), HasSubstr("a=\"" + text + "\""));
}

TEST(log_lines, long_texts_are_cut_at_512_bytes_between_characters) {
    EXPECT_THAT(json_line(level::info, "m", {{"a", std::string(512, 'a')}}),
                HasSubstr("\"a\":\"" + std::string(512, 'a') + "\""));
    EXPECT_THAT(json_line(level::info, "m", {{"a", std::string(513, 'a')}}),
                HasSubstr("\"a\":\"" + std::string(512, 'a') + "…\""));
    std::string const euros = [] {
        std::string out;
        for (int i = 0; i < 300; ++i)
            out += "€"; // three bytes each: 512 falls inside one
        return out;
    }();
    EXPECT_THAT(json_line(level::info, "m", {{"a", euros}}), HasSubstr("\"a\":\"" + euros.substr(0, 510) + "…\""));
    EXPECT_LT(json_line(level::info, "m", {{"a", std::string(1 << 20, '\1')}}).size(), 4000u);
    EXPECT_TRUE(is_utf8(json_line(level::info, "m", {{"a", std::string(1000, '\x80')}})));
}

TEST(log_lines, time_is_right_across_seconds_and_before_1970) {
    std::string out;
    for (std::int64_t const ms : {1772443121999, 1772443122000, 1772443121001, std::int64_t{0}, std::int64_t{-1}}) {
        wall_time const t{std::chrono::milliseconds(ms)};
        out.clear();
        append_text_line(out, {t, level::info, "m", {}});
        EXPECT_EQ(out, rfc3339_ms(t) + " info  m\n");
    }
}

} // namespace
} // namespace klen::webhooks::log
