// A configuration file and an environment: TOML, and behind a NUL lines of NAME=value. Whoever writes them is trusted,
// but slips; each is named, and nothing that is out of range comes into force.
#include "fuzz/require.hpp"
#include "klen/webhooks/base/settings.hpp"

#include <algorithm>
#include <map>
#include <string_view>

namespace {

using namespace klen::webhooks;

std::map<std::string, std::string> variables(std::string_view lines) {
    std::map<std::string, std::string> out;
    while (!lines.empty()) {
        auto const line = lines.substr(0, lines.find('\n'));
        lines.remove_prefix(std::min(line.size() + 1, lines.size()));
        auto const equals = line.find('=');
        // No other file is read here, and no variable has a NUL.
        if (equals == std::string_view::npos || line.substr(0, equals).ends_with("_FILE") ||
            line.find('\0') != std::string_view::npos)
            continue;
        out.emplace(line.substr(0, equals), line.substr(equals + 1));
    }
    return out;
}

loaded_config load(std::string_view toml, std::map<std::string, std::string> const& from) {
    std::vector<std::string> names;
    for (auto const& [name, value] : from)
        names.push_back(name);
    auto const get = [&](std::string const& name) {
        auto const found = from.find(name);
        return found == from.end() ? std::nullopt : std::optional(found->second);
    };
    return load_config_text("a.toml", toml, get, names);
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
    std::string_view const input(reinterpret_cast<char const*>(data), size);
    auto const toml = input.substr(0, input.find('\0'));
    auto const from = variables(input.substr(std::min(toml.size() + 1, input.size())));
    auto const once = load(toml, from);
    for (auto const& error : once.errors)
        require(!error.message.empty() && !error.source.empty() && !error.text().empty());
    auto const again = load(toml, from);
    require(once.errors.size() == again.errors.size());
    for (std::size_t i = 0; i < once.errors.size(); ++i)
        require(once.errors[i].text() == again.errors[i].text());
    if (!once.errors.empty())
        return 0;
    auto const& c = once.values;
    require(c.server.connections_max >= 1 && c.server.header_bytes_max >= 1024 && c.server.header_bytes_max <= 65536);
    require(c.server.body_bytes_max >= c.intake.payload_bytes_max &&
            c.server.bodies_bytes_max >= c.server.body_bytes_max);
    require(c.server.header_timeout.count() >= 100 && c.server.idle_timeout.count() >= 100);
    require(c.delivery.attempt_timeout.count() > 0 && c.delivery.response_header_bytes_max > 0);
    require(c.dispatch.heartbeat_interval < c.dispatch.lease_timeout);
    for (auto const& word : {c.server.listen_address, c.delivery.header_prefix, c.delivery.user_agent})
        require(word.find_first_of(std::string_view("\r\n\0", 3)) == std::string::npos);
    return 0;
}
