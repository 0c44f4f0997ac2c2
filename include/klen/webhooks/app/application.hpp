#pragma once

#include "klen/webhooks/base/config.hpp"
#include "klen/webhooks/base/result.hpp"

#include <memory>
#include <string>

namespace klen::webhooks::app {

/// Exit codes of every command; documented in README.md.
enum exit_code : int {
    exit_ok = 0,
    exit_failed = 1,      ///< the thing asked for was refused or failed
    exit_usage = 2,       ///< the command line is wrong
    exit_config = 3,      ///< the configuration is wrong
    exit_unavailable = 4, ///< the database, a port or the daemon cannot be reached
};

/// The daemon: load, migrate, build, start, wait for a signal, drain. Returns an exit code. Blocks.
int serve(config const& settings);

/// The command line: parses and runs one command.
int run(int argc, char** argv);

} // namespace klen::webhooks::app
