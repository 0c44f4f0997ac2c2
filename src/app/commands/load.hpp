#pragma once

#include "app/commands/commands.hpp"
#include "klen/webhooks/base/config.hpp"

#include <optional>

namespace klen::webhooks::app {

/// Whether the files that settings name are tried, too: for who needs them.
enum class named_files { left_alone, tried };

/// The configuration, or nothing after every error was printed to standard error.
std::optional<config> load_or_complain(config_source const& from, named_files files = named_files::left_alone);

} // namespace klen::webhooks::app
