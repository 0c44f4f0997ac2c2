#include "api/delivery_json.hpp"

#include <boost/json/parse.hpp>
#include <gtest/gtest.h>

namespace klen::webhooks::api {
namespace {

boost::json::object object_of(std::function<void(json_writer&)> const& members) {
    json_writer out;
    out.begin_object();
    members(out);
    out.end_object();
    return boost::json::parse(out.take()).as_object();
}

std::vector<std::pair<std::string, std::string>> lines_of(std::string_view text) {
    auto const object = object_of([&](json_writer& out) { write_header_lines(out, "h", text); });
    std::vector<std::pair<std::string, std::string>> out;
    for (auto const& pair : object.at("h").as_array())
        out.emplace_back(pair.at(0).as_string(), pair.at(1).as_string());
    return out;
}

std::pair<std::string, std::string> body_of(std::string_view bytes) {
    auto const object = object_of([&](json_writer& out) { write_body_start(out, "body", bytes); });
    return {std::string(object.at("body").as_string()), std::string(object.at("body_encoding").as_string())};
}

using pairs = std::vector<std::pair<std::string, std::string>>;

TEST(delivery_json, header_lines_become_pairs_in_their_order) {
    EXPECT_EQ(lines_of("A: 1\r\nSet-Cookie: a=b; c\r\nset-cookie:\t d\r\nEmpty:\r\n"),
              (pairs{{"A", "1"}, {"Set-Cookie", "a=b; c"}, {"set-cookie", "d"}, {"Empty", ""}}));
    EXPECT_EQ(lines_of(""), pairs{});
}

TEST(delivery_json, a_header_line_that_was_cut_or_is_odd_is_shown_as_it_is) {
    EXPECT_EQ(lines_of("A: 1\r\nB: tw"), (pairs{{"A", "1"}, {"B", "tw"}}));
    EXPECT_EQ(lines_of("A: 1\r\nno colon\r\n\r\n"), (pairs{{"A", "1"}, {"no colon", ""}}));
    EXPECT_EQ(lines_of("T: 10:20:30\r\n"), (pairs{{"T", "10:20:30"}}));
}

TEST(delivery_json, a_header_value_that_is_not_utf8_is_latin1) {
    EXPECT_EQ(lines_of("A: caf\xe9\r\nB: caf\xc3\xa9\r\n"), (pairs{{"A", "café"}, {"B", "café"}}));
}

TEST(delivery_json, a_body_is_text_where_it_is_utf8_and_base64_elsewhere) {
    EXPECT_EQ(body_of("ok, thänks\n"), (std::pair<std::string, std::string>("ok, thänks\n", "utf-8")));
    EXPECT_EQ(body_of(""), (std::pair<std::string, std::string>("", "utf-8")));
    EXPECT_EQ(body_of(std::string_view("a\0b", 3)).first, std::string("a\0b", 3));
    EXPECT_EQ(body_of("\xff\xfe\x01"), (std::pair<std::string, std::string>("//4B", "base64")));
    EXPECT_EQ(body_of("a\x80z").second, "base64");
}

TEST(delivery_json, a_character_that_was_cut_at_the_end_does_not_make_a_text_binary) {
    std::string const euro = "\xe2\x82\xac";
    std::string const pile = "\xf0\x9f\x92\xa9";
    EXPECT_EQ(body_of("ab" + euro.substr(0, 2)).first, "ab");
    EXPECT_EQ(body_of("ab" + euro.substr(0, 1)).second, "utf-8");
    EXPECT_EQ(body_of("ab" + pile.substr(0, 3)).first, "ab");
    EXPECT_EQ(body_of("ab" + euro).first, "ab" + euro);
    EXPECT_EQ(body_of("\xff\xff" + euro.substr(0, 2)).first, "///igg==") << "all bytes of what is binary";
}

store::attempt_row failed_attempt() {
    store::attempt_row a;
    a.attempt = 3;
    a.duration = std::chrono::microseconds(2500);
    a.decision = policy::decision::retry;
    a.error = policy::error_class::http_status;
    a.status = 500;
    a.message = "answered 500";
    a.manual = true;
    return a;
}

TEST(delivery_json, an_attempt_tells_what_set_it_off_and_how_it_ended) {
    auto const shown = object_of([](json_writer& out) { write_attempt_summary_members(out, failed_attempt()); });
    EXPECT_EQ(shown.at("attempt"), 3);
    EXPECT_EQ(shown.at("trigger"), "manual");
    EXPECT_EQ(shown.at("duration_ms"), 2);
    EXPECT_EQ(shown.at("decision"), "retry");
    EXPECT_EQ(shown.at("error_class"), "http_status");
    store::attempt_row fine;
    fine.decision = policy::decision::delivered;
    auto const delivered = object_of([&](json_writer& out) { write_attempt_summary_members(out, fine); });
    EXPECT_EQ(delivered.at("trigger"), "schedule");
    EXPECT_TRUE(delivered.at("error_class").is_null());
    EXPECT_TRUE(delivered.at("message").is_null());
    EXPECT_TRUE(delivered.at("status").is_null());
}

TEST(delivery_json, request_headers_that_are_not_known_are_null) {
    json_writer out;
    write_attempt(out, failed_attempt(), {});
    auto const unknown = boost::json::parse(out.take());
    EXPECT_TRUE(unknown.at("request_headers").is_null());
    EXPECT_EQ(unknown.at("request_headers_left_out"), false);
    json_writer left_out;
    write_attempt(left_out, failed_attempt(), {std::nullopt, true});
    EXPECT_EQ(boost::json::parse(left_out.take()).at("request_headers_left_out"), true);
}

TEST(delivery_json, the_last_attempt_is_the_row_s_own_whichever_part_of_all_is_shown) {
    store::delivery_row row;
    auto const last = [&] { return object_of([&](json_writer& out) { write_delivery_members(out, row); }); };
    EXPECT_TRUE(last().at("last_attempt").is_null());
    row.last_attempt = failed_attempt();
    EXPECT_EQ(last().at("last_attempt").at("attempt"), 3);
    row.attempts = {failed_attempt(), failed_attempt()};
    row.attempts.back().attempt = 2;
    EXPECT_EQ(last().at("last_attempt").at("attempt"), 3);
}

} // namespace
} // namespace klen::webhooks::api
