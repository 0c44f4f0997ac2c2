#include "request_guard.hpp"

#include <algorithm>
#include <array>
#include <charconv>

namespace klen::webhooks::api {

namespace {

bool is_control(char c) {
    auto const u = static_cast<unsigned char>(c);
    return (u < 0x20 && u != '\t') || u == 0x7f;
}

std::string_view trim(std::string_view text) {
    while (!text.empty() && (text.front() == ' ' || text.front() == '\t'))
        text.remove_prefix(1);
    while (!text.empty() && (text.back() == ' ' || text.back() == '\t'))
        text.remove_suffix(1);
    return text;
}

/// Is `token` an element of the comma-separated list?
bool has_token(std::string_view list, std::string_view token) {
    while (!list.empty()) {
        auto const comma = std::min(list.find(','), list.size());
        if (equals_ignoring_case(trim(list.substr(0, comma)), token))
            return true;
        list.remove_prefix(std::min(comma + 1, list.size()));
    }
    return false;
}

std::optional<std::string_view> refuse_line(std::string_view line, bool first) {
    if (std::ranges::any_of(line, is_control))
        return line.find('\r') != std::string_view::npos ? "a bare carriage return in the head"
                                                         : "a control character in the head";
    if (first)
        return std::nullopt;
    if (line.front() == ' ' || line.front() == '\t')
        return "a folded header line (obs-fold)";
    auto const colon = line.find(':');
    if (colon == std::string_view::npos)
        return "a header line without a colon";
    if (colon == 0)
        return "a header line without a name";
    if (line[colon - 1] == ' ' || line[colon - 1] == '\t')
        return "white space before the colon of a header line";
    return std::nullopt;
}

/// Two of these could be read as either one.
constexpr std::array<std::string_view, 8> single_fields = {"Host",         "Content-Length", "Transfer-Encoding",
                                                           "Content-Type", "Authorization",  "X-API-Key",
                                                           "Expect",       "Idempotency-Key"};
constexpr std::array<std::string_view, 8> repeated_messages = {
    "more than one Host field",         "more than one Content-Length field", "more than one Transfer-Encoding field",
    "more than one Content-Type field", "more than one Authorization field",  "more than one X-API-Key field",
    "more than one Expect field",       "more than one Idempotency-Key field"};

/// Counts all of `single_fields` in one pass.
std::optional<std::string_view> refuse_repeated(request_head const& head) {
    std::array<bool, single_fields.size()> seen{};
    for (auto const& field : head.fields) {
        for (std::size_t i = 0; i < single_fields.size(); ++i) {
            if (!equals_ignoring_case(field.name, single_fields[i]))
                continue;
            if (seen[i])
                return repeated_messages[i];
            seen[i] = true;
        }
    }
    return std::nullopt;
}

/// reg-name, IPv4 or [IPv6], and a port: what a Host field may be made of.
bool is_host(std::string_view host) {
    constexpr std::string_view allowed = "-._~%!$&'()*+;=:[]";
    return std::ranges::all_of(host, [&](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               allowed.find(c) != std::string_view::npos;
    });
}

std::optional<std::string_view> refuse_host(request_head const& head) {
    auto const host = head.find("Host");
    if (!host)
        return head.version == 11 ? std::optional<std::string_view>("a Host field is missing") : std::nullopt;
    if (!is_host(*host))
        return "the Host field is malformed";
    return std::nullopt;
}

std::optional<std::string_view> read_length(std::string_view text, std::uint64_t& out) {
    bool const digits = std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
    if (text.empty() || !digits)
        return "Content-Length is not a number";
    // RFC 9110 §8.6: large ones are to be expected. 18 digits are more than any limit and less than an overflow: the
    // body is too large, whatever the rest says.
    constexpr std::size_t digits_max = 18;
    text.remove_prefix(std::min(text.find_first_not_of('0'), text.size() - 1));
    if (text.size() > digits_max)
        out = content_length_max;
    else
        std::from_chars(text.data(), text.data() + text.size(), out);
    return std::nullopt;
}

std::optional<std::string_view> read_body_framing(request_head const& head, framing& out) {
    auto const encoding = head.find("Transfer-Encoding");
    auto const length = head.find("Content-Length");
    if (encoding) {
        if (length)
            return "Transfer-Encoding together with Content-Length";
        if (head.version == 10)
            return "Transfer-Encoding in an HTTP/1.0 request";
        if (!equals_ignoring_case(*encoding, "chunked"))
            return "Transfer-Encoding other than chunked";
        out.chunked = true;
    }
    return length ? read_length(*length, out.content_length) : std::nullopt;
}

bool keeps_alive(request_head const& head) {
    bool asked_to_keep = false;
    for (auto const& field : head.fields) {
        if (!equals_ignoring_case(field.name, "Connection"))
            continue;
        if (has_token(field.value, "close"))
            return false;
        asked_to_keep = asked_to_keep || has_token(field.value, "keep-alive");
    }
    return head.version == 11 || asked_to_keep;
}

} // namespace

std::optional<std::string_view> refuse_raw_head(std::string_view head) {
    bool first = true;
    while (true) {
        auto const end = head.find('\n');
        if (end == std::string_view::npos)
            return "the head is not complete";
        if (end == 0 || head[end - 1] != '\r')
            return "a bare line feed in the head";
        auto const line = head.substr(0, end - 1);
        head.remove_prefix(end + 1);
        if (line.empty())
            return head.empty() ? std::nullopt : std::optional<std::string_view>("more than one head");
        if (auto why = refuse_line(line, first))
            return why;
        first = false;
    }
}

std::variant<framing, std::string_view> judge_framing(request_head const& head) {
    if (auto why = refuse_repeated(head))
        return *why;
    if (auto why = refuse_host(head))
        return *why;
    framing out;
    if (auto why = read_body_framing(head, out))
        return *why;
    out.keep_alive = keeps_alive(head);
    if (auto const expectation = head.find("Expect"); expectation && head.version == 11) {
        out.expects_continue = equals_ignoring_case(*expectation, "100-continue");
        out.unknown_expectation = !out.expects_continue;
    }
    return out;
}

} // namespace klen::webhooks::api
