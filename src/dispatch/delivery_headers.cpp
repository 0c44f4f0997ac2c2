#include "klen/webhooks/dispatch/delivery_headers.hpp"

#include <algorithm>
#include <array>
#include <charconv>

namespace klen::webhooks::dispatch {

namespace {

constexpr std::array<std::string_view, 5> ours_after_prefix{"Signature", "Delivery-ID", "Event", "Timestamp",
                                                            "Attempt"};

/// Written by us or by the client, or about the connection instead of the message (RFC 9110 §7.6.1); and what would ask
/// for answers that nobody here unpacks.
constexpr std::array<std::string_view, 19> reserved{"user-agent",
                                                    "webhook-id",
                                                    "webhook-timestamp",
                                                    "webhook-signature",
                                                    "traceparent",
                                                    "tracestate",
                                                    "host",
                                                    "connection",
                                                    "keep-alive",
                                                    "proxy-connection",
                                                    "te",
                                                    "trailer",
                                                    "transfer-encoding",
                                                    "upgrade",
                                                    "expect",
                                                    "proxy-authenticate",
                                                    "proxy-authorization",
                                                    "accept-encoding",
                                                    "date"};
constexpr std::string_view reserved_prefix = "content-";

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

bool same_name(std::string_view a, std::string_view b) {
    return a.size() == b.size() &&
           std::equal(a.begin(), a.end(), b.begin(), [](char x, char y) { return lower(x) == lower(y); });
}

/// A line break or another control character in a name or value would begin a header of its own; such a header was
/// refused on create, and what all the same is in the database is not sent.
bool is_clean_value(std::string_view value) {
    return std::all_of(value.begin(), value.end(), [](char c) { return c >= ' ' && c < 0x7f; });
}

bool is_clean_name(std::string_view name) {
    auto const token = [](char c) { return c > ' ' && c < 0x7f && c != ':'; };
    return !name.empty() && std::all_of(name.begin(), name.end(), token);
}

void append_line(std::string& out, std::string_view name, std::string_view value) {
    out.append(name).append(": ").append(value).append("\r\n");
}

void append_number(std::string& out, std::string_view name, std::int64_t value) {
    std::array<char, 24> digits{};
    auto const done = std::to_chars(digits.data(), digits.data() + digits.size(), value);
    append_line(out, name, {digits.data(), static_cast<std::size_t>(done.ptr - digits.data())});
}

} // namespace

bool is_reserved_header(std::string_view name, std::string_view prefix) {
    for (auto const r : reserved)
        if (same_name(name, r))
            return true;
    if (same_name(name.substr(0, reserved_prefix.size()), reserved_prefix))
        return true;
    if (!same_name(name.substr(0, prefix.size()), prefix))
        return false;
    auto const rest = name.substr(prefix.size());
    return std::any_of(ours_after_prefix.begin(), ours_after_prefix.end(),
                       [rest](std::string_view ours) { return same_name(rest, ours); });
}

header_template::header_template(std::string_view prefix, std::string_view user_agent,
                                 std::span<std::pair<std::string, std::string> const> custom) {
    signature_name_ = std::string(prefix) + "Signature";
    delivery_name_ = std::string(prefix) + "Delivery-ID";
    event_name_ = std::string(prefix) + "Event";
    timestamp_name_ = std::string(prefix) + "Timestamp";
    attempt_name_ = std::string(prefix) + "Attempt";
    append_line(fixed_, "Content-Type", "application/json");
    append_line(fixed_, "User-Agent", user_agent);
    for (auto const& [name, value] : custom)
        if (!is_reserved_header(name, prefix) && is_clean_name(name) && is_clean_value(value))
            append_line(custom_, name, value);
}

void header_template::append(std::string& out, header_values const& values) const {
    constexpr std::size_t usual_size = 768;
    out.reserve(out.size() + usual_size + custom_.size());
    out.append(fixed_);
    append_line(out, signature_name_, values.signed_as->klen);
    append_line(out, delivery_name_, values.delivery_id);
    append_line(out, event_name_, values.event_type);
    append_number(out, timestamp_name_, values.unix_seconds);
    append_number(out, attempt_name_, values.attempt);
    append_line(out, "webhook-id", values.delivery_id);
    append_number(out, "webhook-timestamp", values.unix_seconds);
    append_line(out, "webhook-signature", values.signed_as->standard_webhooks);
    if (!values.traceparent.empty() && is_clean_value(values.traceparent))
        append_line(out, "traceparent", values.traceparent);
    out.append(custom_);
}

} // namespace klen::webhooks::dispatch
