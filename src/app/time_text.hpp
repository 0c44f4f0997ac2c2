#pragma once

#include "klen/webhooks/base/clock.hpp"
#include "klen/webhooks/base/result.hpp"

#include <cstdint>
#include <string>
#include <string_view>

namespace klen::webhooks::app {

/// "903 ms", "1.2 s", "2 min 5 s", "3 h 4 min".
std::string readable_duration(std::int64_t milliseconds);

/// An API time (UTC, with milliseconds) to the second: "2026-03-02T09:18:41Z". Any other text stays as it is.
std::string readable_time(std::string_view api_time);

/// The time that an option names: RFC 3339 as it is, or how long ago: "30s", "15m", "2h", "3d". `option` is named in
/// the error.
result<std::string> time_argument(std::string_view option, std::string_view text, wall_time now);

} // namespace klen::webhooks::app
