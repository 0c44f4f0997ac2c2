#pragma once

#include "klen/webhooks/base/result.hpp"

#include <string>
#include <string_view>

/// --secret-file: a secret goes to a file of its owner's alone, to no terminal and into no pipe.
namespace klen::webhooks::app {

/// Where a secret goes instead of to the terminal.
struct secret_target {
    std::string file;   ///< empty: the secret is shown
    bool force = false; ///< in place of what is there
};

/// A secret that is shown once must not be lost: whether its file can be written is known before it is made. Nor must
/// the one that is in the file already, unless that is asked for. Nothing to check without a file.
result<void> check_secret_file(secret_target const& to);

/// Writes it (0600); the message of an error says how to get at the secret or be rid of it: `otherwise`.
result<void> keep_secret(std::string const& file, std::string_view secret, std::string_view otherwise);

/// `answer` with null in place of the string `secret`, wherever it stands.
std::string without_secret(std::string answer, std::string_view secret);

/// The secret that an option's file holds ("-": standard input); empty when there is no file.
result<std::string> own_secret(std::string const& file);

} // namespace klen::webhooks::app
