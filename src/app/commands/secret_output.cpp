#include "app/commands/secret_output.hpp"

#include "app/json_text.hpp"
#include "app/private_file.hpp"
#include "app/text_input.hpp"

#include <filesystem>

namespace klen::webhooks::app {

result<void> check_secret_file(secret_target const& to) {
    if (to.file.empty())
        return {};
    std::error_code unknown; // what keeps us from looking keeps us from writing, too
    auto const there = std::filesystem::symlink_status(to.file, unknown);
    if (!to.force && std::filesystem::exists(there) && !std::filesystem::is_directory(there))
        return failure{fault::conflict, to.file + " exists: name another file, or replace what it holds with --force; "
                                                  "nothing was done"};
    auto writable = check_private_file(to.file);
    if (writable.has_error())
        return failure{writable.error().kind, writable.error().message + "; nothing was done"};
    return {};
}

result<void> keep_secret(std::string const& file, std::string_view secret, std::string_view otherwise) {
    auto kept = write_private_file(file, std::string(secret) + "\n");
    if (kept.has_error())
        return failure{kept.error().kind, kept.error().message + "; " + std::string(otherwise)};
    return {};
}

std::string without_secret(std::string answer, std::string_view secret) {
    auto const quoted = json_quoted(secret);
    if (secret.empty())
        return answer;
    for (auto at = answer.find(quoted); at != std::string::npos; at = answer.find(quoted, at))
        answer.replace(at, quoted.size(), "null");
    return answer;
}

result<std::string> own_secret(std::string const& file) {
    return file.empty() ? std::string() : read_secret_file(file);
}

} // namespace klen::webhooks::app
