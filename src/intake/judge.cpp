#include "klen/webhooks/event/event_types.hpp"
#include "klen/webhooks/intake/intake.hpp"
#include "klen/webhooks/signing/api_key.hpp"

#include "field_rules.hpp"

namespace klen::webhooks::intake {

namespace {

using kind = refusal::kind;

refusal refuse(kind why, std::string_view field, std::string_view what) {
    std::string message(field);
    message.append(field.empty() ? "" : ": ").append(what);
    return {why, std::move(message)};
}

std::optional<refusal> judge_account(publisher const& who, event::publish_request& request) {
    if (!request.account_id) {
        if (!who.account_id)
            return refuse(kind::invalid, "account_id", "is missing: a platform key must say whose event this is");
        request.account_id = who.account_id;
    }
    if (!is_account_id(*request.account_id))
        return refuse(kind::invalid, "account_id", account_id_rule);
    if (who.account_id && *who.account_id != *request.account_id)
        return refuse(kind::forbidden, "account_id", "this key publishes for its own account only");
    return std::nullopt;
}

std::optional<refusal> judge_type(publisher const& who, std::optional<std::string> const& type,
                                  event_catalogue const& catalogue, bool allow_unknown) {
    if (!type)
        return refuse(kind::invalid, "event_type", "is missing");
    if (!event::is_event_type(*type))
        return refuse(kind::invalid, "event_type",
                      "must be two or more parts of a-z 0-9 _ joined by dots, such as call.ended");
    // Whoever could publish these could forge what the service says of itself.
    if (*type == event::test_event_type)
        return refuse(kind::invalid, "event_type", "webhook.test is sent by the test call only");
    if (event::is_operational_type(*type)) {
        if (who.is_service)
            return std::nullopt;
        return refuse(kind::invalid, "event_type", *type + " is published by the service itself only");
    }
    if (!allow_unknown && !catalogue.knows(*type))
        return refuse(kind::invalid, "event_type",
                      "\"" + *type + "\" is not in the catalogue: GET /api/v1/event-types lists what is");
    return std::nullopt;
}

/// `default_id`: what the request says beside its JSON.
std::optional<refusal> judge_id(event::publish_request& request, std::optional<std::string> const& default_id) {
    if (request.id && default_id && *request.id != *default_id)
        return refuse(kind::invalid, "id",
                      "differs from the Idempotency-Key header: give one of the two, or the same in both");
    if (!request.id)
        request.id = default_id;
    if (request.id && !is_idempotency_key(*request.id))
        return refuse(kind::invalid, "id", "must be 1 to 256 characters without control characters");
    return std::nullopt;
}

std::optional<refusal> judge_optional_members(event::publish_request const& request) {
    if (request.timestamp && !is_rfc3339(*request.timestamp))
        return refuse(kind::invalid, "timestamp", "must be an RFC 3339 time, such as 2026-03-02T09:18:41.903Z");
    if (request.traceparent && !is_traceparent(*request.traceparent))
        return refuse(kind::invalid, "traceparent",
                      "must be a W3C traceparent of version 00 in lower case: 00-<32 hex>-<16 hex>-<2 hex>");
    return std::nullopt;
}

std::optional<refusal> judge_payload(std::string const& payload, std::uint32_t bytes_max) {
    if (payload.empty())
        return refuse(kind::invalid, "payload", "is missing: it must be an object");
    if (payload.size() > bytes_max)
        return refuse(kind::too_large, "payload",
                      "has " + std::to_string(payload.size()) + " bytes, the limit is " + std::to_string(bytes_max));
    return std::nullopt;
}

void append_with_length(std::string& out, std::string_view part) {
    auto size = static_cast<std::uint64_t>(part.size());
    for (int i = 0; i < 8; ++i, size >>= 8)
        out.push_back(static_cast<char>(size & 0xff));
    out.append(part);
}

/// What was published, not what was made of it: a time that we filled in would make each repeat another content.
std::array<std::uint8_t, 32> hash_content(event::publish_request const& request) {
    std::string whole;
    whole.reserve(request.payload.size() + 256);
    append_with_length(whole, *request.account_id);
    append_with_length(whole, *request.event_type);
    append_with_length(whole, request.payload);
    append_with_length(whole, request.timestamp ? std::string_view(*request.timestamp) : std::string_view());
    return signing::sha256(whole);
}

store::new_event make_event(event::publish_request request) {
    store::new_event out;
    if (request.id) // without one nothing is ever compared
        out.content_hash = hash_content(request);
    auto made = std::make_shared<accepted_event>();
    made->id = make_id<event_id>();
    auto const timestamp = request.timestamp ? *std::move(request.timestamp) : rfc3339_ms(system_clock().wall());
    made->body = event::make_body(*request.event_type, request.payload, timestamp);
    made->account_id = *std::move(request.account_id);
    made->event_type = *std::move(request.event_type);
    made->traceparent = std::move(request.traceparent).value_or("");
    out.event = std::move(made);
    out.idempotency_key = std::move(request.id);
    return out;
}

} // namespace

std::variant<store::new_event, refusal> intake::judge(publisher const& who, std::string_view json,
                                                      std::optional<std::string> const& default_id) const {
    auto parsed = event::parse_publish_request(json, {.depth_max = config_.json_depth_max});
    if (auto const* broken = std::get_if<event::json_error>(&parsed))
        return refuse(kind::invalid, "", broken->text());
    if (auto const* wrong = std::get_if<event::field_error>(&parsed))
        return refuse(kind::invalid, wrong->field, wrong->what);
    auto& request = std::get<event::publish_request>(parsed);
    if (auto no = judge_account(who, request))
        return *std::move(no);
    if (auto no = judge_type(who, request.event_type, catalogue_, config_.allow_unknown_event_types))
        return *std::move(no);
    if (auto no = judge_id(request, default_id))
        return *std::move(no);
    if (auto no = judge_optional_members(request))
        return *std::move(no);
    if (auto no = judge_payload(request.payload, config_.payload_bytes_max))
        return *std::move(no);
    return make_event(std::move(request));
}

} // namespace klen::webhooks::intake
