#include "app/views/views.hpp"

#include "app/json_text.hpp"

namespace klen::webhooks::app {

namespace json = boost::json;

namespace {

/// What the last attempt came to: "HTTP 500", "timeout: …".
std::string last_result(json::value const& attempt) {
    auto const error = text_member(attempt, "error_class");
    auto const status = text_member(attempt, "status");
    if (!status.empty())
        return "HTTP " + status;
    auto const message = text_member(attempt, "message");
    return error.empty() || message.empty() ? error : error + ": " + message;
}

std::string event_lines(json_answer const& delivery) {
    auto const& event = member(delivery.value, "event");
    if (!event.is_object())
        return "event: past its retention\n";
    return "body:\n" + body_lines(member_of(member_of(delivery.text, "event"), "body"), {}, "  ");
}

/// When it is, and where to look when that is past.
std::string next_attempt(json::value const& delivery, wall_time now) {
    auto out = time_member(delivery, "next_attempt_at");
    auto const at = parse_rfc3339(text_member(delivery, "next_attempt_at"));
    if (at && *at < now && text_member(delivery, "status") == "pending")
        out += ": it is due; should it stay so, its webhook is disabled, paused after failures, or at its limits "
               "(`klen-webhooks webhook show` says which)";
    return out;
}

/// Headers and bodies of one attempt.
std::string attempt_text(std::string const& canonical) {
    auto const attempt = read_json(canonical);
    if (!attempt)
        return {};
    auto const& a = attempt->value;
    std::string out = "attempt " + terminal_safe(text_member(a, "attempt"), 16) + ":\n";
    out += "  request headers:\n" + (is_true(a, "request_headers_left_out")
                                         ? "    left out, it was too much at once: ask for less with --limit\n"
                                         : header_lines(member(a, "request_headers"), "    "));
    if (text_member(a, "status").empty())
        return out + "  no response\n";
    out += "  response headers:\n" + header_lines(member(a, "response_headers"), "    ");
    return out + "  response body:\n" +
           body_lines(member_of(attempt->text, "response_body"), text_member(a, "response_body_encoding"), "    ");
}

} // namespace

list_view delivery_list_view(bool of_event) {
    auto const* const other = of_event ? "webhook_id" : "event_id";
    return {"deliveries",
            {{"ID"},
             {"EVENT TYPE", false, 10},
             {"STATUS"},
             {"ATTEMPTS", true, 0},
             {"LAST"},
             {"RESULT", false, 10},
             {"NEXT"},
             {of_event ? "WEBHOOK" : "EVENT"}},
            [other](json::value const& d) {
                auto const& last = member(d, "last_attempt");
                return std::vector<std::string>{text_member(d, "id"),
                                                text_member(d, "event_type"),
                                                text_member(d, "status"),
                                                text_member(d, "attempts_made"),
                                                time_member(last, "started_at"),
                                                last_result(last),
                                                time_member(d, "next_attempt_at"),
                                                text_member(d, other)};
            }};
}

std::string delivery_text(json_answer const& delivery, bool full, wall_time now) {
    auto const& d = delivery.value;
    text_block out;
    out.add("id", text_member(d, "id"))
        .add("event", text_member(d, "event_id"))
        .add("webhook", text_member(d, "webhook_id"))
        .add("account", text_member(d, "account_id"))
        .add("event type", text_member(d, "event_type"))
        .add("status", text_member(d, "status"))
        .add("attempts made", text_member(d, "attempts_made"))
        .add_unless_empty("next attempt", next_attempt(d, now));
    auto text = out.take();
    // Resending and cancelling answer without event and attempts.
    if (d.is_object() && d.as_object().contains("event"))
        text += event_lines(delivery);
    if (auto const& attempts = member(d, "attempts"); attempts.is_array())
        text += "attempts:\n" + attempts_table(attempts, "  ");
    if (full)
        for (auto const& attempt : items_of(delivery.text, "attempts").value_or(std::vector<std::string>{}))
            text += attempt_text(attempt);
    return text + next_part_text(d, "earlier attempts");
}

} // namespace klen::webhooks::app
