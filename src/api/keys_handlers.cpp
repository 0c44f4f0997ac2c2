#include "errors.hpp"
#include "json_input.hpp"
#include "json_writer.hpp"
#include "key_json.hpp"
#include "request_scope.hpp"
#include "routes.hpp"

#include "klen/webhooks/api/permissions.hpp"
#include "klen/webhooks/signing/api_key.hpp"
#include "klen/webhooks/signing/secret.hpp"

#include <algorithm>

namespace klen::webhooks::api {

namespace {

constexpr std::string_view no_such_key = "no such key";
constexpr int rate_max = 1'000'000;

bool has(std::vector<std::string> const& permissions, std::string_view one) {
    return std::ranges::find(permissions, one) != permissions.end();
}

response key_response(store::api_key_row const& k) {
    json_writer out;
    out.begin_object();
    write_key(out, k);
    out.end_object();
    return {.status = 200, .body = out.take(), .headers = {}};
}

// --- create ----------------------------------------------------------------------------------------------------------

struct key_draft {
    store::api_key_row row; ///< without account, id and hash
    std::optional<std::string> account_id;
    bool platform = false;
    bool names_permissions = false;
};

constexpr std::string_view permissions_rule =
    "must be an array of one or more of publish, read, manage_webhooks, manage_keys";

std::string judge_permission(boost::json::value const& given, std::vector<std::string> const& before) {
    auto const* text = given.if_string();
    if (text == nullptr || !has(all_permissions(), {text->data(), text->size()}))
        return "must be publish, read, manage_webhooks or manage_keys";
    return has(before, {text->data(), text->size()}) ? "is there twice" : "";
}

std::optional<std::vector<std::string>> read_permissions(object_reader& in, problem_list& problems) {
    auto const* given = in.find("permissions");
    if (given == nullptr)
        return std::nullopt;
    std::vector<std::string> out;
    auto const* list = given->if_array();
    if (list == nullptr || list->empty() || list->size() > all_permissions().size()) {
        problems.add("permissions", permissions_rule);
        return out;
    }
    for (std::size_t i = 0; i < list->size(); ++i) {
        if (auto const wrong = judge_permission((*list)[i], out); !wrong.empty())
            problems.add("permissions[" + std::to_string(i) + "]", wrong);
        else
            out.emplace_back((*list)[i].get_string());
    }
    return out;
}

std::variant<key_draft, std::string> read_key(std::string_view body) {
    auto parsed = parse_json_object(body);
    if (auto* broken = std::get_if<std::string>(&parsed))
        return std::move(*broken);
    problem_list problems;
    object_reader in(std::get<parsed_object>(parsed).members, problems);
    key_draft out;
    out.row.name = in.required_text("name", {.characters_min = 1, .characters_max = 200}).value_or("");
    out.account_id = in.text("account_id", {.characters_min = 1, .characters_max = 128});
    out.platform = in.boolean("platform").value_or(false);
    auto permissions = read_permissions(in, problems);
    out.names_permissions = permissions.has_value();
    out.row.permissions = std::move(permissions).value_or(std::vector<std::string>());
    out.row.max_requests_per_second = in.integer("max_requests_per_second", 1, rate_max);
    in.refuse_others();
    if (!problems.empty())
        return problems.text();
    return out;
}

/// For whom the key is to be: an account, or nothing for the platform.
std::variant<std::optional<std::string>, response> owner_of(request const& what, caller const& who,
                                                            key_draft const& draft) {
    if (draft.platform) {
        if (who.account_id)
            return permission_denied("platform: an account's key makes keys of its account only");
        if (draft.account_id || what.query_value("account_id"))
            return validation_error("platform: a key is the platform's or an account's: leave out account_id");
        return std::nullopt;
    }
    if (!who.account_id && !draft.account_id && !what.query_value("account_id"))
        return validation_error("account_id: is missing; say whose key it is, or \"platform\": true");
    auto account = account_of(what, who, draft.account_id);
    if (auto* no = std::get_if<response>(&account))
        return std::move(*no);
    return std::optional(std::get<std::string>(std::move(account)));
}

/// Nobody hands out more than it has. The one exception: a platform key makes keys of accounts with any permission, so
/// that what signs customers up need not be able to do what they can.
std::optional<response> judge_permissions(key_draft& draft, caller const& who) {
    bool const bound = who.account_id || draft.platform;
    if (!draft.names_permissions)
        draft.row.permissions = bound ? who.permissions : all_permissions();
    for (auto const& permission : draft.row.permissions)
        if (bound && !has(who.permissions, permission))
            return permission_denied("permissions: this key lacks " + permission + ", so it cannot give it");
    return std::nullopt;
}

/// What the configuration leaves a key that has no limit of its own.
int configured_rate(server_config const& server, bool of_account) {
    std::uint32_t out = rate_max;
    auto const bound = [&out](std::uint32_t limit) { out = limit == 0 ? out : std::min(out, limit); };
    bound(of_account ? server.account_key_requests_per_second_max : server.platform_key_requests_per_second_max);
    if (of_account)
        bound(server.account_requests_per_second_max); // a key's own limit would lift that one
    return static_cast<int>(out);
}

/// A key makes none of its kind that is faster than itself: what its own limit is, that limit is also the new key's
/// most.
task<std::optional<response>> judge_rate(services const* with, caller who, bool platform, std::optional<int>* rate) {
    if (!who.account_id && !platform)
        co_return std::nullopt;
    auto const own_id = api_key_id::parse(who.key_id);
    if (!own_id)
        co_return server_error();
    auto const own = co_await with->store->show_api_key(who.account_id, *own_id);
    if (!own)
        co_return failure_response(own.error(), no_such_key);
    int const most =
        own->max_requests_per_second.value_or(configured_rate(with->settings->server, who.account_id.has_value()));
    if (!*rate)
        *rate = own->max_requests_per_second;
    if (*rate && **rate > most)
        co_return permission_denied("max_requests_per_second: at most " + std::to_string(most) +
                                    ", which is the limit of the key that makes this call");
    co_return std::nullopt;
}

response created(store::api_key_row const& stored, signing::api_key const& fresh) {
    // A repeat whose first call was carried out, answered and followed by a use of the key.
    if (stored.hash != fresh.hash)
        return error_response(409, "conflict", "this key was made before and is in use; it is shown once only");
    json_writer out;
    out.begin_object();
    write_key(out, stored);
    out.member("key", fresh.text).end_object();
    return {.status = 201, .body = out.take(), .headers = {{"Cache-Control", "no-store"}}};
}

task<response> create_key(services const* with, request what, caller who) {
    auto read = read_key(what.body);
    if (auto const* wrong = std::get_if<std::string>(&read))
        co_return validation_error(*wrong);
    auto& draft = std::get<key_draft>(read);
    auto owner = owner_of(what, who, draft);
    if (auto* no = std::get_if<response>(&owner))
        co_return std::move(*no);
    if (auto no = judge_permissions(draft, who))
        co_return std::move(*no);
    auto too_fast = co_await judge_rate(with, who, draft.platform, &draft.row.max_requests_per_second);
    if (too_fast)
        co_return std::move(*too_fast);

    auto fresh = signing::api_key::generate();
    store::api_key_row row = std::move(draft.row);
    row.id = api_key_id{what.resource_id};
    row.account_id = std::get<std::optional<std::string>>(std::move(owner));
    row.hash = fresh.hash;
    row.hint = signing::api_key_hint(fresh.text);
    auto const stored =
        co_await with->store->create_api_key(std::move(row), with->settings->server.keys_per_account_max);
    if (!stored)
        co_return failure_response(stored.error());
    with->key_changed(*stored);
    auto answer = created(*stored, fresh);
    signing::wipe(fresh.text);
    co_return answer;
}

// --- list, show, revoke
// ------------------------------------------------------------------------------------------------

task<response> list_keys(services const* with, request what, caller who) {
    auto scope = account_scope_of(what, who);
    if (auto* no = std::get_if<response>(&scope))
        co_return std::move(*no);
    auto page = page_of_request(what);
    if (auto* no = std::get_if<response>(&page))
        co_return std::move(*no);
    auto const wanted = std::get<store::page_request>(page);
    auto const found = co_await with->store->list_api_keys(std::get<store::key_scope>(std::move(scope)), wanted);
    if (!found)
        co_return failure_response(found.error());
    json_writer out;
    begin_page(out, found->count, wanted);
    out.key("keys").begin_array();
    for (auto const& k : found->items) {
        out.begin_object();
        write_key(out, k);
        out.end_object();
    }
    out.end_array().end_object();
    co_return response{.status = 200, .body = out.take(), .headers = {}};
}

struct named_key {
    store::key_scope scope;
    api_key_id id;
};

std::variant<named_key, response> key_of(request const& what, caller const& who) {
    auto scope = account_scope_of(what, who);
    if (auto* no = std::get_if<response>(&scope))
        return std::move(*no);
    auto const id = id_of<api_key_id>(what);
    if (!id)
        return not_found(no_such_key);
    return named_key{std::get<store::key_scope>(std::move(scope)), *id};
}

task<response> show_key(services const* with, request what, caller who) {
    auto named = key_of(what, who);
    if (auto* no = std::get_if<response>(&named))
        co_return std::move(*no);
    auto const [scope, id] = std::get<named_key>(std::move(named));
    auto const found = co_await with->store->show_api_key(scope, id);
    co_return found ? key_response(*found) : failure_response(found.error(), no_such_key);
}

task<response> revoke_key(services const* with, request what, caller who) {
    auto named = key_of(what, who);
    if (auto* no = std::get_if<response>(&named))
        co_return std::move(*no);
    auto const [scope, id] = std::get<named_key>(std::move(named));
    if (id.text() == who.key_id)
        co_return error_response(409, "conflict", "a key cannot revoke itself: use another one");
    auto const now = co_await with->store->revoke_api_key(scope, id);
    if (!now)
        co_return failure_response(now.error(), no_such_key);
    with->key_changed(*now);
    co_return key_response(*now);
}

// --- who am I
// ----------------------------------------------------------------------------------------------------------

task<response> who_am_i(services const*, request, caller who) {
    json_writer out;
    out.begin_object()
        .member("key_id", who.key_id)
        .member("account_id", who.account_id)
        .member("platform", !who.account_id)
        .member("permissions", who.permissions)
        .end_object();
    co_return response{.status = 200, .body = out.take(), .headers = {}};
}

} // namespace

std::vector<std::string> const& all_permissions() {
    static std::vector<std::string> const all{"publish", "read", "manage_webhooks", "manage_keys"};
    return all;
}

void add_key_routes(std::vector<route>& out, services_ptr const& with) {
    auto const add = [&](method verb, char const* path, handler_function handler, call_rules rules = {}) {
        out.push_back(make_route(with, verb, path, "manage_keys", handler, std::move(rules)));
    };
    add(method::get, "/api/v1/keys", list_keys, {.query = {"page", "limit"}});
    add(method::post, "/api/v1/keys", create_key, {.creates = true});
    add(method::get, "/api/v1/keys/{id}", show_key);
    add(method::delete_, "/api/v1/keys/{id}", revoke_key);
    add(method::post, "/api/v1/keys/{id}/revoke", revoke_key);
    out.push_back(make_route(with, method::get, "/api/v1/whoami", "*", who_am_i, {.for_account = false}));
}

} // namespace klen::webhooks::api
