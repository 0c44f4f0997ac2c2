#include "base/setting.hpp"

#include "base/settings_suggest.hpp"
#include "klen/webhooks/base/encoding.hpp"

#include <algorithm>
#include <map>

namespace klen::webhooks::settings {

namespace {

std::string join(std::vector<std::string> const& parts) {
    std::string out;
    for (std::string const& part : parts)
        out.append(out.empty() ? "" : ", ").append(part);
    return out;
}

/// A number that violates the declared range, in words; empty when it does not.
std::string refuse_number(setting const& s, std::int64_t n) {
    if (n < s.min || n > s.max)
        return "must be from " + std::to_string(s.min) + " to " + std::to_string(s.max) + ", not " + std::to_string(n);
    if (n % s.multiple_of != 0)
        return "must be a multiple of " + std::to_string(s.multiple_of) + ", not " + std::to_string(n);
    return {};
}

std::string refuse_text(setting const& s, std::string const& text) {
    auto const is_control = [](char c) { return (c >= 0 && c < 0x20) || c == 0x7f; };
    if (!is_utf8(text) || std::ranges::any_of(text, is_control))
        return "must be UTF-8 text without control characters";
    if (!s.one_of.empty() && std::ranges::find(s.one_of, text) == s.one_of.end())
        return "must be one of: " + join(s.one_of) + "; not " + quoted(text) + suggest_value(text, s.one_of);
    if (!s.check)
        return {};
    return s.check(text).value_or("");
}

template <class List, class Refuse>
std::string refuse_list(setting const& s, List const& list, Refuse refuse) {
    if (list.size() > s.items_max)
        return "must have " + std::to_string(s.items_max) + " entries at most, not " + std::to_string(list.size());
    entry_problems wrong;
    for (std::size_t i = 0; i < list.size(); ++i)
        wrong.add(i, refuse(s, list[i]));
    return wrong.text();
}

void append_toml(std::string& out, std::string const& text) {
    out += '"';
    for (char const c : text) {
        if (c == '"' || c == '\\')
            out += '\\';
        out += c;
    }
    out += '"';
}

template <class List, class Append>
std::string toml_list(List const& list, Append append) {
    std::string out = "[";
    for (auto const& item : list) {
        out += out.size() > 1 ? ", " : "";
        append(out, item);
    }
    return out + "]";
}

} // namespace

std::string_view to_string(unit what) {
    switch (what) {
    case unit::none:
        return "text";
    case unit::port:
        return "port";
    case unit::milliseconds:
        return "milliseconds";
    case unit::seconds:
        return "seconds";
    case unit::minutes:
        return "minutes";
    case unit::hours:
        return "hours";
    case unit::bytes:
        return "bytes";
    case unit::percent:
        return "percent";
    case unit::count:
        return "count";
    }
    return "";
}

std::string setting::variable() const {
    std::string out = "KLEN_WEBHOOKS_" + section + "_" + name;
    for (char& c : out)
        c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
    return out;
}

std::string setting::type() const {
    if (std::holds_alternative<bool>(initial))
        return "boolean";
    std::string const item(to_string(counts));
    return is_list() ? "list of " + (counts == unit::port ? "ports" : item) : item;
}

std::string setting::allowed() const {
    if (std::holds_alternative<bool>(initial))
        return "true or false";
    if (!one_of.empty())
        return "one of: " + join(one_of);
    if (counts == unit::none)
        return form;
    std::string out = std::to_string(min) + " to " + std::to_string(max);
    if (multiple_of > 1)
        out += ", a multiple of " + std::to_string(multiple_of);
    return is_list() ? "each " + out : out;
}

std::string setting::whole_number() const {
    std::string out = "a whole number (" + std::string(to_string(counts)) + ") from " + std::to_string(min) + " to " +
                      std::to_string(max);
    return multiple_of > 1 ? out + ", a multiple of " + std::to_string(multiple_of) : out;
}

std::string setting::refuse(value const& given) const {
    if (auto const* n = std::get_if<std::int64_t>(&given))
        return refuse_number(*this, *n);
    if (auto const* text = std::get_if<std::string>(&given))
        return refuse_text(*this, *text);
    if (auto const* list = std::get_if<numbers>(&given))
        return refuse_list(*this, *list, refuse_number);
    if (auto const* list = std::get_if<texts>(&given))
        return refuse_list(*this, *list, refuse_text);
    return {};
}

void entry_problems::add(std::size_t index, std::string const& why) {
    constexpr std::size_t shown_max = 10;
    if (why.empty() || ++count_ > shown_max)
        return;
    text_.append(text_.empty() ? "" : "; ").append("entry ").append(std::to_string(index + 1)).append(" ").append(why);
    shown_ = count_;
}

std::string entry_problems::text() const {
    return count_ == shown_ ? text_ : text_ + "; and " + std::to_string(count_ - shown_) + " more";
}

setting const* find(std::string_view key) {
    static auto const index = [] {
        std::map<std::string, setting const*, std::less<>> out;
        for (section const& s : declared()) {
            for (setting const& member : s.members)
                out.emplace(member.key(), &member);
        }
        return out;
    }();
    auto const found = index.find(key);
    return found == index.end() ? nullptr : found->second;
}

std::string to_toml(value const& v) {
    if (auto const* flag = std::get_if<bool>(&v))
        return *flag ? "true" : "false";
    if (auto const* n = std::get_if<std::int64_t>(&v))
        return std::to_string(*n);
    if (auto const* list = std::get_if<numbers>(&v))
        return toml_list(*list, [](std::string& out, std::int64_t n) { out += std::to_string(n); });
    if (auto const* list = std::get_if<texts>(&v))
        return toml_list(*list, append_toml);
    std::string out;
    append_toml(out, std::get<std::string>(v));
    return out;
}

std::string quoted(std::string_view text) {
    constexpr std::size_t bytes_max = 80;
    bool const readable = is_utf8(text);
    std::string out = "\"";
    for (std::size_t i = 0; i < text.size() && i < bytes_max; ++i) {
        char const c = text[i];
        if ((c >= 0 && c < 0x20) || c == 0x7f || (c < 0 && !readable))
            out += '?';
        else
            out += c;
    }
    while (readable && text.size() > bytes_max && !is_utf8(out))
        out.pop_back(); // the cut went through a character
    return out + (text.size() > bytes_max ? "…\"" : "\"");
}

} // namespace klen::webhooks::settings
