#include "errors.hpp"
#include "json_writer.hpp"
#include "request_scope.hpp"
#include "routes.hpp"
#include "sealed_secrets.hpp"
#include "webhook_answers.hpp"
#include "webhook_health.hpp"
#include "webhook_input.hpp"

#include "klen/webhooks/base/encoding.hpp"
#include "klen/webhooks/event/event_types.hpp"

namespace klen::webhooks::api {

namespace {

using owned_webhook = owned<webhook_id>;

webhook_rules rules_of(services const& with) {
    return {.urls = egress::url_policy_of(*with.egress),
            .addresses = &egress::guard_of(*with.egress),
            .catalogue = with.catalogue,
            .allow_unknown_event_types = with.settings->intake.allow_unknown_event_types,
            .header_prefix = with.settings->delivery.header_prefix,
            .limits = with.settings->webhooks};
}

/// What is wrong with where a name leads now, as an attempt would say it. Attempts judge it anew each time.
task<std::optional<response>> judge_name(services const* with, std::string account_id, egress::target where) {
    if (!with->judge_address || where.host_is_address)
        co_return std::nullopt;
    auto asked = with->judge_address(std::move(account_id), std::move(where));
    auto const judged = co_await std::move(asked);
    if (!judged)
        co_return errand_refused(judged.error());
    if (!*judged)
        co_return std::nullopt;
    co_return validation_error("url: " + **judged);
}

// --- create --------------------------------------------------------------------------------------------------------

response created(services const& with, store::webhook const& w) {
    if (w.secrets.empty())
        return server_error();
    // The stored one: a repeat of the call made another, which nobody keeps.
    auto secret = open_secret(*with.seals, w.secrets.front(), w.account_id);
    if (!secret)
        return failure_response(secret.error());
    json_writer out;
    out.begin_object();
    write_webhook(out, w);
    out.member("secret", *secret).end_object();
    signing::wipe(*secret);
    return {.status = 201, .body = out.take(), .headers = {{"Cache-Control", "no-store"}}};
}

task<response> create_webhook(services const* with, request what, caller who) {
    auto read = read_webhook(what.body, rules_of(*with));
    signing::wipe(what.body); // it may hold a secret
    if (auto const* wrong = std::get_if<std::string>(&read))
        co_return validation_error(*wrong);
    auto& draft = std::get<webhook_draft>(read);
    auto account = account_of(what, who, draft.account_id);
    if (auto* no = std::get_if<response>(&account))
        co_return std::move(*no);
    auto& account_id = std::get<std::string>(account);
    auto refused = co_await judge_name(with, account_id, std::move(draft.leads_to));
    if (refused)
        co_return std::move(*refused);

    store::webhook row = std::move(draft.row);
    row.id = webhook_id{what.resource_id};
    row.account_id = std::move(account_id);
    if (!row.enabled) {
        row.disabled_reason = "requested";
        row.disabled_at = system_clock().wall();
    }
    auto const secret = draft.secret ? std::move(*draft.secret) : signing::secret::generate();
    auto sealed = seal_secret(*with->seals, make_id<secret_id>(), secret, row.account_id);
    auto const stored = co_await with->store->create_webhook(std::move(row), std::move(sealed),
                                                             with->settings->webhooks.per_account_max);
    if (!stored)
        co_return failure_response(stored.error());
    with->webhook_changed(stored->id);
    co_return created(*with, *stored);
}

// --- list and show -------------------------------------------------------------------------------------------------

constexpr text_rule search_rule{.characters_min = 0, .characters_max = 200};

/// What is wrong with the texts of a filter; empty: nothing.
std::string judge_filter(request const& what, store::webhook_filter const& filter) {
    if (what.query_value("event_type") && !event::is_event_type(filter.event_type))
        return "event_type: must be an event type, such as call.ended";
    if (!is_utf8(filter.text))
        return "q: must be UTF-8";
    auto const wrong = judge_text(filter.text, search_rule);
    return wrong.empty() ? "" : "q: " + wrong;
}

std::variant<store::webhook_filter, response> filter_of(request const& what, caller const& who) {
    auto account = account_scope_of(what, who);
    if (auto* no = std::get_if<response>(&account))
        return std::move(*no);
    auto enabled = flag_of(what, "enabled");
    if (auto* no = std::get_if<response>(&enabled))
        return std::move(*no);
    store::webhook_filter out;
    out.account_id = std::get<std::optional<std::string>>(std::move(account));
    out.enabled = std::get<std::optional<bool>>(enabled);
    out.event_type = what.query_value("event_type").value_or("");
    out.text = what.query_value("q").value_or("");
    if (auto const wrong = judge_filter(what, out); !wrong.empty())
        return validation_error(wrong);
    return out;
}

task<response> list_webhooks(services const* with, request what, caller who) {
    auto filter = filter_of(what, who);
    if (auto* no = std::get_if<response>(&filter))
        co_return std::move(*no);
    auto page = page_of_request(what);
    if (auto* no = std::get_if<response>(&page))
        co_return std::move(*no);
    auto const wanted = std::get<store::page_request>(page);
    auto const found = co_await with->store->list_webhooks(std::get<store::webhook_filter>(std::move(filter)), wanted);
    if (!found)
        co_return failure_response(found.error());

    json_writer out;
    begin_page(out, found->count, wanted);
    out.key("webhooks").begin_array();
    for (auto const& w : found->items) {
        out.begin_object();
        write_webhook(out, w);
        out.end_object();
    }
    out.end_array().end_object();
    co_return response{.status = 200, .body = out.take(), .headers = {}};
}

task<response> show_webhook(services const* with, request what, caller who) {
    auto named = owned_of<webhook_id>(what, who, no_such_webhook);
    if (auto* no = std::get_if<response>(&named))
        co_return std::move(*no);
    auto const [account, id] = std::get<owned_webhook>(std::move(named));
    auto const found = co_await with->store->show_webhook(account, id);
    if (!found)
        co_return failure_response(found.error(), no_such_webhook);
    json_writer out;
    out.begin_object();
    write_webhook(out, *found);
    if (with->history != nullptr) {
        auto const health = co_await with->history->health(account, id);
        if (!health)
            co_return failure_response(health.error(), no_such_webhook);
        auto const circuit = with->circuit_of ? with->circuit_of(id) : dispatch::circuit_status{};
        write_health(out.key("health"), *health, circuit, system_clock());
    }
    out.end_object();
    co_return response{.status = 200, .body = out.take(), .headers = {}};
}

// --- change and delete -----------------------------------------------------------------------------------------------

task<response> apply(services const* with, owned_webhook to, store::webhook_change set) {
    webhook_id const id = to.id;
    auto const now = co_await with->store->change_webhook(std::move(to.account_id), id, std::move(set));
    if (!now)
        co_return failure_response(now.error(), no_such_webhook);
    with->webhook_changed(id);
    co_return webhook_response(*now);
}

/// A note says why a webhook is disabled: it needs one that is.
task<std::optional<response>> judge_note(services const* with, owned_webhook to) {
    auto const now = co_await with->store->show_webhook(std::move(to.account_id), to.id);
    if (!now)
        co_return failure_response(now.error(), no_such_webhook);
    if (now->enabled)
        co_return validation_error("disabled_note: the webhook is enabled; send \"enabled\": false along");
    co_return std::nullopt;
}

task<response> change_webhook(services const* with, request what, caller who) {
    auto named = owned_of<webhook_id>(what, who, no_such_webhook);
    if (auto* no = std::get_if<response>(&named))
        co_return std::move(*no);
    auto read = read_webhook_change(what.body, rules_of(*with));
    if (auto const* wrong = std::get_if<std::string>(&read))
        co_return validation_error(*wrong);
    auto& patch = std::get<webhook_patch>(read);
    auto to = std::get<owned_webhook>(std::move(named));
    if (patch.leads_to) {
        auto refused = co_await judge_name(with, to.account_id, std::move(*patch.leads_to));
        if (refused)
            co_return std::move(*refused);
    }
    if (patch.set.disabled_note && !patch.set.enabled) {
        auto refused = co_await judge_note(with, to);
        if (refused)
            co_return std::move(*refused);
    }
    co_return co_await apply(with, std::move(to), std::move(patch.set));
}

task<response> refuse_put(services const*, request, caller) {
    auto out = method_not_allowed("GET, HEAD, PATCH, DELETE, OPTIONS", "use PATCH with the fields to change");
    co_return out;
}

task<response> enable_webhook(services const* with, request what, caller who) {
    auto named = owned_of<webhook_id>(what, who, no_such_webhook);
    if (auto* no = std::get_if<response>(&named))
        co_return std::move(*no);
    if (auto no = refuse_body(what))
        co_return std::move(*no);
    store::webhook_change set;
    set.enabled = true;
    co_return co_await apply(with, std::get<owned_webhook>(std::move(named)), std::move(set));
}

/// {"note":…} or nothing.
std::variant<std::optional<std::string>, std::string> read_note(std::string_view body) {
    auto parsed = parse_optional_object(body);
    if (auto* broken = std::get_if<std::string>(&parsed))
        return std::move(*broken);
    problem_list problems;
    object_reader in(std::get<parsed_object>(parsed).members, problems);
    auto note = in.text("note", note_rule);
    in.refuse_others();
    if (!problems.empty())
        return problems.text();
    return note;
}

task<response> disable_webhook(services const* with, request what, caller who) {
    auto named = owned_of<webhook_id>(what, who, no_such_webhook);
    if (auto* no = std::get_if<response>(&named))
        co_return std::move(*no);
    auto note = read_note(what.body);
    if (auto const* wrong = std::get_if<std::string>(&note))
        co_return validation_error(*wrong);
    store::webhook_change set;
    set.enabled = false;
    set.disabled_note = std::get<std::optional<std::string>>(std::move(note));
    co_return co_await apply(with, std::get<owned_webhook>(std::move(named)), std::move(set));
}

task<response> delete_webhook(services const* with, request what, caller who) {
    auto named = owned_of<webhook_id>(what, who, no_such_webhook);
    if (auto* no = std::get_if<response>(&named))
        co_return std::move(*no);
    auto const [account, id] = std::get<owned_webhook>(std::move(named));
    auto const done = co_await with->store->delete_webhook(account, id);
    if (!done)
        co_return failure_response(done.error(), no_such_webhook);
    with->webhook_changed(id);
    json_writer out;
    out.begin_object()
        .member("id", id.text())
        .member("message", "the webhook is deleted; its pending deliveries are cancelled")
        .end_object();
    co_return response{.status = 200, .body = out.take(), .headers = {}};
}

} // namespace

void add_webhook_routes(std::vector<route>& out, services_ptr const& with) {
    auto const add = [&](method verb, char const* path, char const* permission, handler_function handler,
                         call_rules rules = {}) {
        out.push_back(make_route(with, verb, path, permission, handler, std::move(rules)));
    };
    constexpr char const* all = "/api/v1/webhooks";
    constexpr char const* one = "/api/v1/webhooks/{id}";
    add(method::post, all, "manage_webhooks", create_webhook, {.creates = true});
    add(method::post, "/api/webhooks/create", "manage_webhooks", create_webhook, {.creates = true}); // older path
    add(method::get, all, "read", list_webhooks, {.query = {"page", "limit", "enabled", "event_type", "q"}});
    add(method::get, one, "read", show_webhook);
    add(method::patch, one, "manage_webhooks", change_webhook);
    add(method::put, one, "", refuse_put, {.any_query = true, .refuses = true});
    add(method::post, "/api/v1/webhooks/{id}/enable", "manage_webhooks", enable_webhook);
    add(method::post, "/api/v1/webhooks/{id}/disable", "manage_webhooks", disable_webhook);
    add(method::delete_, one, "manage_webhooks", delete_webhook);
    add(method::post, "/api/v1/webhooks/{id}/delete", "manage_webhooks", delete_webhook);
}

} // namespace klen::webhooks::api
