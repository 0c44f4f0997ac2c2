#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace klen::webhooks::settings {

/// The candidate that `text` is most likely a misspelling of; empty when none is near.
std::string nearest(std::string_view text, std::vector<std::string> const& candidates);

/// For a value that is none of those there are: "; did you mean warn?", or nothing.
std::string suggest_value(std::string_view given, std::vector<std::string> const& allowed);
/// For a section that does not exist: "; did you mean [server]?", or the list of all sections.
std::string suggest_section(std::string_view name);
/// For a key that its section does not have. `section` exists.
std::string suggest_key(std::string_view section, std::string_view name);
/// For a key outside any section.
std::string suggest_home(std::string_view name);
/// For a variable that nothing reads.
std::string suggest_variable(std::string_view name);

} // namespace klen::webhooks::settings
