#pragma once

#include "klen/webhooks/base/result.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace klen::webhooks::app {

/// Writes a file that only its owner may read (0600), whole or not at all: under another name first, then renamed. A
/// symbolic link at `path` is replaced, not followed.
result<void> write_private_file(std::string const& path, std::string_view contents);

/// Whether write_private_file could write there now; leaves nothing behind.
result<void> check_private_file(std::string const& path);

/// Also when it is not there.
result<void> remove_private_file(std::string const& path);

/// The file's text without the white space at its end; none when there is no such file.
result<std::optional<std::string>> read_private_file(std::string const& path);

} // namespace klen::webhooks::app
