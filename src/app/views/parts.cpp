#include "app/views/views.hpp"

#include "app/json_text.hpp"
#include "klen/webhooks/base/encoding.hpp"

namespace klen::webhooks::app {

namespace json = boost::json;

namespace {

constexpr std::size_t body_lines_max = 200;
constexpr std::size_t body_bytes_max = std::size_t{1} << 20;

/// "HTTP 500" or the class of the error, whichever says more.
std::string status_of(json::value const& attempt) {
    auto const status = text_member(attempt, "status");
    return status.empty() ? std::string() : "HTTP " + status;
}

} // namespace

std::string attempts_table(json::value const& attempts, std::string const& margin) {
    auto style = standard_output_style();
    style.width = style.width > margin.size() ? style.width - margin.size() : 0;
    text_table table({{"#", true, 0},
                      {"STARTED"},
                      {"TRIGGER"},
                      {"TOOK", true, 0},
                      {"DECISION"},
                      {"STATUS"},
                      {"ERROR"},
                      {"MESSAGE", false, 12},
                      {"ADDRESS"},
                      {"NEXT"}},
                     style);
    if (!attempts.is_array() || attempts.as_array().empty())
        return margin + "none\n";
    for (auto const& a : attempts.as_array())
        table.add({text_member(a, "attempt"), time_member(a, "started_at"), text_member(a, "trigger"),
                   duration_member(a, "duration_ms"), text_member(a, "decision"), status_of(a),
                   text_member(a, "error_class"), text_member(a, "message"), text_member(a, "remote_address"),
                   time_member(a, "next_attempt_at")});
    return with_margin(table.take(), margin);
}

std::string next_part_text(json::value const& shown, std::string const& what) {
    auto const cursor = text_member(shown, "next_cursor");
    return cursor.empty() ? "" : "there are " + what + ": --cursor " + terminal_safe(cursor, 256) + "\n";
}

std::string header_lines(json::value const& headers, std::string const& margin) {
    std::string out;
    auto const line = [&](std::string const& name, std::string const& value) {
        out += margin + terminal_safe(name, 1024) + ": " + terminal_safe(value, std::size_t{16} << 10) + "\n";
    };
    auto const text = [](json::value const& v) { return v.is_string() ? std::string(v.as_string()) : std::string(); };
    if (headers.is_array())
        for (auto const& pair : headers.as_array())
            if (pair.is_array() && pair.as_array().size() == 2)
                line(text(pair.as_array()[0]), text(pair.as_array()[1]));
    if (headers.is_object())
        for (auto const& [name, value] : headers.as_object())
            line(std::string(name), text(value));
    return out.empty() ? margin + "-\n" : out;
}

std::string body_lines(std::string_view canonical, std::string_view encoding, std::string const& margin) {
    std::string text(canonical);
    if (text.empty() || text == "null" || text == "\"\"")
        return margin + "-\n";
    if (text.starts_with('"')) {
        auto const parsed = read_json(text);
        text = parsed && parsed->value.is_string() ? std::string(parsed->value.as_string()) : text;
        if (encoding == "base64") {
            auto const bytes = base64_decode(text);
            return margin + "(" + (bytes ? std::to_string(bytes->size()) : "?") + " bytes that are no text)\n";
        }
        auto const inner = read_json(text);
        if (!inner)
            return with_margin(terminal_safe(text, body_bytes_max, true), margin);
        text = inner->text;
    }
    return terminal_safe(indent_json(text, margin, body_lines_max), body_bytes_max, true) + "\n";
}

std::string with_margin(std::string_view text, std::string const& margin) {
    std::string out;
    while (!text.empty()) {
        auto const end = text.find('\n');
        out.append(margin).append(text.substr(0, end)).append("\n");
        text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    }
    return out;
}

} // namespace klen::webhooks::app
