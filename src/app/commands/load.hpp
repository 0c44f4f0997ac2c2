#pragma once

#include "app/commands/commands.hpp"
#include "klen/webhooks/base/config.hpp"

#include <optional>

namespace klen::webhooks::app {

/// The configuration, or nothing after every error was printed to standard error.
std::optional<config> load_or_complain(config_source const& from);

} // namespace klen::webhooks::app
