#include "klen/webhooks/base/settings.hpp"

#include <cstdlib>

extern "C" char** environ;

namespace klen::webhooks {

std::string config_error::text() const {
    return source + (line > 0 ? ":" + std::to_string(line) : "") + ": " + (key.empty() ? "" : key + ": ") + message;
}

environment process_environment() {
    return [](std::string const& name) -> std::optional<std::string> {
        char const* value = std::getenv(name.c_str());
        if (value == nullptr)
            return std::nullopt;
        return std::string(value);
    };
}

std::vector<std::string> process_environment_names() {
    std::vector<std::string> out;
    for (char** at = environ; *at != nullptr; ++at) {
        std::string_view const entry = *at;
        out.emplace_back(entry.substr(0, entry.find('=')));
    }
    return out;
}

config default_config() { return {}; }
loaded_config load_config(std::string const&, environment const&, std::vector<std::string> const&) { return {}; }
std::string default_config_text() { return {}; }
std::string effective_config_text(std::string const&, environment const&) { return {}; }
std::vector<setting_info> const& all_settings() {
    static std::vector<setting_info> const none;
    return none;
}

} // namespace klen::webhooks
