#pragma once

#include <cstddef>
#include <string>
#include <string_view>

/// JSON as text for people: nothing is parsed into values, so no digit of a number is lost on the way.
namespace klen::webhooks::app {

/// `canonical` (from event::canonical_json) over several lines, two spaces a level, each line begun with `margin`.
/// After `lines_max` lines the rest is summed up in one line.
std::string indent_json(std::string_view canonical, std::string_view margin, std::size_t lines_max);

/// What a terminal may be shown of a text from outside: control characters, characters that hide or turn text around,
/// and bytes that are no UTF-8 are replaced by '?'; cut after `bytes_max`. Line feeds are kept only if `keep_lines`.
std::string terminal_safe(std::string_view text, std::size_t bytes_max, bool keep_lines = false);

/// The text of a member of the object that `canonical` (from event::canonical_json) is, as it stands there; empty when
/// it has no such member or is no object. `name` needs no escapes.
std::string_view member_of(std::string_view canonical, std::string_view name);

/// A JSON string, quotes included; bytes that are no UTF-8 are replaced.
std::string json_quoted(std::string_view text);

} // namespace klen::webhooks::app
