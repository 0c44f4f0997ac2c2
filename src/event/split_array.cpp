#include "klen/webhooks/event/json_body.hpp"

#include "json_reader.hpp"

namespace klen::webhooks::event {

namespace {

bool is_space(char c) { return c == ' ' || c == '\n' || c == '\r' || c == '\t'; }

std::string_view trim(std::string_view text) {
    while (!text.empty() && is_space(text.front()))
        text.remove_prefix(1);
    while (!text.empty() && is_space(text.back()))
        text.remove_suffix(1);
    return text;
}

/// Where the string that begins at `quote` ends: past its closing quote, or at the end of the text.
std::size_t past_string(std::string_view text, std::size_t quote) {
    for (std::size_t i = quote + 1; i < text.size(); ++i) {
        if (text[i] == '\\')
            ++i;
        else if (text[i] == '"')
            return i + 1;
    }
    return text.size();
}

/// Where the item that begins at `from` ends: at the ',' or bracket that does not belong to it. Brackets are counted
/// and not told apart: an item whose own brackets do not match is found out when it is parsed, alone.
std::size_t past_item(std::string_view text, std::size_t from) {
    std::size_t depth = 0;
    std::size_t i = from;
    while (i < text.size()) {
        char const c = text[i];
        if (c == '"') {
            i = past_string(text, i);
            continue;
        }
        if (depth == 0 && (c == ',' || c == ']' || c == '}'))
            return i;
        if (c == '{' || c == '[')
            ++depth;
        else if (c == '}' || c == ']')
            --depth;
        ++i;
    }
    return i;
}

} // namespace

std::variant<json_items, json_error> split_array(std::string_view text, std::size_t items_max) {
    auto const failed = [&](std::size_t offset, char const* what) { return error_at(text, offset, "", what); };
    std::size_t at = 0;
    while (at < text.size() && is_space(text[at]))
        ++at;
    if (at == text.size() || text[at] != '[')
        return failed(at, "expected an array");
    json_items out;
    do {
        std::size_t const begin = ++at; // past '[' or ','
        at = past_item(text, begin);
        if (at == text.size())
            return failed(at, "the array is not closed");
        if (text[at] == '}')
            return failed(at, "expected ',' or ']' after an item, found '}'");
        std::string_view const item = trim(text.substr(begin, at - begin));
        bool const empty_array = item.empty() && out.items.empty() && text[at] == ']';
        if (empty_array)
            break;
        if (item.empty())
            return failed(at, "expected an item");
        if (out.items.size() == items_max)
            return error_at(text, begin, "", "more than " + std::to_string(items_max) + " items: send several batches");
        out.items.push_back(item);
    } while (text[at] == ',');
    if (auto const rest = trim(text.substr(at + 1)); !rest.empty())
        return failed(static_cast<std::size_t>(rest.data() - text.data()), "expected nothing more after the array");
    return out;
}

} // namespace klen::webhooks::event
