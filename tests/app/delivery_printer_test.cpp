#include "app/listen/delivery_printer.hpp"

#include <boost/json/parse.hpp>
#include <gtest/gtest.h>

#include <sstream>

namespace klen::webhooks::app::listen {
namespace {

delivery_check verified() {
    return {.event_type = "call.ended",
            .delivery_id = "d-1",
            .attempt = 2,
            .klen_signature = true,
            .standard_signature = true,
            .checked = true,
            .problem = {}};
}

TEST(delivery_printer, shows_people_type_attempt_id_marks_and_body) {
    std::ostringstream out;
    delivery_printer printer(out, {});
    printer.delivery(std::chrono::system_clock::now(), verified(), R"({"a":{"b":9007199254740993}})", {200, {}});
    auto const text = out.str();
    for (char const* part : {"call.ended", "attempt 2", "answered 200", "d-1", "X-Klen-Signature ok",
                             "webhook-signature ok", "\"b\": 9007199254740993"})
        EXPECT_NE(text.find(part), std::string::npos) << part << " in\n" << text;
}

TEST(delivery_printer, says_loudly_what_is_not_verified) {
    std::ostringstream out;
    delivery_printer printer(out, {});
    auto found = verified();
    found.klen_signature = false;
    found.problem = "the X-Klen-Signature form does not fit";
    printer.delivery(std::chrono::system_clock::now(), found, "{}", {0, "connection reset"});
    EXPECT_NE(out.str().find("X-Klen-Signature WRONG"), std::string::npos);
    EXPECT_NE(out.str().find(found.problem), std::string::npos);
    EXPECT_NE(out.str().find("connection reset"), std::string::npos);
}

TEST(delivery_printer, calls_nothing_wrong_that_it_could_not_check) {
    std::ostringstream out;
    delivery_printer printer(out, {});
    auto const no_header = [](std::string const&) { return std::string(); };
    printer.delivery(std::chrono::system_clock::now(), check_delivery(no_header, "{}", "X-Klen-", {}, {}), "{}",
                     {200, {}});
    EXPECT_NE(out.str().find("X-Klen-Signature -   webhook-signature -"), std::string::npos) << out.str();
    EXPECT_EQ(out.str().find("WRONG"), std::string::npos) << out.str();
}

TEST(delivery_printer, json_says_null_of_what_it_could_not_check) {
    auto const told = [](delivery_check const& found) {
        std::ostringstream out;
        delivery_printer printer(out, {.json = true});
        printer.delivery(std::chrono::system_clock::now(), found, "{}", {200, {}});
        return boost::json::parse(out.str()).as_object();
    };
    auto unchecked = verified();
    unchecked.klen_signature = unchecked.standard_signature = unchecked.checked = false;
    EXPECT_TRUE(told(unchecked).at("klen_signature").is_null());
    EXPECT_TRUE(told(unchecked).at("standard_signature").is_null());
    EXPECT_EQ(told(verified()).at("klen_signature"), true);
}

TEST(delivery_printer, lets_no_control_character_through) {
    std::ostringstream out;
    delivery_printer printer(out, {});
    auto found = verified();
    found.event_type = "\x1b[2Jcall\r\n";
    found.delivery_id = "\xE2\x80\xAE d";
    printer.delivery(std::chrono::system_clock::now(), found, "{\"a\":\"\xC2\x9B 31m\"}", {200, {}});
    printer.delivery(std::chrono::system_clock::now(), found, "\x1b]0;no json\x07\xff", {200, {}});
    for (char const* bad : {"\x1b", "\r", "\x07", "\xE2\x80\xAE", "\xC2\x9B", "\xff"})
        EXPECT_EQ(out.str().find(bad), std::string::npos);
}

TEST(delivery_printer, writes_one_json_object_a_line_for_programs) {
    std::ostringstream out;
    delivery_printer printer(out, {.json = true});
    printer.listening("http://127.0.0.1:9000/", 1);
    printer.delivery(std::chrono::system_clock::now(), verified(), R"({"a": 1})", {200, {}});
    printer.delivery(std::chrono::system_clock::now(), verified(), "no json\n", {500, {}});
    printer.summary(2, 1, 0);
    std::istringstream lines(out.str());
    std::vector<boost::json::value> parsed;
    for (std::string line; std::getline(lines, line);)
        parsed.push_back(boost::json::parse(line));
    ASSERT_EQ(parsed.size(), 4U);
    EXPECT_EQ(parsed[1].at("verified"), true);
    EXPECT_EQ(parsed[1].at("status"), 200);
    EXPECT_EQ(parsed[1].at("body").at("a"), 1);
    EXPECT_TRUE(parsed[2].at("body").is_null());
}

} // namespace
} // namespace klen::webhooks::app::listen
