#include "klen/webhooks/event/event_types.hpp"

#include "klen/webhooks/event/json_body.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace klen::webhooks::event {
namespace {

TEST(event_types, names_are_dotted_lower_case_words) {
    for (auto const* good : {"call.ended", "webhook.test", "a.b", "a.b.c", "call_2.x_9", "0.1"})
        EXPECT_TRUE(is_event_type(good)) << good;
    for (auto const* bad : {"", ".", "call", "call.", ".ended", "call..ended", "Call.ended", "call.ended ", "call.*",
                            "*", "call ended", "call/ended", "çall.ended", "call.ended\n"})
        EXPECT_FALSE(is_event_type(bad)) << bad;
}

TEST(event_types, names_have_at_most_128_characters) {
    std::string name(128, 'b');
    name[1] = '.';
    EXPECT_TRUE(is_event_type(name));
    EXPECT_FALSE(is_event_type(name + 'b'));
    std::string family(128, 'b');
    family.replace(126, 2, ".*");
    EXPECT_TRUE(is_event_pattern(family));
    EXPECT_FALSE(is_event_pattern('b' + family));
}

TEST(event_types, patterns_are_names_families_or_everything) {
    for (auto const* good : {"*", "call.*", "call.ended", "a.b.*"})
        EXPECT_TRUE(is_event_pattern(good)) << good;
    for (auto const* bad : {"", "**", ".*", "call*", "call", "call.*.x", "*.ended", "call..*", "call.**", "Call.*"})
        EXPECT_FALSE(is_event_pattern(bad)) << bad;
}

TEST(event_types, matching_patterns_go_from_exact_to_everything) {
    EXPECT_THAT(matching_patterns("call.ended"), testing::ElementsAre("call.ended", "call.*", "*"));
    EXPECT_THAT(matching_patterns("a.b.c"), testing::ElementsAre("a.b.c", "a.b.*", "a.*", "*"));
}

TEST(event_types, each_matching_pattern_is_a_pattern_and_matches) {
    for (auto const& pattern : matching_patterns("a.b.c")) {
        EXPECT_TRUE(is_event_pattern(pattern)) << pattern;
        EXPECT_TRUE(matches(std::vector{pattern}, "a.b.c")) << pattern;
    }
}

TEST(event_types, a_family_does_not_match_a_longer_word) {
    EXPECT_FALSE(matches(std::vector<std::string>{"call.*"}, "calls.ended"));
    EXPECT_FALSE(matches(std::vector<std::string>{"call.end"}, "call.ended"));
    EXPECT_FALSE(matches(std::vector<std::string>{}, "call.ended"));
    EXPECT_TRUE(matches(std::vector<std::string>{"calendar.*", "call.ended"}, "call.ended"));
}

TEST(event_types, catalogue_has_the_eleven_types_in_order) {
    std::vector<std::string> names;
    for (auto const& entry : built_in_event_types())
        names.push_back(entry.event_type);
    EXPECT_THAT(names, testing::ElementsAre("call.started", "call.ended", "call.failed", "call.transcript",
                                            "call.recording", "call.summary", "calendar.created", "calendar.updated",
                                            "calendar.cancelled", "calendar.completed", "calendar.reminder"));
}

TEST(event_types, operational_types_are_not_among_the_eleven) {
    std::vector<std::string> names;
    for (auto const& entry : operational_event_types())
        names.push_back(entry.event_type);
    EXPECT_THAT(names, testing::ElementsAre("webhook.disabled", "webhook.failing", "delivery.exhausted"));
    for (auto const& name : names)
        EXPECT_TRUE(is_operational_type(name)) << name;
    for (auto const& entry : built_in_event_types())
        EXPECT_FALSE(is_operational_type(entry.event_type)) << entry.event_type;
    for (auto const* other : {"webhook.test", "webhook.disabled.x", "webhook", ""})
        EXPECT_FALSE(is_operational_type(other)) << other;
}

/// Is a canonical publish request of its own type.
void expect_sample(catalogue_entry const& entry, std::string_view account_id, std::string_view begin) {
    SCOPED_TRACE(entry.event_type);
    EXPECT_TRUE(is_event_type(entry.event_type));
    EXPECT_FALSE(entry.description.empty());
    std::string again;
    ASSERT_FALSE(canonical_json(entry.sample, {}, again));
    EXPECT_EQ(again, entry.sample);
    auto const parsed = parse_publish_request(entry.sample, {});
    auto const* request = std::get_if<publish_request>(&parsed);
    ASSERT_NE(request, nullptr);
    EXPECT_EQ(request->event_type, entry.event_type);
    EXPECT_EQ(request->account_id, account_id);
    EXPECT_TRUE(request->timestamp.has_value());
    EXPECT_TRUE(request->payload.starts_with(begin));
    EXPECT_EQ(sample_of(entry.event_type), request->payload);
}

TEST(event_types, every_sample_is_a_canonical_publish_request_of_its_type) {
    for (auto const& entry : built_in_event_types())
        expect_sample(entry, "acct_demo",
                      entry.event_type.starts_with("call.") ? R"({"call":{)" : R"({"calendar_event":{)");
    for (auto const& entry : operational_event_types())
        expect_sample(entry, "platform",
                      entry.event_type.starts_with("webhook.") ? R"({"webhook":{"id":)" : R"({"delivery":{"id":)");
}

TEST(event_types, the_test_call_has_a_sample_and_unknown_types_have_none) {
    auto const payload = sample_of(test_event_type);
    ASSERT_TRUE(payload);
    std::string again;
    ASSERT_FALSE(canonical_json(*payload, {}, again));
    EXPECT_EQ(again, *payload);
    EXPECT_TRUE(payload->starts_with(R"({"message":")"));
    for (auto const* other : {"fax.arrived", "call.*", ""})
        EXPECT_FALSE(sample_of(other)) << other;
}

TEST(event_types, samples_keep_their_characters) {
    auto const& created = built_in_event_types()[6];
    EXPECT_THAT(created.sample, testing::HasSubstr("Consultation — Büro 3"));
    EXPECT_THAT(created.sample, testing::HasSubstr("Zoë Çelik"));
}

} // namespace
} // namespace klen::webhooks::event
