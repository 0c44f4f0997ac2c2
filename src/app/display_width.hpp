#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace klen::webhooks::app {

/// How many columns of a terminal a well-formed UTF-8 text takes: two for what East Asian scripts and emoji need, none
/// for marks that combine with the character before.
std::size_t display_width(std::string_view text);

/// The text cut to `columns`, `mark` at its end included when something was cut off.
std::string cut_to_width(std::string_view text, std::size_t columns, std::string_view mark);

} // namespace klen::webhooks::app
