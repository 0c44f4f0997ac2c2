#include "app/publish_text.hpp"

#include "app/json_text.hpp"
#include "klen/webhooks/event/event_types.hpp"
#include "klen/webhooks/event/json_body.hpp"

#include <optional>

namespace klen::webhooks::app {

namespace {

constexpr std::uint32_t depth_max = 1000; // as intake.json_depth_max may be
constexpr std::size_t items_max = 1'000'000;

std::string composed(event::publish_request const& r) {
    std::string out = "{";
    auto const text = [&out](std::string_view name, std::optional<std::string> const& value) {
        if (!value)
            return;
        out += (out.size() > 1 ? "," : "") + json_quoted(name) + ":" + json_quoted(*value);
    };
    text("id", r.id);
    text("account_id", r.account_id);
    text("event_type", r.event_type);
    if (!r.payload.empty())
        out += std::string(out.size() > 1 ? "," : "") + R"("payload":)" + r.payload;
    text("timestamp", r.timestamp);
    text("traceparent", r.traceparent);
    return out + "}";
}

bool is_array(std::string_view text) {
    auto const first = text.find_first_not_of(" \t\r\n");
    return first != std::string_view::npos && text[first] == '[';
}

/// One event of an array with its account.
std::string with_account(std::string_view item, publish_fields const& fields) {
    auto parsed = event::parse_publish_request(item, {depth_max});
    auto* const request = std::get_if<event::publish_request>(&parsed);
    if (request == nullptr || (fields.account.empty() && request->account_id))
        return std::string(item);
    request->account_id = fields.account.empty() ? fields.default_account : fields.account;
    return composed(*request);
}

result<std::string> array_filled_in(std::string_view text, publish_fields const& fields) {
    if (!fields.type.empty() || !fields.id.empty())
        return failure{fault::invalid_argument,
                       "--type and --id fit a single event: write them into the array's items"};
    auto const split = event::split_array(text, items_max);
    auto const* const found = std::get_if<event::json_items>(&split);
    if (found == nullptr)
        return std::string(text); // what the daemon will refuse
    std::string out = "[";
    for (auto const item : found->items)
        out.append(out.size() > 1 ? "," : "").append(with_account(item, fields));
    return out + "]";
}

} // namespace

result<std::string> filled_in(std::string_view text, publish_fields const& fields) {
    bool const nothing_asked = fields.type.empty() && fields.account.empty() && fields.id.empty();
    if (nothing_asked && fields.default_account.empty())
        return std::string(text);
    if (is_array(text))
        return array_filled_in(text, fields);
    auto parsed = event::parse_publish_request(text, {depth_max});
    if (nothing_asked && !std::holds_alternative<event::publish_request>(parsed))
        return std::string(text); // what the daemon will refuse
    if (auto const* broken = std::get_if<event::json_error>(&parsed))
        return failure{fault::invalid_argument, "the event is not as it must be: " + broken->text()};
    if (auto const* wrong = std::get_if<event::field_error>(&parsed))
        return failure{fault::invalid_argument, wrong->field + ": " + wrong->what};
    auto& request = std::get<event::publish_request>(parsed);
    if (!fields.type.empty())
        request.event_type = fields.type;
    if (!fields.account.empty())
        request.account_id = fields.account;
    else if (!request.account_id && !fields.default_account.empty())
        request.account_id = fields.default_account;
    else if (nothing_asked)
        return std::string(text);
    if (!fields.id.empty())
        request.id = fields.id;
    return composed(request);
}

result<std::string> sample_of(publish_fields const& fields) {
    std::string known;
    for (auto const& entry : event::built_in_event_types()) {
        if (entry.event_type == fields.type)
            return filled_in(entry.sample, fields);
        known += (known.empty() ? "" : ", ") + entry.event_type;
    }
    return failure{fault::invalid_argument,
                   "--sample: there is no built-in sample of \"" + fields.type + "\"; there is one of " + known};
}

result<std::string> all_samples(std::string_view account) {
    std::string out;
    for (auto const& entry : event::built_in_event_types()) {
        auto one = filled_in(entry.sample, {{}, std::string(account), {}});
        if (one.has_error())
            return one.error();
        out += (out.empty() ? "" : ",") + *one;
    }
    return "[" + out + "]";
}

} // namespace klen::webhooks::app
