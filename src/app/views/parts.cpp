#include "app/views/views.hpp"

#include "app/json_text.hpp"
#include "klen/webhooks/base/encoding.hpp"

namespace klen::webhooks::app {

namespace json = boost::json;

namespace {

constexpr std::size_t body_lines_max = 200;
constexpr std::size_t body_bytes_max = std::size_t{1} << 20;

/// "HTTP 500", "timeout", or both where the answer was not the whole story.
std::string result_of(json::value const& attempt) {
    auto const status = text_member(attempt, "status");
    auto error = text_member(attempt, "error_class");
    if (status.empty())
        return error;
    return "HTTP " + status + (error.empty() || error == "http_status" ? "" : ", " + error);
}

/// Nothing where it would only repeat the result.
std::string more_of(json::value const& attempt) {
    auto text = text_member(attempt, "message");
    return text == result_of(attempt) ? std::string() : text;
}

std::string number_of(json::value const& attempt) {
    auto const number = text_member(attempt, "attempt");
    return text_member(attempt, "trigger") == "manual" ? "manual " + number : number;
}

} // namespace

std::string attempts_table(json::value const& attempts, std::string const& margin) {
    auto style = standard_output_style();
    style.width = style.width > margin.size() ? style.width - margin.size() : 0;
    text_table table({{"#", true, 0},
                      {"STARTED"},
                      {"TOOK", true, 0},
                      {"RESULT"},
                      {"DECISION"},
                      {"NEXT"},
                      {"ADDRESS"},
                      {"MESSAGE", false, 12}},
                     style);
    if (!attempts.is_array() || attempts.as_array().empty())
        return margin + "none\n";
    for (auto const& a : attempts.as_array())
        table.add({number_of(a), time_member(a, "started_at"), duration_member(a, "duration_ms"), result_of(a),
                   text_member(a, "decision"), time_member(a, "next_attempt_at"), text_member(a, "remote_address"),
                   more_of(a)});
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
