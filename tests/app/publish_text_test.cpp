#include "app/publish_text.hpp"

#include <boost/json/parse.hpp>
#include <gtest/gtest.h>

namespace klen::webhooks::app {
namespace {

TEST(publish_text, sends_a_file_as_it_is_when_nothing_is_to_be_changed) {
    EXPECT_EQ(*filled_in(" {broken", {}), " {broken");
}

TEST(publish_text, replaces_fields_and_keeps_every_digit_of_the_payload) {
    auto const text =
        *filled_in(R"({"event_type":"a.b","payload":{"n":12345678901234567890.0001,"2":0,"1":0},"timestamp":"t"})",
                   {"call.ended", "acct \"x\"", "id-1"});
    EXPECT_EQ(text, R"({"id":"id-1","account_id":"acct \"x\"","event_type":"call.ended",)"
                    R"("payload":{"n":12345678901234567890.0001,"2":0,"1":0},"timestamp":"t"})");
}

TEST(publish_text, refuses_to_fill_in_what_it_cannot) {
    EXPECT_TRUE(filled_in(" [{}]", {"call.ended", {}, {}}).has_error());
    EXPECT_TRUE(filled_in("{", {"call.ended", {}, {}}).has_error());
    EXPECT_TRUE(filled_in(R"({"payload":7})", {"call.ended", {}, {}}).has_error());
}

TEST(publish_text, fills_in_accounts_event_by_event) {
    constexpr char const* batch =
        R"([ {"account_id":"own","event_type":"a.b","payload":{"n":1.0}}, {"event_type":"a.b","payload":{}} ,{broken}])";
    EXPECT_EQ(*filled_in(batch, {{}, {}, {}, "default"}),
              R"([{"account_id":"own","event_type":"a.b","payload":{"n":1.0}},)"
              R"({"account_id":"default","event_type":"a.b","payload":{}},{broken}])");
    EXPECT_EQ(*filled_in(batch, {{}, "named", {}, "default"}),
              R"([{"account_id":"named","event_type":"a.b","payload":{"n":1}},)"
              R"({"account_id":"named","event_type":"a.b","payload":{}},{broken}])");
    EXPECT_EQ(*filled_in("[]", {{}, "named", {}}), "[]");
    EXPECT_EQ(*filled_in("[{}", {{}, "named", {}}), "[{}") << "the daemon says what is wrong";
    EXPECT_TRUE(filled_in(batch, {{}, {}, "id"}).has_error());
}

TEST(publish_text, has_a_sample_of_each_of_the_eleven_types) {
    auto const all = boost::json::parse(*all_samples("acct_1")).as_array();
    EXPECT_EQ(all.size(), 11U);
    for (auto const& one : all) {
        EXPECT_EQ(one.at("account_id"), "acct_1");
        EXPECT_TRUE(sample_of({std::string(one.at("event_type").as_string()), {}, {}}).has_value());
    }
}

TEST(publish_text, names_the_samples_that_there_are) {
    auto const refused = sample_of({"call.unheard", {}, {}});
    ASSERT_TRUE(refused.has_error());
    EXPECT_NE(refused.error().message.find("call.recording"), std::string::npos);
}

} // namespace
} // namespace klen::webhooks::app
