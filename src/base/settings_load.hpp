#pragma once

#include "klen/webhooks/base/settings.hpp"

#include "base/setting.hpp"

#include <map>
#include <set>

namespace klen::webhooks::settings {

/// What was found in all sources, before it becomes a `config`.
struct reading {
    struct found {
        value what;
        std::string source; ///< the file or the variable
        int line = 0;
    };
    std::map<std::string, found> values; ///< by key; of several sources the strongest
    std::set<std::string> wrong;         ///< keys with an error in some source
    std::vector<config_error> errors;
    bool file_unread = false; ///< nothing is known about what the file says
};

/// Sources, weakest first.
void read_toml(reading& into, std::string const& name, std::string_view toml);
void read_environment(reading& into, environment const& get, std::vector<std::string> const& names);

/// The whole file, or what is wrong with it.
result<std::string> read_small_file(std::string const& name);

/// A value that is sound goes into `values`, over what a weaker source said; another becomes an error.
void take(reading& into, setting const& s, reading::found given);
void complain(reading& into, std::string const& key, std::string const& source, int line, std::string message);

} // namespace klen::webhooks::settings
