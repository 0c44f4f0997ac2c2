#include "delivery_json.hpp"
#include "errors.hpp"
#include "event_samples.hpp"
#include "json_input.hpp"
#include "request_scope.hpp"
#include "routes.hpp"
#include "webhook_answers.hpp"

#include "klen/webhooks/event/event_types.hpp"
#include "klen/webhooks/event/json_body.hpp"

#include <algorithm>

namespace klen::webhooks::api {

namespace {

using owned_webhook = owned<webhook_id>;

/// {"event_type":…} or nothing.
std::variant<std::string, response> read_event_type(std::string_view body) {
    auto parsed = parse_optional_object(body);
    if (auto* broken = std::get_if<std::string>(&parsed))
        return validation_error(*broken);
    problem_list problems;
    object_reader in(std::get<parsed_object>(parsed).members, problems);
    auto given = in.text("event_type", {.characters_min = 1, .characters_max = 128});
    in.refuse_others();
    if (given && !event::is_event_type(*given))
        problems.add("event_type", "must be an event type, such as call.ended");
    if (!problems.empty())
        return validation_error(problems.text());
    return given ? std::move(*given) : std::string(event::test_event_type);
}

/// The payload that a test of this type sends.
task<std::variant<std::string, response>> payload_for(services const* with, std::string event_type,
                                                      std::string account_id) {
    if (auto const own = event::sample_of(event_type))
        co_return std::string(*own);
    auto const known = co_await with->store->event_types(std::move(account_id));
    if (!known)
        co_return failure_response(known.error());
    auto const found = std::ranges::find(*known, event_type, &store::event_type_row::event_type);
    if (found == known->end() && !with->catalogue->knows(event_type))
        co_return validation_error("event_type: is not in the catalogue; GET /api/v1/event-types lists it");
    auto payload = found == known->end() ? std::string() : payload_of_sample(found->sample);
    if (payload.empty())
        co_return validation_error("event_type: has no sample to send; give it one, or choose another type");
    co_return payload;
}

accepted_event made_event(std::string account_id, std::string event_type, std::string_view payload) {
    accepted_event out;
    out.id = make_id<event_id>();
    out.account_id = std::move(account_id);
    out.body = event::make_body(event_type, payload, rfc3339_ms(system_clock().wall()));
    out.event_type = std::move(event_type);
    return out;
}

response outcome_response(dispatch::test_request const& sent, dispatch::test_outcome const& outcome) {
    auto const& r = outcome.result;
    json_writer out;
    out.begin_object()
        .member("delivered", r.succeeded())
        .member("event_type", sent.event.event_type)
        .member("delivery_id", outcome.id.text())
        .member("status", r.status == 0 ? std::nullopt : std::optional(r.status))
        .member_or_null("error_class", r.succeeded() ? "" : policy::to_string(r.error))
        .member_or_null("message", r.message)
        .member("duration_ms", std::chrono::duration_cast<milliseconds>(r.duration).count())
        .member_or_null("remote_address", r.remote_address);
    out.key("request").begin_object().member("url", sent.to.url);
    write_header_lines(out, "headers", outcome.request_headers);
    out.member("body", sent.event.body).end_object();
    out.key("response");
    if (r.status == 0) {
        out.null();
    } else {
        out.begin_object();
        write_header_lines(out, "headers", r.response_headers);
        write_body_start(out, "body", r.response_body);
        out.end_object();
    }
    out.end_object();
    return {.status = 200, .body = out.take(), .headers = {}};
}

task<response> test_webhook(services const* with, request what, caller who) {
    auto named = owned_of<webhook_id>(what, who, no_such_webhook);
    if (auto* no = std::get_if<response>(&named))
        co_return std::move(*no);
    auto type = read_event_type(what.body);
    if (auto* no = std::get_if<response>(&type))
        co_return std::move(*no);
    auto const& event_type = std::get<std::string>(type);
    auto const [account, id] = std::get<owned_webhook>(std::move(named));
    auto payload = co_await payload_for(with, event_type, account);
    if (auto* no = std::get_if<response>(&payload))
        co_return std::move(*no);
    auto const webhook = co_await with->store->show_secrets(account, id);
    if (!webhook)
        co_return failure_response(webhook.error(), no_such_webhook);
    dispatch::test_request const sent{*webhook, made_event(account, event_type, std::get<std::string>(payload))};
    auto const outcome = co_await with->send_test(sent);
    if (!outcome)
        co_return errand_refused(outcome.error());
    // This machine's fault: that tells nothing about the receiver.
    if (outcome->result.error == policy::error_class::local_failure)
        co_return unavailable(outcome->result.message);
    co_return outcome_response(sent, *outcome);
}

} // namespace

void add_webhook_test_routes(std::vector<route>& out, services_ptr const& with) {
    out.push_back(make_route(with, method::post, "/api/v1/webhooks/{id}/test", "manage_webhooks", test_webhook,
                             {.creates = true}));
}

} // namespace klen::webhooks::api
