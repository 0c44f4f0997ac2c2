#include "errors.hpp"
#include "json_writer.hpp"
#include "request_scope.hpp"
#include "routes.hpp"

namespace klen::webhooks::api {

namespace {

using refusal_kind = intake::refusal::kind;

response refusal_response(intake::refusal const& no) {
    switch (no.why) {
    case refusal_kind::invalid:
        return validation_error(no.message);
    case refusal_kind::too_large:
        return payload_too_large(no.message);
    case refusal_kind::forbidden:
        return permission_denied(no.message);
    case refusal_kind::conflict:
        return error_response(409, "conflict", no.message);
    case refusal_kind::overloaded:
        return rate_limit_exceeded(no.message);
    case refusal_kind::unavailable:
    case refusal_kind::shutting_down:
        return unavailable(no.message);
    case refusal_kind::failed:
        break;
    }
    return server_error();
}

/// The hot path: appended by hand.
response accepted(event_id id) {
    response out;
    out.status = 202;
    out.body.reserve(48);
    out.body = R"({"id":")";
    out.body.resize(7 + 36);
    id.value.put_text(out.body.data() + 7);
    out.body += "\"}";
    return out;
}

response answer_of(intake::publish_answer const& answer) {
    if (auto const* receipt = std::get_if<store::publish_receipt>(&answer))
        return accepted(receipt->id);
    return refusal_response(std::get<intake::refusal>(answer));
}

/// {"results":[{"status":202,"id":"…"},{"status":400,"error":"…","message":"…"},…]}: each item's own answer with its
/// status in front. The whole is a 202 when at least one item was accepted. Otherwise it is the first 429 or 5xx among
/// them (then a repeat of the whole batch may succeed), or else 400.
response batch_response(std::vector<intake::publish_answer> const& answers) {
    response out;
    out.status = 400;
    out.body = R"({"results":[)";
    bool any_accepted = false;
    for (auto const& answer : answers) {
        auto item = answer_of(answer);
        out.body += out.body.back() == '[' ? "" : ",";
        out.body.append(R"({"status":)").append(std::to_string(item.status)).append(",").append(item.body, 1);
        any_accepted = any_accepted || item.status == 202;
        if (out.status == 400 && (item.status == 429 || item.status >= 500)) {
            out.status = item.status;
            out.headers = std::move(item.headers);
        }
    }
    out.body += "]}";
    if (any_accepted) {
        out.status = 202;
        out.headers.clear();
    }
    return out;
}

bool is_array(std::string_view json) {
    auto const first = json.find_first_not_of(" \t\r\n");
    return first != std::string_view::npos && json[first] == '[';
}

task<response> publish_events(services const* with, request what, caller who) {
    // A platform key may name the account in the query, for all events of the call.
    if (what.query_value("account_id")) {
        auto account = account_of(what, who);
        if (auto* no = std::get_if<response>(&account))
            co_return std::move(*no);
        who.account_id = std::move(std::get<std::string>(account));
    }
    intake::publisher publisher{std::move(who.account_id)};
    if (!is_array(what.body)) {
        auto const answer = co_await with->events->publish(std::move(publisher), std::move(what.body));
        co_return answer_of(answer);
    }
    std::size_t const items_max = with->settings->server.batch_events_max;
    auto const answers = co_await with->events->publish_batch(std::move(publisher), std::move(what.body), items_max);
    if (auto const* no = std::get_if<intake::refusal>(&answers))
        co_return refusal_response(*no);
    co_return batch_response(std::get<std::vector<intake::publish_answer>>(answers));
}

void write_attempt(json_writer& out, store::attempt_row const& a) {
    out.begin_object()
        .member("attempt", a.attempt)
        .member("started_at", a.started_at)
        .member("duration_ms", std::chrono::duration_cast<milliseconds>(a.duration).count())
        .member("decision", policy::to_string(a.decision))
        .member("status", a.status == 0 ? std::nullopt : std::optional(a.status))
        .member_or_null("error_class", a.error == policy::error_class::none ? "" : policy::to_string(a.error))
        .member_or_null("message", a.message)
        .member_or_null("remote_address", a.remote_address)
        .end_object();
}

void write_delivery(json_writer& out, store::delivery_row const& d) {
    out.begin_object()
        .member("id", d.id.text())
        .member("webhook_id", d.webhook.text())
        .member("status", store::to_string(d.status))
        .member("attempts_made", d.attempts_made)
        .member("next_attempt_at", d.next_attempt_at);
    out.key("attempts").begin_array();
    for (auto const& a : d.attempts)
        write_attempt(out, a);
    out.end_array().end_object();
}

response event_response(store::event_row const& e) {
    json_writer out;
    out.begin_object()
        .member("id", e.id.text())
        .member("account_id", e.account_id)
        .member("event_type", e.event_type)
        .member("accepted_at", e.accepted_at);
    out.key("body").raw(e.body); // it is JSON already, with its digits
    out.key("deliveries").begin_array();
    for (auto const& d : e.deliveries)
        write_delivery(out, d);
    out.end_array().end_object();
    return {.status = 200, .body = out.take(), .headers = {}};
}

task<response> show_event(services const* with, request what, caller who) {
    auto account = account_of(what, who);
    if (auto* no = std::get_if<response>(&account))
        co_return std::move(*no);
    auto const id = id_of<event_id>(what);
    if (!id)
        co_return not_found("no such event in this account");
    auto const found = co_await with->store->show_event(std::get<std::string>(std::move(account)), *id);
    if (!found && found.error().kind == fault::not_found)
        co_return not_found("no such event in this account");
    co_return found ? event_response(*found) : failure_response(found.error());
}

} // namespace

void add_event_routes(std::vector<route>& out, services_ptr const& with) {
    out.push_back(make_route(with, method::post, "/api/v1/events", "publish", publish_events));
    out.push_back(make_route(with, method::get, "/api/v1/events/{id}", "read", show_event));
}

} // namespace klen::webhooks::api
