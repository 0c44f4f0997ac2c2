#pragma once

#include "klen/webhooks/base/result.hpp"

#include <cstddef>
#include <string>

namespace klen::webhooks::app {

/// A whole file, or standard input for "-"; refused when longer than `bytes_max`.
result<std::string> read_input(std::string const& name, std::size_t bytes_max);

/// The same; a file with nothing in it is an error.
result<std::string> read_json_file(std::string const& name, std::size_t bytes_max);

/// The first line of a small file, without its line end: for keys and secrets.
result<std::string> read_secret_file(std::string const& name);

} // namespace klen::webhooks::app
