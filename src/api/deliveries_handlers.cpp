#include "attempt_headers.hpp"
#include "cursor.hpp"
#include "delivery_filters.hpp"
#include "delivery_json.hpp"
#include "errors.hpp"
#include "request_scope.hpp"
#include "routes.hpp"
#include "webhook_answers.hpp"

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

/// What the attempts of `found` were sent with. It may be up to a second's work, which is done beside the io threads.
task<std::vector<attempt_headers>> headers_of(services const* with, std::string account_id,
                                              std::shared_ptr<store::delivery_details const> found) {
    if (!with->compute || is_soon_written(*found))
        co_return write_attempt_headers(*found, *with->seals);
    auto const written = std::make_shared<std::vector<attempt_headers>>();
    std::function<void()> write = [found, written, seals = with->seals] {
        *written = write_attempt_headers(*found, *seals);
    };
    auto const done = co_await with->compute(std::move(account_id), std::move(write));
    co_return done ? std::move(*written) : leave_out_attempt_headers(*found);
}

response details_response(store::delivery_details const& found, std::uint32_t limit,
                          std::vector<attempt_headers> const& sent) {
    json_writer out;
    out.begin_object();
    write_delivery_members(out, found.delivery);
    out.key("event");
    if (found.event) {
        out.begin_object();
        write_event_members(out, *found.event, true);
        out.end_object();
    } else {
        out.null();
    }
    auto const& attempts = found.delivery.attempts;
    out.member("limit", limit);
    out.member("next_cursor", found.more ? std::optional(cursor_before(attempts.front().attempt)) : std::nullopt);
    out.key("attempts").begin_array();
    for (std::size_t i = 0; i < attempts.size(); ++i)
        write_attempt(out, attempts[i], sent[i]);
    out.end_array().end_object();
    return {.status = 200, .body = out.take(), .headers = {}};
}

task<response> show_delivery(services const* with, request what, caller who) {
    auto place = owned_of<delivery_id>(what, who, no_such_delivery);
    if (auto* no = std::get_if<response>(&place))
        co_return std::move(*no);
    auto wanted = attempts_of_request(what);
    if (auto* no = std::get_if<response>(&wanted))
        co_return std::move(*no);
    auto const part = std::get<store::attempts_filter>(wanted);
    auto& which = std::get<owned<delivery_id>>(place);
    auto found = co_await with->history->show_delivery(which.account_id, which.id, part);
    if (!found)
        co_return failure_response(found.error(), no_such_delivery);
    auto const details = std::make_shared<store::delivery_details const>(std::move(*found));
    auto const sent = co_await headers_of(with, std::move(which.account_id), details);
    co_return details_response(*details, part.limit, sent);
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
    out.push_back(make_route(with, method::get, "/api/v1/deliveries/{id}", "read", show_delivery,
                             {.query = {"cursor", "limit", "page"}}));
    out.push_back(make_route(with, method::post, "/api/v1/deliveries/{id}/resend", "manage_webhooks", resend_delivery,
                             {.creates = true}));
    out.push_back(make_route(with, method::post, "/api/v1/deliveries/{id}/cancel", "manage_webhooks", cancel_delivery));
}

} // namespace klen::webhooks::api
