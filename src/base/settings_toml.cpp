#include "base/settings_load.hpp"
#include "base/settings_suggest.hpp"

#define TOML_EXCEPTIONS 0
#define TOML_ENABLE_FORMATTERS 0
// toml++ 3.3 asserts that a table's header begins with a key ("[=" ends the program) before it reports just that as an
// error. Without NDEBUG only; can go with a version that does not.
#define TOML_ASSERT(expr) static_assert(true)
#include <toml++/toml.h>

#include <algorithm>

namespace klen::webhooks::settings {

namespace {

int line_of(toml::node const& node) { return static_cast<int>(node.source().begin.line); }

char const* name_of(toml::node const& node) {
    switch (node.type()) {
    case toml::node_type::table:
        return "a table";
    case toml::node_type::array:
        return "a list";
    case toml::node_type::string:
        return "a text";
    case toml::node_type::integer:
        return "a whole number";
    case toml::node_type::floating_point:
        return "a number with a fraction";
    case toml::node_type::boolean:
        return "true or false";
    case toml::node_type::date:
    case toml::node_type::time:
    case toml::node_type::date_time:
        return "a date or time";
    case toml::node_type::none:
        break;
    }
    return "nothing";
}

/// The values of a list, or nothing if one of them has another type.
template <class Item>
std::optional<value> list_of(toml::array const& list) {
    std::vector<Item> out;
    for (toml::node const& node : list) {
        auto item = node.value_exact<Item>();
        if (!item)
            return std::nullopt;
        out.push_back(std::move(*item));
    }
    return out;
}

std::optional<value> value_of(toml::node const& node, setting const& s) {
    toml::array const* const list = node.as_array();
    if (s.is_list() && list == nullptr)
        return std::nullopt;
    if (std::holds_alternative<numbers>(s.initial))
        return list_of<std::int64_t>(*list);
    if (std::holds_alternative<texts>(s.initial))
        return list_of<std::string>(*list);
    if (std::holds_alternative<bool>(s.initial))
        return node.value_exact<bool>();
    if (std::holds_alternative<std::int64_t>(s.initial))
        return node.value_exact<std::int64_t>();
    return node.value_exact<std::string>();
}

std::string wanted(setting const& s) {
    if (std::holds_alternative<bool>(s.initial))
        return "true or false";
    if (std::holds_alternative<numbers>(s.initial))
        return "a list of whole numbers, as in [1, 2]";
    if (std::holds_alternative<texts>(s.initial))
        return "a list of texts, as in [\"a\", \"b\"]";
    if (std::holds_alternative<std::int64_t>(s.initial))
        return s.whole_number();
    return "a text in quotes";
}

/// A list with an entry of another type: what is wrong with each entry.
std::string wrong_entries(setting const& s, toml::array const& list) {
    bool const of_numbers = std::holds_alternative<numbers>(s.initial);
    entry_problems wrong;
    for (std::size_t i = 0; i < list.size(); ++i) {
        auto const& node = list[i];
        auto const number = of_numbers ? node.value_exact<std::int64_t>() : std::nullopt;
        auto const text = of_numbers ? std::nullopt : node.value_exact<std::string>();
        if (number)
            wrong.add(i, s.refuse(*number));
        else if (text)
            wrong.add(i, s.refuse(*text));
        else
            wrong.add(i, "must be " + (of_numbers ? s.whole_number() : "a text in quotes") + ", not " + name_of(node));
    }
    return wrong.text();
}

std::string wrong_type(setting const& s, toml::node const& node) {
    if (s.is_list() && node.is_array())
        return wrong_entries(s, *node.as_array());
    return "must be " + wanted(s) + ", not " + name_of(node);
}

void read_section(reading& into, std::string const& file, section const& s, toml::table const& table) {
    for (auto&& [key, node] : table) {
        std::string const name(key.str());
        std::string const whole = s.name + "." + name;
        int const line = static_cast<int>(key.source().begin.line);
        setting const* const known = find(whole);
        if (known == nullptr) {
            complain(into, whole, file, line, "is no setting" + suggest_key(s.name, name));
            continue;
        }
        std::optional<value> what = value_of(node, *known);
        if (what)
            take(into, *known, {std::move(*what), file, line_of(node)});
        else
            complain(into, whole, file, line_of(node), wrong_type(*known, node));
    }
}

section const* find_section(std::string_view name) {
    auto const found = std::ranges::find(declared(), name, &section::name);
    return found == declared().end() ? nullptr : &*found;
}

void read_top(reading& into, std::string const& file, toml::table const& top) {
    for (auto&& [key, node] : top) {
        std::string const name(key.str());
        int const line = static_cast<int>(key.source().begin.line);
        section const* const s = find_section(name);
        if (s != nullptr && node.is_table())
            read_section(into, file, *s, *node.as_table());
        else if (s != nullptr)
            complain(into, name, file, line, "must be a section: [" + name + "]");
        else if (node.is_table() || node.is_array_of_tables())
            complain(into, name, file, line, "is no section" + suggest_section(name));
        else
            complain(into, name, file, line, "stands outside any section" + suggest_home(name));
    }
}

std::string_view line_at(std::string_view text, std::size_t line) {
    for (std::size_t i = 1; i < line && !text.empty(); ++i) {
        auto const end = text.find('\n');
        text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    }
    return text.substr(0, text.find('\n'));
}

/// The parser's messages quote what they stumbled over, which must not happen to a secret. A value may span lines:
/// go back to the line on which its key stands.
bool may_show_secret(std::string_view toml, std::size_t line) {
    constexpr std::size_t lines_back_max = 100;
    std::size_t const stop = line > lines_back_max ? line - lines_back_max : 0;
    for (; line > stop; --line) {
        std::string_view const text = line_at(toml, line);
        for (section const& s : declared()) {
            for (setting const& member : s.members) {
                if (member.secret && text.find(member.name) != std::string_view::npos)
                    return true;
            }
        }
        if (text.find('=') != std::string_view::npos && text.find("\"\"\"") == std::string_view::npos &&
            text.find("'''") == std::string_view::npos)
            return false;
    }
    return false;
}

std::string syntax_message(std::string_view toml, toml::parse_error const& error) {
    if (may_show_secret(toml, error.source().begin.line))
        return "is no TOML (column " + std::to_string(error.source().begin.column) +
               "; what stands there is not shown, it may be a secret). A text needs quotes";
    return "is no TOML: " + std::string(error.description()) + " (column " +
           std::to_string(error.source().begin.column) + ")";
}

} // namespace

void read_toml(reading& into, std::string const& name, std::string_view toml) {
    toml::parse_result const parsed = toml::parse(toml);
    if (!parsed) {
        into.file_unread = true;
        complain(into, "", name, static_cast<int>(parsed.error().source().begin.line),
                 syntax_message(toml, parsed.error()));
        return;
    }
    read_top(into, name, parsed.table());
}

} // namespace klen::webhooks::settings
