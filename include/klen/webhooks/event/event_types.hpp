#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace klen::webhooks::event {

/// "call.ended": 1 to 128 characters, two or more parts of [a-z0-9_] joined by dots.
bool is_event_type(std::string_view text);

/// What a webhook may subscribe to: an event type, "call.*" (everything below call), or "*".
bool is_event_pattern(std::string_view text);

/// All patterns that match `event_type`, most exact first: "call.ended" → call.ended, call.*, *.
std::vector<std::string> matching_patterns(std::string_view event_type);

/// Does one of `patterns` match?
bool matches(std::span<std::string const> patterns, std::string_view event_type);

/// One entry of the catalogue. The catalogue itself is data: the table event_types, seeded by a migration.
struct catalogue_entry {
    std::string event_type;
    std::string description;
    std::string sample; ///< canonical JSON of a whole publish request (account_id "acct_demo")
};

/// The eleven types this service was made for, each with its sample: for the seed, `publish --sample` and the demo.
std::span<catalogue_entry const> built_in_event_types();

/// The types of events about webhooks themselves, which the service publishes to the operational account; in the
/// catalogue as well. The samples' account is "platform".
std::span<catalogue_entry const> operational_event_types();
bool is_operational_type(std::string_view event_type);

/// Sent by the test call only; in no catalogue.
inline constexpr std::string_view test_event_type = "webhook.test";

/// The payload of the sample of a type that is built in, operational or `test_event_type`: canonical JSON of an object.
/// Nothing for others. Lives for ever.
std::optional<std::string_view> sample_of(std::string_view event_type);

} // namespace klen::webhooks::event
