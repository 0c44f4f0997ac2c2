#include "json_input.hpp"

#include "json_writer.hpp"

#include "klen/webhooks/event/json_body.hpp"

#include <boost/json/parse.hpp>

#include <algorithm>

namespace klen::webhooks::api {

namespace {

constexpr std::uint32_t depth_max = 32;

std::string_view view(boost::json::string const& text) { return {text.data(), text.size()}; }
std::string_view view(boost::json::string_view text) { return {text.data(), text.size()}; }

/// Where the string that begins at `quote` ends, in canonical JSON.
std::size_t past_string(std::string_view text, std::size_t quote) {
    std::size_t i = quote + 1;
    while (text[i] != '"')
        i += text[i] == '\\' ? 2 : 1;
    return i + 1;
}

/// Where the value that begins at `from` ends, in canonical JSON.
std::size_t past_value(std::string_view text, std::size_t from) {
    std::size_t depth = 0;
    std::size_t i = from;
    for (;;) {
        char const c = text[i];
        if (c == '"') {
            i = past_string(text, i);
            continue;
        }
        if (depth == 0 && (c == ',' || c == '}' || c == ']'))
            return i;
        depth += c == '{' || c == '[' ? 1U : 0U;
        depth -= c == '}' || c == ']' ? 1U : 0U;
        ++i;
    }
}

/// Levenshtein distance; names are short.
std::size_t distance(std::string_view a, std::string_view b) {
    std::vector<std::size_t> row(b.size() + 1);
    for (std::size_t j = 0; j <= b.size(); ++j)
        row[j] = j;
    for (std::size_t i = 0; i < a.size(); ++i) {
        std::size_t diagonal = row[0];
        row[0] = i + 1;
        for (std::size_t j = 0; j < b.size(); ++j) {
            std::size_t const replaced = diagonal + (a[i] == b[j] ? 0U : 1U);
            diagonal = row[j + 1];
            row[j + 1] = std::min({replaced, row[j] + 1, row[j + 1] + 1});
        }
    }
    return row.back();
}

} // namespace

void problem_list::add(std::string_view field, std::string_view what) {
    if (full())
        return;
    if (!text_.empty())
        text_ += "; ";
    text_.append(field).append(field.empty() ? "" : ": ").append(what);
    if (full())
        text_ += "; and so on";
}

std::string_view parsed_object::raw_member(std::string_view name) const {
    std::string_view const text = canonical;
    std::size_t at = 1;
    while (text[at] == '"') {
        std::size_t const colon = past_string(text, at);
        auto const key = text.substr(at + 1, colon - at - 2);
        std::size_t const end = past_value(text, colon + 1);
        if (key == name)
            return text.substr(colon + 1, end - colon - 1);
        if (text[end] != ',')
            break;
        at = end + 1;
    }
    return {};
}

std::variant<parsed_object, std::string> parse_json_object(std::string_view text) {
    // Boost.JSON overlooks duplicate keys and says little about what is wrong: our own reader judges first.
    parsed_object out;
    if (auto const broken = event::canonical_json(text, {.depth_max = depth_max}, out.canonical))
        return broken->text();
    boost::json::error_code ec;
    auto value = boost::json::parse(out.canonical, ec, {}, {.max_depth = depth_max + 1});
    if (ec)
        return "the body is not valid JSON: " + ec.message();
    if (!value.is_object())
        return std::string("the body must be a JSON object");
    out.members = std::move(value.get_object());
    return out;
}

std::variant<parsed_object, std::string> parse_optional_object(std::string_view text) {
    return parse_json_object(text.empty() ? "{}" : text);
}

std::string judge_text(std::string_view text, text_rule rule) {
    std::size_t characters = 0;
    for (char const c : text) {
        auto const u = static_cast<unsigned char>(c);
        bool const fine = u >= 0x20 ? u != 0x7f : rule.may_have_lines && (c == '\n' || c == '\t' || c == '\r');
        if (!fine)
            return "must not contain control characters";
        characters += (u & 0xc0) != 0x80 ? 1U : 0U;
    }
    if (characters >= rule.characters_min && characters <= rule.characters_max)
        return {};
    if (rule.characters_min == 0)
        return "must be at most " + std::to_string(rule.characters_max) + " characters long";
    return "must be " + std::to_string(rule.characters_min) + " to " + std::to_string(rule.characters_max) +
           " characters long";
}

boost::json::value const* object_reader::find(std::string_view name) {
    known_.emplace_back(name);
    auto const* found = from_.if_contains(name);
    bool const given = found != nullptr && (null_ == null_means::wrong_type || !found->is_null());
    return given ? found : nullptr;
}

boost::json::value const* object_reader::require(std::string_view name) {
    auto const* found = find(name);
    if (found == nullptr)
        problems_.add(name, "is missing");
    return found;
}

std::optional<std::string> object_reader::text(std::string_view name, text_rule rule) {
    return text_of(name, find(name), rule);
}

std::optional<std::string> object_reader::required_text(std::string_view name, text_rule rule) {
    return text_of(name, require(name), rule);
}

std::optional<std::string> object_reader::text_of(std::string_view name, boost::json::value const* found,
                                                  text_rule rule) {
    if (found == nullptr)
        return std::nullopt;
    if (!found->is_string()) {
        problems_.add(name, "must be a string");
        return std::nullopt;
    }
    auto const given = view(found->get_string());
    if (auto const wrong = judge_text(given, rule); !wrong.empty()) {
        problems_.add(name, wrong);
        return std::nullopt;
    }
    return std::string(given);
}

std::optional<bool> object_reader::boolean(std::string_view name) {
    auto const* found = find(name);
    if (found == nullptr)
        return std::nullopt;
    if (!found->is_bool()) {
        problems_.add(name, "must be true or false");
        return std::nullopt;
    }
    return found->get_bool();
}

std::optional<int> object_reader::integer(std::string_view name, int min, int max) {
    auto const* found = find(name);
    if (found == nullptr)
        return std::nullopt;
    boost::json::error_code ec;
    auto const given = found->to_number<std::int64_t>(ec);
    if (ec || given < min || given > max) {
        problems_.add(name, "must be a whole number from " + std::to_string(min) + " to " + std::to_string(max));
        return std::nullopt;
    }
    return static_cast<int>(given);
}

std::optional<std::optional<int>> object_reader::integer_or_null(std::string_view name, int min, int max) {
    known_.emplace_back(name);
    auto const* found = from_.if_contains(name);
    if (found == nullptr)
        return std::nullopt;
    if (found->is_null())
        return std::optional<int>();
    if (auto const given = integer(name, min, max))
        return given;
    return std::nullopt;
}

std::optional<double> object_reader::number(std::string_view name, double min, double max) {
    auto const* found = find(name);
    if (found == nullptr)
        return std::nullopt;
    boost::json::error_code ec;
    auto const given = found->to_number<double>(ec);
    if (ec || !(given >= min && given <= max)) {
        problems_.add(name, "must be a number from " + json_writer().value(min).take() + " to " +
                                json_writer().value(max).take());
        return std::nullopt;
    }
    return given;
}

boost::json::object const* object_reader::object(std::string_view name) {
    auto const* found = find(name);
    if (found == nullptr)
        return nullptr;
    if (!found->is_object()) {
        problems_.add(name, "must be an object");
        return nullptr;
    }
    return &found->get_object();
}

void object_reader::refuse(std::string_view name, std::string_view why) {
    refused_.emplace_back(name);
    if (from_.contains(name))
        problems_.add(name, why);
}

void object_reader::refuse_others() {
    for (auto const& member : from_) {
        auto const name = view(member.key());
        if (std::ranges::find(known_, name) != known_.end() || std::ranges::find(refused_, name) != refused_.end())
            continue;
        if (problems_.full())
            return;
        auto const meant = nearest(name, known_);
        problems_.add(shown(name), "there is no such field" + (meant ? "; did you mean " + *meant + "?" : ""));
    }
}

std::string shown(std::string_view name) {
    if (name.empty())
        return R"("")";
    constexpr std::size_t bytes_max = 64;
    bool const cut = name.size() > bytes_max;
    std::size_t end = std::min(name.size(), bytes_max);
    while (cut && end > 0 && (static_cast<unsigned char>(name[end]) & 0xc0) == 0x80)
        --end; // not within a character
    return std::string(name.substr(0, end)) + (cut ? "…" : "");
}

std::optional<std::string> nearest(std::string_view text, std::vector<std::string> const& known) {
    if (text.size() > 64)
        return std::nullopt;
    std::optional<std::string> out;
    std::size_t best = std::max<std::size_t>(text.size() / 3, 2) + 1; // two letters swapped are two edits
    for (auto const& candidate : known) {
        std::size_t const d = distance(text, candidate);
        if (d < best) {
            best = d;
            out = candidate;
        }
    }
    return out;
}

bool holds_nul(boost::json::value const& value) {
    if (auto const* text = value.if_string())
        return view(*text).find('\0') != std::string_view::npos;
    if (auto const* list = value.if_array())
        return std::ranges::any_of(*list, holds_nul);
    if (auto const* object = value.if_object())
        return std::ranges::any_of(*object, [](auto const& member) {
            return view(member.key()).find('\0') != std::string_view::npos || holds_nul(member.value());
        });
    return false;
}

} // namespace klen::webhooks::api
