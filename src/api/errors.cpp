#include "errors.hpp"

#include "klen/webhooks/event/json_body.hpp"

namespace klen::webhooks::api {

namespace {

response with_header(response out, std::string_view name, std::string_view value) {
    out.headers.emplace_back(name, value);
    return out;
}

/// Seconds after which a publisher may well succeed: a batch takes milliseconds, a database restart a few seconds.
constexpr std::string_view retry_soon = "1";

} // namespace

std::optional<std::string_view> request::query_value(std::string_view name) const {
    for (auto const& [known, value] : query)
        if (known == name)
            return value;
    return std::nullopt;
}

response error_response(int status, std::string_view code, std::string_view message) {
    response out;
    out.status = status;
    out.body = R"({"error":)";
    event::append_json_string(out.body, code);
    out.body += R"(,"message":)";
    event::append_json_string(out.body, message);
    out.body += '}';
    return out;
}

response validation_error(std::string_view message) { return error_response(400, "validation_error", message); }

response authentication_required(std::string_view message) {
    return with_header(error_response(401, "authentication_required", message), "WWW-Authenticate", "Bearer");
}

response invalid_key() {
    return with_header(error_response(401, "invalid_key", "this key does not exist or was revoked"), "WWW-Authenticate",
                       R"(Bearer error="invalid_token")");
}

response permission_denied(std::string_view message) { return error_response(403, "permission_denied", message); }

response not_found(std::string_view message) { return error_response(404, "not_found", message); }

response method_not_allowed(std::string_view allow, std::string_view hint) {
    auto const message = "this path takes " + std::string(allow) + (hint.empty() ? "" : ": ") + std::string(hint);
    return with_header(error_response(405, "method_not_allowed", message), "Allow", allow);
}

response payload_too_large(std::string_view message) { return error_response(413, "payload_too_large", message); }

response unsupported_media_type(std::string_view message) {
    return error_response(415, "unsupported_media_type", message);
}

response rate_limit_exceeded(std::string_view message) {
    return with_header(error_response(429, "rate_limit_exceeded", message), "Retry-After", retry_soon);
}

response server_error(std::string cause) {
    auto out = error_response(500, "server_error", "an error on our side; the request id finds it in the log");
    out.cause = std::move(cause);
    return out;
}

response unavailable(std::string_view message) {
    return with_header(error_response(503, "unavailable", message), "Retry-After", retry_soon);
}

response failure_response(failure const& f) {
    switch (f.kind) {
    case fault::invalid_argument:
        return validation_error(f.message);
    case fault::not_found:
        return not_found("no such thing in this account");
    case fault::conflict:
        return error_response(409, "conflict", f.message);
    case fault::too_large:
        return payload_too_large(f.message);
    case fault::overloaded:
        return rate_limit_exceeded("too much at once: try again in a moment");
    case fault::over_limit:
        return rate_limit_exceeded(f.message);
    case fault::connection_lost:
    case fault::database_busy:
        return unavailable("the database cannot be reached now: try again in a moment");
    case fault::unanswered:
        return unavailable(
            "the database has not answered in time; a call that changes something may still take effect: "
            "look before you repeat it, or repeat it with the same Idempotency-Key");
    case fault::shutting_down:
        return unavailable("this instance is shutting down: try again");
    default:
        break;
    }
    return server_error("the store failed (" + std::string(to_string(f.kind)) + "): " + f.message);
}

response failure_response(failure const& f, std::string_view no_such_thing) {
    return f.kind == fault::not_found ? not_found(no_such_thing) : failure_response(f);
}

response errand_refused(failure const& f) {
    return f.kind == fault::overloaded ? unavailable(f.message) : failure_response(f);
}

} // namespace klen::webhooks::api
