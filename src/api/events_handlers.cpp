#include "cursor.hpp"
#include "delivery_filters.hpp"
#include "delivery_json.hpp"
#include "errors.hpp"
#include "request_scope.hpp"
#include "routes.hpp"

namespace klen::webhooks::api {

namespace {

constexpr std::string_view no_such_event = "no such event in this account";

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
    return server_error("an event could not be stored: " + no.cause);
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

/// Whose word it is that all events of a call are of one account.
enum class named_by { key, query };

response answer_of(intake::publish_answer const& answer, named_by account) {
    if (auto const* receipt = std::get_if<store::publish_receipt>(&answer)) {
        auto out = accepted(receipt->id);
        if (receipt->repeated)
            out.headers.emplace_back("Idempotency-Replayed", "true");
        return out;
    }
    auto const& no = std::get<intake::refusal>(answer);
    // A platform key has no account of its own that an event could miss.
    if (no.why == refusal_kind::forbidden && account == named_by::query)
        return validation_error("account_id: the query and the event name different accounts");
    return refusal_response(no);
}

/// {"results":[{"status":202,"id":"…"},{"status":400,"error":"…","message":"…"},…]}: each item's own answer with its
/// status in front, and `"replayed":true` where the event was published before. The whole is a 202 when at least one
/// item was accepted. Otherwise it is the first 429 or 5xx among them (then a repeat of the whole batch may succeed),
/// or else 400.
response batch_response(std::vector<intake::publish_answer> const& answers, named_by account) {
    response out;
    out.status = 400;
    out.body = R"({"results":[)";
    bool any_accepted = false;
    for (auto const& answer : answers) {
        auto item = answer_of(answer, account);
        out.body += out.body.back() == '[' ? "" : ",";
        out.body.append(R"({"status":)").append(std::to_string(item.status)).append(",");
        if (auto const* receipt = std::get_if<store::publish_receipt>(&answer); receipt && receipt->repeated)
            out.body += R"("replayed":true,)";
        out.body.append(item.body, 1);
        any_accepted = any_accepted || item.status == 202;
        if (out.status == 400 && (item.status == 429 || item.status >= 500)) {
            out.status = item.status;
            out.headers = std::move(item.headers);
        }
        if (out.cause.empty())
            out.cause = std::move(item.cause);
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

/// A header can name one event only.
std::optional<response> refuse_key_of_batch(request const& what) {
    if (!what.idempotency_key || !is_array(what.body))
        return std::nullopt;
    return validation_error("Idempotency-Key: is for one event; in a batch each event has its own \"id\"");
}

task<response> publish_events(services const* with, request what, caller who) {
    if (auto no = refuse_key_of_batch(what))
        co_return std::move(*no);
    // A platform key may name the account in the query, for all events of the call.
    auto const account_named_by = who.account_id ? named_by::key : named_by::query;
    if (what.query_value("account_id")) {
        auto account = account_of(what, who);
        if (auto* no = std::get_if<response>(&account))
            co_return std::move(*no);
        who.account_id = std::move(std::get<std::string>(account));
    }
    intake::publisher publisher{std::move(who.account_id)};
    if (!is_array(what.body)) {
        auto const answer =
            co_await with->events->publish(std::move(publisher), std::move(what.body), std::move(what.idempotency_key));
        co_return answer_of(answer, account_named_by);
    }
    std::size_t const items_max = with->settings->server.batch_events_max;
    auto const answers = co_await with->events->publish_batch(std::move(publisher), std::move(what.body), items_max);
    if (auto const* no = std::get_if<intake::refusal>(&answers))
        co_return refusal_response(*no);
    co_return batch_response(std::get<std::vector<intake::publish_answer>>(answers), account_named_by);
}

/// With its attempts: all but what was sent and what the receiver said, which the delivery itself shows.
void write_delivery_of_event(json_writer& out, store::delivery_row const& delivery) {
    out.begin_object();
    write_delivery_members(out, delivery);
    out.key("attempts").begin_array();
    for (auto const& attempt : delivery.attempts) {
        out.begin_object();
        write_attempt_summary_members(out, attempt);
        out.member("next_attempt_at", attempt.next_attempt_at).member_or_null("remote_address", attempt.remote_address);
        out.end_object();
    }
    out.end_array().end_object();
}

response event_response(store::event_details const& found, std::uint32_t limit) {
    auto const& deliveries = found.event.deliveries;
    json_writer out;
    out.begin_object();
    write_event_members(out, found.event, true);
    out.member("limit", limit);
    out.member("next_cursor", found.more ? std::optional(cursor_after(deliveries.back().id.value)) : std::nullopt);
    out.key("deliveries").begin_array();
    for (auto const& delivery : deliveries)
        write_delivery_of_event(out, delivery);
    out.end_array().end_object();
    return {.status = 200, .body = out.take(), .headers = {}};
}

task<response> show_event(services const* with, request what, caller who) {
    auto place = owned_of<event_id>(what, who, no_such_event);
    if (auto* no = std::get_if<response>(&place))
        co_return std::move(*no);
    auto slice = slice_of_request(what);
    if (auto* no = std::get_if<response>(&slice))
        co_return std::move(*no);
    auto const& wanted = std::get<slice_request>(slice);
    store::event_deliveries_filter filter;
    if (wanted.after)
        filter.after = delivery_id{*wanted.after};
    filter.limit = wanted.limit;
    auto& which = std::get<owned<event_id>>(place);
    auto const found = co_await with->history->show_event(std::move(which.account_id), which.id, filter);
    co_return found ? event_response(*found, filter.limit) : failure_response(found.error(), no_such_event);
}

task<response> list_events(services const* with, request what, caller who) {
    auto account = account_of(what, who);
    if (auto* no = std::get_if<response>(&account))
        co_return std::move(*no);
    auto wanted = event_filter_of(what);
    if (auto* no = std::get_if<response>(&wanted))
        co_return std::move(*no);
    auto filter = std::get<store::event_filter>(std::move(wanted));
    auto const limit = filter.limit;
    auto const found =
        co_await with->history->list_events(std::get<std::string>(std::move(account)), std::move(filter));
    if (!found)
        co_return failure_response(found.error());

    json_writer out;
    out.begin_object().member("limit", limit);
    write_next_cursor(out, *found);
    out.key("events").begin_array();
    for (auto const& event : found->items) {
        out.begin_object();
        write_event_members(out, event, false);
        out.end_object();
    }
    out.end_array().end_object();
    co_return response{.status = 200, .body = out.take(), .headers = {}};
}

task<response> list_deliveries_of_event(services const* with, request what, caller who) {
    auto place = owned_of<event_id>(what, who, no_such_event);
    if (auto* no = std::get_if<response>(&place))
        co_return std::move(*no);
    auto wanted = delivery_filter_of(what);
    if (auto* no = std::get_if<response>(&wanted))
        co_return std::move(*no);
    auto& which = std::get<owned<event_id>>(place);
    auto filter = std::get<store::delivery_filter>(std::move(wanted));
    auto const limit = filter.limit;
    auto const found =
        co_await with->history->event_deliveries(std::move(which.account_id), which.id, std::move(filter));
    if (!found)
        co_return failure_response(found.error(), no_such_event);

    json_writer out;
    out.begin_object().member("limit", limit);
    write_next_cursor(out, *found);
    out.key("deliveries").begin_array();
    for (auto const& delivery : found->items)
        write_delivery(out, delivery);
    out.end_array().end_object();
    co_return response{.status = 200, .body = out.take(), .headers = {}};
}

} // namespace

void add_event_routes(std::vector<route>& out, services_ptr const& with) {
    out.push_back(make_route(with, method::post, "/api/v1/events", "publish", publish_events,
                             {.frequent = true, .body = body_size::events}));
    out.push_back(make_route(with, method::get, "/api/v1/events", "read", list_events,
                             {.query = {"cursor", "limit", "page", "event_type", "since", "until"}}));
    out.push_back(make_route(with, method::get, "/api/v1/events/{id}", "read", show_event,
                             {.query = {"cursor", "limit", "page"}}));
    out.push_back(
        make_route(with, method::get, "/api/v1/events/{id}/deliveries", "read", list_deliveries_of_event,
                   {.query = {"cursor", "limit", "page", "status", "event_type", "error_class", "since", "until"}}));
}

} // namespace klen::webhooks::api
