#include "klen/webhooks/base/settings.hpp"

#include "base/settings_checks.hpp"
#include "base/settings_load.hpp"
#include "klen/webhooks/base/version.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <limits>

#include <fcntl.h>
#include <unistd.h>

namespace klen::webhooks {

namespace settings {

void complain(reading& into, std::string const& key, std::string const& source, int line, std::string message) {
    into.wrong.insert(key);
    into.errors.push_back({source, line, key, std::move(message)});
}

void take(reading& into, setting const& s, reading::found given) {
    std::string why = s.refuse(given.what);
    if (why.empty())
        into.values.insert_or_assign(s.key(), std::move(given));
    else
        complain(into, s.key(), given.source, given.line, std::move(why));
}

result<std::string> read_small_file(std::string const& name) {
    constexpr std::size_t bytes_max = std::size_t{1} << 20;
    auto const refuse = [&](std::string const& why) {
        return failure{fault::io, "the file " + quoted(name) + " cannot be read: " + why};
    };
    int const fd = ::open(name.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0)
        return refuse(std::strerror(errno));
    std::string out(bytes_max + 1, '\0');
    std::size_t size = 0;
    ssize_t n = 1;
    while (n > 0 && size < out.size()) {
        n = ::read(fd, out.data() + size, out.size() - size);
        size += n > 0 ? static_cast<std::size_t>(n) : 0;
    }
    int const error = errno;
    ::close(fd);
    if (n < 0)
        return refuse(std::strerror(error));
    if (size > bytes_max)
        return refuse("it is larger than 1 MiB");
    out.resize(size);
    return out;
}

namespace {

/// Where to point for a contradiction: at the setting to change if somebody wrote it down, otherwise at the other.
void report(reading& into, contradiction const& c) {
    if (into.wrong.contains(c.key) || into.wrong.contains(c.other))
        return; // what is in force for them is not what was meant
    auto at = into.values.find(c.key);
    if (at == into.values.end())
        at = into.values.find(c.other);
    if (at == into.values.end())
        into.errors.push_back({"defaults", 0, c.key, c.message});
    else
        into.errors.push_back({at->second.source, at->second.line, c.key, c.message});
}

loaded_config finish(reading from) {
    loaded_config out;
    for (section const& s : declared()) {
        for (setting const& member : s.members) {
            auto const given = from.values.find(member.key());
            member.store(out.values, given == from.values.end() ? member.initial : given->second.what);
        }
    }
    if (!from.file_unread) {
        for (contradiction const& c : contradictions(out.values))
            report(from, c);
    }
    if (out.values.delivery.user_agent.empty())
        out.values.delivery.user_agent = "klen-webhooks/" + std::string(version());
    out.errors = std::move(from.errors);
    sort_errors(out.errors);
    for (auto const& [key, given] : from.values)
        out.given_in.emplace(key, std::pair(given.source, given.line));
    return out;
}

reading read_file(std::string const& file) {
    reading out;
    if (file.empty())
        return out;
    auto const toml = read_small_file(file);
    if (toml) {
        read_toml(out, file, *toml);
    } else {
        out.file_unread = true;
        complain(out, "", file, 0, toml.error().message);
    }
    return out;
}

} // namespace

} // namespace settings

std::string config_error::text() const {
    std::string out = source;
    if (line > 0)
        out.append(":").append(std::to_string(line));
    out += ": ";
    if (!key.empty())
        out.append(key).append(": ");
    return out + message;
}

void sort_errors(std::vector<config_error>& errors) {
    std::ranges::stable_sort(errors, {}, [](config_error const& error) {
        return error.line > 0 ? error.line : std::numeric_limits<int>::max();
    });
}

loaded_config load_config(std::string const& file, environment const& get,
                          std::vector<std::string> const& environment_names) {
    settings::reading from = settings::read_file(file);
    settings::read_environment(from, get, environment_names);
    return settings::finish(std::move(from));
}

loaded_config load_config_text(std::string const& name, std::string_view toml, environment const& get,
                               std::vector<std::string> const& environment_names) {
    settings::reading from;
    settings::read_toml(from, name, toml);
    settings::read_environment(from, get, environment_names);
    return settings::finish(std::move(from));
}

config default_config() { return settings::finish({}).values; }

std::string effective_config_text(std::string const& file, environment const& get) {
    settings::reading from = settings::read_file(file);
    settings::read_environment(from, get, {});
    std::string out;
    for (settings::section const& s : settings::declared()) {
        for (settings::setting const& member : s.members) {
            auto const given = from.values.find(member.key());
            bool const is_given = given != from.values.end();
            settings::value const& v = is_given ? given->second.what : member.initial;
            std::string shown = settings::to_toml(v);
            if (member.secret)
                shown = v == member.initial ? "(not set)" : "(set)";
            std::string source = is_given ? given->second.source : "default";
            if (is_given && given->second.line > 0)
                source.append(":").append(std::to_string(given->second.line));
            out.append(member.key()).append(" = ").append(shown).append("  # ").append(source).append("\n");
        }
    }
    return out;
}

} // namespace klen::webhooks
