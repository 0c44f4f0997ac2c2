#include "base/settings_load.hpp"
#include "base/settings_suggest.hpp"

#include <algorithm>
#include <charconv>

extern "C" char** environ;

namespace klen::webhooks::settings {

namespace {

constexpr std::string_view prefix = "KLEN_WEBHOOKS_";

/// These are the command line's own.
bool is_command_line_variable(std::string_view name) {
    return name == "KLEN_WEBHOOKS_CONFIG" || name == "KLEN_WEBHOOKS_URL" || name == "KLEN_WEBHOOKS_KEY" ||
           name == "KLEN_WEBHOOKS_KEY_FILE" || name == "KLEN_WEBHOOKS_ACCOUNT" || name == "KLEN_WEBHOOKS_SECRET";
}

/// Kubernetes puts these into every container beside a Service that is called klen-webhooks.
bool is_service_link(std::string_view name) {
    return name.starts_with("KLEN_WEBHOOKS_SERVICE_") || name == "KLEN_WEBHOOKS_PORT" ||
           name.starts_with("KLEN_WEBHOOKS_PORT_");
}

std::vector<std::string> split(std::string_view text) {
    std::vector<std::string> out;
    auto const blank = [](char c) { return c == ' ' || c == '\t'; };
    while (!text.empty()) {
        auto const comma = std::min(text.find(','), text.size());
        std::string_view item = text.substr(0, comma);
        while (!item.empty() && blank(item.front()))
            item.remove_prefix(1);
        while (!item.empty() && blank(item.back()))
            item.remove_suffix(1);
        out.emplace_back(item);
        text.remove_prefix(std::min(comma + 1, text.size()));
    }
    return out;
}

std::optional<std::int64_t> to_number(std::string_view text) {
    std::int64_t out = 0;
    auto const done = std::from_chars(text.data(), text.data() + text.size(), out);
    if (done.ec != std::errc{} || done.ptr != text.data() + text.size())
        return std::nullopt;
    return out;
}

std::optional<value> number_list(std::string const& text) {
    numbers out;
    for (std::string const& item : split(text)) {
        auto const n = to_number(item);
        if (!n)
            return std::nullopt;
        out.push_back(*n);
    }
    return out;
}

std::optional<value> value_of(std::string const& text, setting const& s) {
    if (std::holds_alternative<std::string>(s.initial))
        return text;
    if (std::holds_alternative<texts>(s.initial))
        return split(text);
    if (std::holds_alternative<numbers>(s.initial))
        return number_list(text);
    if (std::holds_alternative<std::int64_t>(s.initial))
        return to_number(text);
    if (text == "true" || text == "false")
        return text == "true";
    return std::nullopt;
}

std::string wrong_text(std::string const& want, std::string const& text) {
    return "must be " + want + ", not " + (text.empty() ? "empty" : quoted(text));
}

std::string wrong_type(setting const& s, std::string const& text) {
    if (!s.is_list())
        return wrong_text(std::holds_alternative<std::int64_t>(s.initial) ? s.whole_number() : "true or false", text);
    auto const items = split(text);
    entry_problems wrong;
    for (std::size_t i = 0; i < items.size(); ++i) {
        auto const number = to_number(items[i]);
        wrong.add(i, number ? s.refuse(*number) : wrong_text(s.whole_number(), items[i]));
    }
    return wrong.text();
}

void take_text(reading& into, setting const& s, std::string const& variable, std::string const& text) {
    std::optional<value> what = value_of(text, s);
    if (what)
        take(into, s, {std::move(*what), variable, 0});
    else
        complain(into, s.key(), variable, 0, wrong_type(s, text));
}

void take_secret_file(reading& into, setting const& s, std::string const& variable, std::string const& file) {
    auto const contents = read_small_file(file);
    if (!contents) {
        complain(into, s.key(), variable, 0, contents.error().message);
        return;
    }
    std::string text = *contents;
    if (text.ends_with('\n'))
        text.pop_back();
    if (text.ends_with('\r'))
        text.pop_back();
    if (text.empty())
        complain(into, s.key(), variable, 0, "the file " + quoted(file) + " is empty");
    else
        take_text(into, s, variable, text);
}

void read_setting(reading& into, environment const& get, setting const& s) {
    std::string const variable = s.variable();
    std::optional<std::string> const direct = get(variable);
    std::optional<std::string> file = s.secret ? get(variable + "_FILE") : std::nullopt;
    if (file && file->empty()) // as `docker run -e` and compose leave what was not given: no file is called that
        file.reset();
    if (direct && file)
        complain(into, s.key(), variable, 0,
                 "must not be given both ways: unset this variable or " + variable + "_FILE");
    else if (direct)
        take_text(into, s, variable, *direct);
    else if (file)
        take_secret_file(into, s, variable + "_FILE", *file);
}

/// Why a variable that begins like ours is none; empty when it is one.
std::string unknown(std::string const& name) {
    if (!name.starts_with(prefix) || is_command_line_variable(name) || is_service_link(name))
        return {};
    std::string file_of;
    for (section const& s : declared()) {
        for (setting const& member : s.members) {
            std::string const variable = member.variable();
            if (name == variable || (member.secret && name == variable + "_FILE"))
                return {};
            if (name == variable + "_FILE")
                file_of = variable;
        }
    }
    if (!file_of.empty())
        return "is no setting: only secrets are read from files; set " + file_of + " instead";
    return "is no setting" + suggest_variable(name);
}

} // namespace

void read_environment(reading& into, environment const& get, std::vector<std::string> const& names) {
    for (section const& s : declared()) {
        for (setting const& member : s.members)
            read_setting(into, get, member);
    }
    for (std::string const& name : names) {
        if (std::string const why = unknown(name); !why.empty())
            complain(into, "", name, 0, why);
    }
}

} // namespace klen::webhooks::settings

namespace klen::webhooks {

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
    for (char** at = environ; at != nullptr && *at != nullptr; ++at) {
        std::string_view const entry = *at;
        out.emplace_back(entry.substr(0, entry.find('=')));
    }
    std::ranges::sort(out); // errors come in the same order each time
    return out;
}

} // namespace klen::webhooks
