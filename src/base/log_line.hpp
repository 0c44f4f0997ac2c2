#pragma once

#include "klen/webhooks/base/clock.hpp"
#include "klen/webhooks/base/log.hpp"

#include <string>
#include <string_view>

/// How an occurrence becomes one line of text. Pure, apart from a cache of the current second.
namespace klen::webhooks::log {

struct line {
    wall_time at;
    level severity{};
    std::string_view message;
    fields what;
};

/// The members of a JSON line that are the same in all lines: `"ecs.version":…,"process.pid":123`.
std::string service_members(std::string_view service_version, int pid);

/// Both append exactly one line, '\n' included: control characters, invisible and direction-changing characters,
/// quotes and bytes that are no UTF-8 are escaped, and each text is cut at 512 bytes.
void append_json_line(std::string& out, line const& what, std::string_view service);
void append_text_line(std::string& out, line const& what);

} // namespace klen::webhooks::log
