#include "cursor.hpp"
#include "delivery_filters.hpp"
#include "delivery_json.hpp"
#include "errors.hpp"
#include "request_scope.hpp"
#include "routes.hpp"
#include "webhook_answers.hpp"

#include "klen/webhooks/base/log.hpp"

namespace klen::webhooks::api {

namespace {

constexpr std::string_view no_such_delivery = "no such delivery in this account";

response delivery_response(int status, store::delivery_row const& delivery) {
    json_writer out;
    write_delivery(out, delivery);
    return {.status = status, .body = out.take(), .headers = {}};
}

task<response> list_deliveries(services const* with, request what, caller who) {
    auto place = owned_of<webhook_id>(what, who, no_such_webhook);
    if (auto* no = std::get_if<response>(&place))
        co_return std::move(*no);
    auto wanted = delivery_filter_of(what);
    if (auto* no = std::get_if<response>(&wanted))
        co_return std::move(*no);
    auto& webhook = std::get<owned<webhook_id>>(place);
    auto filter = std::get<store::delivery_filter>(std::move(wanted));
    auto const limit = filter.limit;
    auto const found =
        co_await with->history->list_deliveries(std::move(webhook.account_id), webhook.id, std::move(filter));
    if (!found)
        co_return failure_response(found.error(), no_such_webhook);

    json_writer out;
    out.begin_object().member("limit", limit);
    write_next_cursor(out, *found);
    out.key("deliveries").begin_array();
    for (auto const& delivery : found->items)
        write_delivery(out, delivery);
    out.end_array().end_object();
    co_return response{.status = 200, .body = out.take(), .headers = {}};
}

/// The header lines that an attempt was sent with; none when it sent nothing, or they are not known any more.
std::optional<std::string> request_headers_of(services const& with, store::delivery_details const& of,
                                              std::size_t which) {
    if (!of.event || which >= of.origins.size() || !of.origins[which])
        return std::nullopt;
    auto const& attempt = of.delivery.attempts[which];
    auto lines = dispatch::written_again(*of.origins[which], attempt, of.delivery, *of.event, *with.seals);
    if (!lines) {
        log::warn(
            "the headers of an attempt cannot be written again",
            {{"delivery_id", of.delivery.id}, {"attempt", attempt.attempt}, {"error.message", lines.error().message}});
        return std::nullopt;
    }
    return lines->empty() ? std::nullopt : std::optional(std::move(*lines));
}

task<response> show_delivery(services const* with, request what, caller who) {
    auto place = owned_of<delivery_id>(what, who, no_such_delivery);
    if (auto* no = std::get_if<response>(&place))
        co_return std::move(*no);
    auto& which = std::get<owned<delivery_id>>(place);
    auto const found = co_await with->history->show_delivery(std::move(which.account_id), which.id);
    if (!found)
        co_return failure_response(found.error(), no_such_delivery);

    json_writer out;
    out.begin_object();
    write_delivery_members(out, found->delivery);
    out.key("event");
    if (found->event) {
        out.begin_object();
        write_event_members(out, *found->event, true);
        out.end_object();
    } else {
        out.null();
    }
    out.key("attempts").begin_array();
    for (std::size_t i = 0; i < found->delivery.attempts.size(); ++i)
        write_attempt(out, found->delivery.attempts[i], request_headers_of(*with, *found, i));
    out.end_array().end_object();
    co_return response{.status = 200, .body = out.take(), .headers = {}};
}

task<response> resend_delivery(services const* with, request what, caller who) {
    auto place = owned_of<delivery_id>(what, who, no_such_delivery);
    if (auto* no = std::get_if<response>(&place))
        co_return std::move(*no);
    if (auto no = refuse_body(what))
        co_return std::move(*no);
    auto& which = std::get<owned<delivery_id>>(place);
    auto const done = co_await with->history->resend(std::move(which.account_id), which.id, what.resource_id);
    if (!done)
        co_return failure_response(done.error(), no_such_delivery);
    with->deliveries_parked(done->webhook);
    co_return delivery_response(202, *done);
}

task<response> cancel_delivery(services const* with, request what, caller who) {
    auto place = owned_of<delivery_id>(what, who, no_such_delivery);
    if (auto* no = std::get_if<response>(&place))
        co_return std::move(*no);
    if (auto no = refuse_body(what))
        co_return std::move(*no);
    auto& which = std::get<owned<delivery_id>>(place);
    auto const done = co_await with->history->cancel(std::move(which.account_id), which.id);
    if (!done)
        co_return failure_response(done.error(), no_such_delivery);
    co_return delivery_response(200, *done);
}

} // namespace

void add_delivery_routes(std::vector<route>& out, services_ptr const& with) {
    out.push_back(
        make_route(with, method::get, "/api/v1/webhooks/{id}/deliveries", "read", list_deliveries,
                   {.query = {"cursor", "limit", "page", "status", "event_type", "error_class", "since", "until"}}));
    out.push_back(make_route(with, method::get, "/api/v1/deliveries/{id}", "read", show_delivery));
    out.push_back(make_route(with, method::post, "/api/v1/deliveries/{id}/resend", "manage_webhooks", resend_delivery,
                             {.creates = true}));
    out.push_back(make_route(with, method::post, "/api/v1/deliveries/{id}/cancel", "manage_webhooks", cancel_delivery));
}

} // namespace klen::webhooks::api
