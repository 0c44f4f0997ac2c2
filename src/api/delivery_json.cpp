#include "delivery_json.hpp"

#include "klen/webhooks/base/encoding.hpp"

#include <algorithm>

namespace klen::webhooks::api {

namespace {

std::string utf8_of_latin1(std::string_view text) {
    std::string out;
    for (char const c : text) {
        auto const byte = static_cast<unsigned char>(c);
        if (byte < 0x80) {
            out += c;
            continue;
        }
        out += static_cast<char>(0xc0 | (byte >> 6));
        out += static_cast<char>(0x80 | (byte & 0x3f));
    }
    return out;
}

std::string shown(std::string_view text) { return is_utf8(text) ? std::string(text) : utf8_of_latin1(text); }

std::string_view trimmed(std::string_view text) {
    auto const first = text.find_first_not_of(" \t");
    if (first == std::string_view::npos)
        return {};
    return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

/// How many bytes at the end are the beginning of a character that is not there as a whole.
std::size_t cut_character(std::string_view bytes) {
    std::size_t const longest = std::min<std::size_t>(bytes.size(), 3);
    for (std::size_t back = 1; back <= longest; ++back) {
        auto const byte = static_cast<unsigned char>(bytes[bytes.size() - back]);
        if ((byte & 0xc0) == 0x80)
            continue;
        std::size_t const whole = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 1;
        return whole > back ? back : 0;
    }
    return 0;
}

store::attempt_row const* last_attempt_of(store::delivery_row const& delivery) {
    return delivery.last_attempt ? &*delivery.last_attempt : nullptr;
}

} // namespace

void write_header_lines(json_writer& out, std::string_view name, std::string_view lines) {
    out.key(name).begin_array();
    while (!lines.empty()) {
        auto const line = lines.substr(0, lines.find("\r\n"));
        lines.remove_prefix(std::min(line.size() + 2, lines.size()));
        auto const colon = std::min(line.find(':'), line.size());
        if (line.empty())
            continue;
        out.begin_array().value(shown(line.substr(0, colon)));
        out.value(shown(trimmed(line.substr(std::min(colon + 1, line.size()))))).end_array();
    }
    out.end_array();
}

void write_body_start(json_writer& out, std::string_view name, std::string_view bytes) {
    auto const text = bytes.substr(0, bytes.size() - cut_character(bytes));
    bool const readable = is_utf8(text);
    if (readable)
        out.member(name, text);
    else
        out.member(name, base64_encode(as_bytes(bytes)));
    out.member(std::string(name) + "_encoding", readable ? "utf-8" : "base64");
}

void write_attempt_summary_members(json_writer& out, store::attempt_row const& a) {
    out.member("attempt", a.attempt)
        .member("trigger", a.manual ? "manual" : "schedule")
        .member("started_at", a.started_at)
        .member("duration_ms", std::chrono::duration_cast<std::chrono::milliseconds>(a.duration).count())
        .member("decision", policy::to_string(a.decision))
        .member("status", a.status == 0 ? std::nullopt : std::optional(a.status))
        .member_or_null("error_class", a.error == policy::error_class::none ? "" : policy::to_string(a.error))
        .member_or_null("message", a.message);
}

void write_attempt(json_writer& out, store::attempt_row const& a, attempt_headers const& sent) {
    out.begin_object();
    write_attempt_summary_members(out, a);
    out.member("next_attempt_at", a.next_attempt_at).member_or_null("remote_address", a.remote_address);
    if (sent.lines)
        write_header_lines(out, "request_headers", *sent.lines);
    else
        out.key("request_headers").null();
    out.member("request_headers_left_out", sent.left_out);
    write_header_lines(out, "response_headers", a.response_headers);
    write_body_start(out, "response_body", a.response_body);
    out.end_object();
}

void write_delivery_members(json_writer& out, store::delivery_row const& d) {
    out.member("id", d.id.text())
        .member("event_id", d.event.text())
        .member("webhook_id", d.webhook.text())
        .member("account_id", d.account_id)
        .member("event_type", d.event_type)
        .member("status", store::to_string(d.status))
        .member("attempts_made", d.attempts_made)
        .member("next_attempt_at", d.next_attempt_at);
    out.key("last_attempt");
    auto const* last = last_attempt_of(d);
    if (last == nullptr) {
        out.null();
        return;
    }
    out.begin_object();
    write_attempt_summary_members(out, *last);
    out.end_object();
}

void write_delivery(json_writer& out, store::delivery_row const& d) {
    out.begin_object();
    write_delivery_members(out, d);
    out.end_object();
}

void write_event_members(json_writer& out, store::event_row const& e, bool with_body) {
    out.member("id", e.id.text())
        .member("account_id", e.account_id)
        .member("event_type", e.event_type)
        .member("accepted_at", e.accepted_at);
    if (with_body)
        out.key("body").raw(e.body); // it is JSON already, with its digits
}

} // namespace klen::webhooks::api
