#include "app/views/views.hpp"

#include "app/json_text.hpp"

#include <array>
#include <cstdio>

namespace klen::webhooks::app {

namespace json = boost::json;

namespace {

std::string state_of(json::value const& webhook) {
    if (!is_true(webhook, "enabled")) {
        auto const reason = text_member(webhook, "disabled_reason");
        return reason.empty() ? "disabled" : "disabled (" + reason + ")";
    }
    return text_member(webhook, "failing_since").empty() ? "enabled" : "failing";
}

/// "99.5 %" of a number from 0 to 1.
std::string percent(json::value const& rate) {
    if (!rate.is_number())
        return {};
    std::array<char, 32> out{};
    auto const n = std::snprintf(out.data(), out.size(), "%.1f %%", rate.to_number<double>() * 100);
    return {out.data(), static_cast<std::size_t>(n)};
}

std::string window_text(json::value const& window) {
    if (!window.is_object())
        return {};
    auto const rate = percent(member(window, "success_rate"));
    if (rate.empty())
        return "no attempts";
    auto out = text_member(window, "delivered") + " delivered, " + text_member(window, "failed") + " failed (" + rate +
               " success)";
    auto const half = duration_member(window, "p50_ms");
    if (!half.empty())
        out += ", half within " + half + ", 95 % within " + duration_member(window, "p95_ms");
    return out;
}

/// Nothing where it is closed, as it nearly always is.
std::string circuit_text(json::value const& health) {
    auto const state = text_member(health, "circuit");
    if (state == "open")
        return "open until " + time_member(health, "circuit_open_until") + ": nothing is sent until then";
    return state == "half_open" ? "half open: one attempt is made to see whether it answers" : "";
}

/// Counts are written down now and then (delivery.statistics_interval_ms), that it fails at once.
std::string failures_text(json::value const& webhook, json::value const& health) {
    auto const count = text_member(health, "consecutive_failures");
    bool const behind = count == "0" && !text_member(webhook, "failing_since").empty();
    return behind ? "0 so far: the newest are counted in a moment" : count;
}

std::string health_text(json::value const& webhook, json::value const& health) {
    text_block out("  ");
    out.add("pending", text_member(health, "pending") + (is_true(health, "pending_is_minimum") ? " or more" : ""));
    out.add("last success", time_member(health, "last_success_at"));
    auto failure = time_member(health, "last_failure_at");
    if (auto const why = text_member(health, "last_failure_class"); !why.empty())
        failure += " (" + why + ")";
    out.add("last failure", failure);
    out.add("failures in a row", failures_text(webhook, health));
    out.add_unless_empty("circuit", circuit_text(health));
    out.add("last hour", window_text(member(health, "last_hour")));
    out.add("last day", window_text(member(health, "last_day")));
    return out.take();
}

std::string limit_text(json::value const& webhook, std::string_view name) {
    auto const text = text_member(webhook, name);
    return text.empty() ? "none of its own" : text;
}

} // namespace

list_view webhook_list_view() {
    return {"webhooks",
            {{"ID"}, {"NAME", false, 8}, {"STATE"}, {"EVENTS", false, 8}, {"URL", false, 16}, {"ACCOUNT", false, 8}},
            [](json::value const& w) {
                return std::vector<std::string>{text_member(w, "id"),  text_member(w, "name"),
                                                state_of(w),           joined_member(w, "subscribed_events"),
                                                text_member(w, "url"), text_member(w, "account_id")};
            }};
}

std::string webhook_text(json_answer const& webhook) {
    auto const& w = webhook.value;
    text_block out;
    out.add("id", text_member(w, "id"))
        .add("account", text_member(w, "account_id"))
        .add("name", text_member(w, "name"))
        .add_unless_empty("description", text_member(w, "description"))
        .add("url", text_member(w, "url"))
        .add("events", joined_member(w, "subscribed_events"))
        .add("state", state_of(w))
        .add_unless_empty("disabled at", time_member(w, "disabled_at"))
        .add_unless_empty("disabled because", text_member(w, "disabled_note"))
        .add_unless_empty("failing since", time_member(w, "failing_since"))
        .add("concurrency", limit_text(w, "max_concurrency"))
        .add("requests a second", limit_text(w, "max_rate_per_second"));
    auto const metadata = member_of(webhook.text, "metadata");
    out.add_unless_empty("metadata", metadata == "{}" ? "" : metadata)
        .add("created", time_member(w, "created_at"))
        .add("updated", time_member(w, "updated_at"));
    auto text = out.take();
    auto const& headers = member(w, "headers");
    if (headers.is_object() && !headers.as_object().empty())
        text += "headers:\n" + header_lines(headers, "  ");
    if (auto const& health = member(w, "health"); health.is_object())
        text += "health:\n" + health_text(w, health);
    return text;
}

std::string secrets_text(json_answer const& secrets, bool with_text) {
    std::vector<table_column> columns{{"CREATED"}, {"SIGNS UNTIL"}};
    if (with_text)
        columns.insert(columns.begin(), {"SECRET"});
    text_table table(std::move(columns), standard_output_style());
    auto const& all = member(secrets.value, "secrets");
    if (all.is_array())
        for (auto const& one : all.as_array()) {
            auto const until = time_member(one, "expires_at");
            std::vector<std::string> cells{time_member(one, "created_at"), until.empty() ? "until replaced" : until};
            if (with_text)
                cells.insert(cells.begin(), text_member(one, "secret"));
            table.add(std::move(cells));
        }
    return table.take();
}

std::string test_text(json_answer const& outcome) {
    auto const& o = outcome.value;
    auto const status = text_member(o, "status");
    text_block out;
    out.add("delivered", text_member(o, "delivered"))
        .add("event type", text_member(o, "event_type"))
        .add("delivery", text_member(o, "delivery_id"))
        .add("answer", status.empty() ? "none" : "HTTP " + status)
        .add_unless_empty("error", text_member(o, "error_class"))
        .add_unless_empty("because", text_member(o, "message"))
        .add("took", duration_member(o, "duration_ms"))
        .add("address", text_member(o, "remote_address"));
    auto text = out.take();
    auto const& request = member(o, "request");
    auto const request_text = member_of(outcome.text, "request");
    text += "request: POST " + terminal_safe(text_member(request, "url"), 4096) + "\n" +
            header_lines(member(request, "headers"), "  ") + body_lines(member_of(request_text, "body"), {}, "  ");
    auto const& response = member(o, "response");
    if (!response.is_object())
        return text;
    auto const response_text = member_of(outcome.text, "response");
    return text + "response:\n" + header_lines(member(response, "headers"), "  ") +
           body_lines(member_of(response_text, "body"), text_member(response, "body_encoding"), "  ");
}

} // namespace klen::webhooks::app
