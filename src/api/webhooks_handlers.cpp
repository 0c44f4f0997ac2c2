#include "errors.hpp"
#include "json_writer.hpp"
#include "request_scope.hpp"
#include "routes.hpp"
#include "webhook_input.hpp"

#include "klen/webhooks/signing/secret.hpp"

namespace klen::webhooks::api {

namespace {

constexpr std::string_view no_such_webhook = "no such webhook in this account";

/// Everything but its secrets.
void write_members(json_writer& out, store::webhook const& w) {
    out.member("id", w.id.text())
        .member("account_id", w.account_id)
        .member("name", w.name)
        .member("url", w.url)
        .member("description", w.description);
    out.key("subscribed_events").begin_array();
    for (auto const& pattern : w.subscribed_events)
        out.value(pattern);
    out.end_array();
    out.key("headers").begin_object();
    for (auto const& [name, value] : w.headers)
        out.member(name, value);
    out.end_object();
    out.key("metadata").raw(w.metadata);
    out.member("enabled", w.enabled)
        .member_or_null("disabled_reason", w.disabled_reason)
        .member("disabled_at", w.disabled_at)
        .member("failing_since", w.failing_since)
        .member("max_concurrency", w.max_concurrency)
        .member("max_rate_per_second", w.max_rate_per_second)
        .member("created_at", w.created_at)
        .member("updated_at", w.updated_at);
}

response refused(failure const& f) {
    return f.kind == fault::not_found ? not_found(no_such_webhook) : failure_response(f);
}

webhook_rules rules_of(services const& with) {
    return {.urls = egress::url_policy_of(*with.egress),
            .addresses = &egress::guard_of(*with.egress),
            .catalogue = with.catalogue,
            .allow_unknown_event_types = with.settings->intake.allow_unknown_event_types,
            .header_prefix = with.settings->delivery.header_prefix};
}

/// The row of its secret: bound to that row and account, so that it can be opened there only.
store::sealed_secret seal(signing::sealer const& seals, signing::secret const& secret, std::string_view account_id) {
    store::sealed_secret out;
    out.id = make_id<secret_id>();
    out.sealed = seals.seal(secret.text(), {"webhook_secrets", out.id.value, account_id});
    out.key_id = seals.key_id();
    out.created_at = system_clock().wall();
    return out;
}

task<response> create_webhook(services const* with, request what, caller who) {
    auto read = read_webhook(what.body, rules_of(*with));
    if (auto const* wrong = std::get_if<std::string>(&read))
        co_return validation_error(*wrong);
    auto& draft = std::get<webhook_draft>(read);
    auto account = account_of(what, who, draft.account_id);
    if (auto* no = std::get_if<response>(&account))
        co_return std::move(*no);

    store::webhook row = std::move(draft.row);
    row.id = make_id<webhook_id>();
    row.account_id = std::get<std::string>(std::move(account));
    if (!row.enabled) {
        row.disabled_reason = "requested";
        row.disabled_at = system_clock().wall();
    }
    auto const secret = signing::secret::generate();
    auto sealed = seal(*with->seals, secret, row.account_id);
    auto const stored = co_await with->store->create_webhook(std::move(row), std::move(sealed));
    if (!stored)
        co_return failure_response(stored.error());
    with->webhook_changed(stored->id);

    json_writer out;
    out.begin_object();
    write_members(out, *stored);
    out.member("secret", secret.text()).end_object();
    co_return response{.status = 201, .body = out.take(), .headers = {{"Cache-Control", "no-store"}}};
}

task<response> list_webhooks(services const* with, request what, caller who) {
    auto account = account_of(what, who);
    if (auto* no = std::get_if<response>(&account))
        co_return std::move(*no);
    auto page = page_of_request(what);
    if (auto* no = std::get_if<response>(&page))
        co_return std::move(*no);
    auto const wanted = std::get<store::page_request>(page);
    auto const found = co_await with->store->list_webhooks(std::get<std::string>(std::move(account)), wanted);
    if (!found)
        co_return failure_response(found.error());

    json_writer out;
    out.begin_object()
        .member("count", found->count)
        .member("page", wanted.page)
        .member("limit", wanted.limit)
        .member("pages", pages_of(found->count, wanted.limit));
    out.key("webhooks").begin_array();
    for (auto const& w : found->items) {
        out.begin_object();
        write_members(out, w);
        out.end_object();
    }
    out.end_array().end_object();
    co_return response{.status = 200, .body = out.take(), .headers = {}};
}

task<response> show_webhook(services const* with, request what, caller who) {
    auto account = account_of(what, who);
    if (auto* no = std::get_if<response>(&account))
        co_return std::move(*no);
    auto const id = id_of<webhook_id>(what);
    if (!id)
        co_return not_found(no_such_webhook);
    auto const found = co_await with->store->show_webhook(std::get<std::string>(std::move(account)), *id);
    if (!found)
        co_return refused(found.error());
    json_writer out;
    out.begin_object();
    write_members(out, *found);
    out.end_object();
    co_return response{.status = 200, .body = out.take(), .headers = {}};
}

task<response> delete_webhook(services const* with, request what, caller who) {
    auto account = account_of(what, who);
    if (auto* no = std::get_if<response>(&account))
        co_return std::move(*no);
    auto const id = id_of<webhook_id>(what);
    if (!id)
        co_return not_found(no_such_webhook);
    auto const done = co_await with->store->delete_webhook(std::get<std::string>(std::move(account)), *id);
    if (!done)
        co_return refused(done.error());
    with->webhook_changed(*id);
    json_writer out;
    out.begin_object()
        .member("id", id->text())
        .member("message", "the webhook is deleted; its pending deliveries are cancelled")
        .end_object();
    co_return response{.status = 200, .body = out.take(), .headers = {}};
}

} // namespace

void add_webhook_routes(std::vector<route>& out, services_ptr const& with) {
    auto const add = [&](method verb, char const* path, char const* permission, handler_function handler) {
        out.push_back(make_route(with, verb, path, permission, handler));
    };
    add(method::post, "/api/v1/webhooks", "manage_webhooks", create_webhook);
    add(method::post, "/api/webhooks/create", "manage_webhooks", create_webhook); // older path
    add(method::get, "/api/v1/webhooks", "read", list_webhooks);
    add(method::get, "/api/v1/webhooks/{id}", "read", show_webhook);
    add(method::delete_, "/api/v1/webhooks/{id}", "manage_webhooks", delete_webhook);
    add(method::post, "/api/v1/webhooks/{id}/delete", "manage_webhooks", delete_webhook);
}

} // namespace klen::webhooks::api
