#pragma once

#include "klen/webhooks/base/result.hpp"

#include <boost/json/value.hpp>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace klen::webhooks::app {

/// JSON that a daemon answered with: its text for what must keep every digit, its values for the rest.
struct json_answer {
    std::string text; ///< canonical (event::canonical_json)
    boost::json::value value;
};

/// None when `body` is no JSON.
std::optional<json_answer> read_json(std::string_view body);

/// The items of an array member, each as canonical JSON; none when there is no such array.
std::optional<std::vector<std::string>> items_of(std::string_view canonical, std::string_view name);

// --- members, forgiving: an older or newer daemon may leave some out ------------------------------------------------

/// The member, or null.
boost::json::value const& member(boost::json::value const& object, std::string_view name);
/// A string as it is, a number or a truth as text; null, arrays and objects: empty.
std::string text_member(boost::json::value const& object, std::string_view name);
std::optional<std::int64_t> number_member(boost::json::value const& object, std::string_view name);
bool is_true(boost::json::value const& object, std::string_view name);
/// "a, b, c" of an array of strings.
std::string joined_member(boost::json::value const& object, std::string_view name);
/// A time, readable.
std::string time_member(boost::json::value const& object, std::string_view name);
/// A duration in milliseconds, readable.
std::string duration_member(boost::json::value const& object, std::string_view name);

} // namespace klen::webhooks::app
