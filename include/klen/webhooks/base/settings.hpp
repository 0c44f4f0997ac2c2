#pragma once

#include "klen/webhooks/base/config.hpp"
#include "klen/webhooks/base/result.hpp"

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace klen::webhooks {

/// One thing that is wrong with the configuration, made for the person who has to mend it.
struct config_error {
    std::string source;  ///< the file, or the environment variable
    int line = 0;        ///< 1-based; 0 when the source has no lines
    std::string key;     ///< "server.listen_port"
    std::string message; ///< what is wrong, what is allowed, and a suggestion where there is one

    /// "klen-webhooks.toml:12: server.listen_port: …"
    std::string text() const;
};

/// The file's in the order of its lines, as an editor walks them; then what has no lines.
void sort_errors(std::vector<config_error>& errors);

struct loaded_config {
    config values;
    std::vector<config_error> errors; ///< every one of them; when not empty, nothing may be started
    /// Where each setting was given that is no default: source and line, as in an error.
    std::map<std::string, std::pair<std::string, int>> given_in;
};

/// Reads one environment variable.
using environment = std::function<std::optional<std::string>(std::string const& name)>;
environment process_environment();

/// Defaults, then the file (empty: none), then the environment (`KLEN_WEBHOOKS_<SECTION>_<KEY>`; for secrets also
/// `…_FILE`, the name of a file that holds the value). Unknown keys, in the file or in the environment, are errors.
/// `environment_names`: the names of all variables that exist, to find unknown ones.
loaded_config load_config(std::string const& file, environment const& get,
                          std::vector<std::string> const& environment_names);
/// The same with the file's contents at hand; `name` is what errors call it.
loaded_config load_config_text(std::string const& name, std::string_view toml, environment const& get,
                               std::vector<std::string> const& environment_names);
std::vector<std::string> process_environment_names();

/// The defaults alone, for tests.
config default_config();

/// The documented default file: `config/klen-webhooks.toml` is exactly this (a test holds it).
std::string default_config_text();

/// One line per setting: key, value in force, where it comes from. Secrets are shown as "(set)" or "(not set)".
std::string effective_config_text(std::string const& file, environment const& get);

/// What is declared about each setting; for documentation and tests.
struct setting_info {
    std::string key;           ///< "server.listen_port"
    std::string type;          ///< "port", "milliseconds", "bytes", "boolean", "text", "list of text", …
    std::string default_value; ///< as TOML
    std::string allowed;       ///< "1 to 65535", "one of: text, json"
    bool secret = false;
    std::string description;
    std::string environment_variable;
};
std::vector<setting_info> const& all_settings();

} // namespace klen::webhooks
