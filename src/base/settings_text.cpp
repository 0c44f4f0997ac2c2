#include "klen/webhooks/base/settings.hpp"

#include "base/setting.hpp"

#include <algorithm>
#include <array>
#include <string_view>

namespace klen::webhooks {

namespace {

using settings::section;
using settings::setting;
using settings::unit;

constexpr std::size_t width = 110;

/// Comment lines no longer than `width`, broken between words.
void append_comment(std::string& out, std::string_view text) {
    std::string line = "#";
    while (!text.empty()) {
        auto const end = std::min(text.find(' '), text.size());
        std::string_view const word = text.substr(0, end);
        if (line.size() > 1 && line.size() + 1 + word.size() > width) {
            out.append(line).append("\n");
            line = "#";
        }
        line.append(" ").append(word);
        text.remove_prefix(std::min(end + 1, text.size()));
    }
    out.append(line).append("\n");
}

/// "64 MiB"; a number as it is when it is no whole number of these.
std::string in_words(std::int64_t bytes) {
    constexpr std::array<std::string_view, 4> names{" bytes", " KiB", " MiB", " GiB"};
    std::size_t name = 0;
    for (; bytes != 0 && bytes % 1024 == 0 && name + 1 < names.size(); ++name)
        bytes /= 1024;
    return std::to_string(bytes).append(names[name]);
}

bool is_empty(settings::value const& v) {
    auto const* text = std::get_if<std::string>(&v);
    auto const* numbers = std::get_if<settings::numbers>(&v);
    auto const* texts = std::get_if<settings::texts>(&v);
    return (text != nullptr && text->empty()) || (numbers != nullptr && numbers->empty()) ||
           (texts != nullptr && texts->empty());
}

/// "bytes: 1024 to 65536 (1 KiB to 64 KiB). Default 8192 (8 KiB)."
std::string facts(setting const& s) {
    bool const bytes = s.counts == unit::bytes;
    std::string out = s.type();
    if (std::string const allowed = s.allowed(); !allowed.empty())
        out += ": " + allowed;
    if (bytes)
        out += " (" + in_words(s.min) + " to " + in_words(s.max) + ")";
    out += ". Default " + settings::to_toml(s.initial);
    if (bytes)
        out += " (" + in_words(std::get<std::int64_t>(s.initial)) + ")";
    return out + (s.secret ? ". Secret." : ".");
}

void append_section(std::string& out, section const& s) {
    out.append("\n[").append(s.name).append("]\n");
    append_comment(out, s.description);
    for (setting const& member : s.members) {
        out += "\n";
        append_comment(out, member.description);
        append_comment(out, facts(member));
        append_comment(out, member.variable() + (member.secret ? ", " + member.variable() + "_FILE" : ""));
        if (member.secret || is_empty(member.initial))
            out += "#";
        out.append(member.name).append(" = ").append(settings::to_toml(member.initial)).append("\n");
    }
}

} // namespace

std::string default_config_text() {
    std::string out;
    append_comment(out, "klen-webhooks: every setting with its default. Delete what you do not change.");
    out += "#\n";
    append_comment(out, "Each setting can be overridden by the environment variable named beside it; lists are then "
                        "written with commas between the entries. For secrets there is a second variable, ending in "
                        "_FILE: the name of a file that holds the value, which keeps it out of this file and out of "
                        "the environment.");
    out += "#\n";
    append_comment(out, "`klen-webhooks check-config` reports everything that is wrong here, with its line. Settings "
                        "take effect when the daemon is started.");
    for (section const& s : settings::declared())
        append_section(out, s);
    return out;
}

std::vector<setting_info> const& all_settings() {
    static auto const all = [] {
        std::vector<setting_info> out;
        for (section const& s : settings::declared()) {
            for (setting const& m : s.members)
                out.push_back({m.key(), m.type(), settings::to_toml(m.initial), m.allowed(), m.secret, m.description,
                               m.variable()});
        }
        return out;
    }();
    return all;
}

} // namespace klen::webhooks
