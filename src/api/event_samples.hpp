#pragma once

#include <string>
#include <string_view>

/// Samples of event types: each a whole publish request, as a publisher would send it.
namespace klen::webhooks::api {

/// The account that samples name.
inline constexpr std::string_view sample_account = "acct_demo";

/// The sample of a type that came with the service; empty: it has none, or is another's.
std::string_view built_in_sample(std::string_view event_type);

/// The publish request around a payload; `payload` is canonical JSON and an object.
std::string sample_of_payload(std::string_view event_type, std::string_view payload);

/// The payload in a publish request; empty when it is none.
std::string payload_of_sample(std::string_view sample);

} // namespace klen::webhooks::api
