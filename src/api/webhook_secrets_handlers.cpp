#include "errors.hpp"
#include "json_input.hpp"
#include "request_scope.hpp"
#include "routes.hpp"
#include "sealed_secrets.hpp"
#include "webhook_answers.hpp"
#include "webhook_input.hpp"

#include "klen/webhooks/base/log.hpp"

#include <algorithm>

namespace klen::webhooks::api {

namespace {

using owned_webhook = owned<webhook_id>;

constexpr double grace_hours_max = 168;

response secret_response(json_writer& out) {
    return {.status = 200, .body = out.take(), .headers = {{"Cache-Control", "no-store"}}};
}

/// Its secrets in clear, newest first, as in the row.
result<std::vector<std::string>> open_all(signing::sealer const& seals, store::webhook const& w) {
    std::vector<std::string> out;
    for (auto const& sealed : w.secrets) {
        auto text = open_secret(seals, sealed, w.account_id);
        if (!text)
            return text.error();
        out.push_back(std::move(*text));
    }
    if (out.empty())
        return failure{fault::corrupt, "a webhook has no secret"};
    return out;
}

/// Not the caller's fault, and not for ever: the operator has to list the key. Which one that is stands in the log.
response unreadable(store::webhook const& w, failure const& why) {
    log::error("a webhook's secret cannot be opened", {{"webhook_id", w.id}, {"error.message", why.message}});
    return unavailable("this webhook's secret cannot be opened: the daemon lacks the master key that sealed it, which "
                       "belongs in secrets.previous_master_keys; without that key, give the webhook a new secret: "
                       "rotate-secret with grace_period_hours 0");
}

response secrets_response(services const& with, store::webhook const& w) {
    auto texts = open_all(*with.seals, w);
    if (!texts)
        return unreadable(w, texts.error());
    json_writer out;
    out.begin_object().member("secret", texts->front());
    out.key("secrets").begin_array();
    for (std::size_t i = 0; i < texts->size(); ++i)
        out.begin_object()
            .member("secret", (*texts)[i])
            .member("created_at", w.secrets[i].created_at)
            .member("expires_at", w.secrets[i].expires_at)
            .end_object();
    out.end_array().end_object();
    std::ranges::for_each(*texts, [](auto& text) { signing::wipe(text); });
    return secret_response(out);
}

task<response> show_secret(services const* with, request what, caller who) {
    auto named = owned_of<webhook_id>(what, who, no_such_webhook);
    if (auto* no = std::get_if<response>(&named))
        co_return std::move(*no);
    auto const [account, id] = std::get<owned_webhook>(std::move(named));
    auto const found = co_await with->store->show_secrets(account, id);
    co_return found ? secrets_response(*with, *found) : failure_response(found.error(), no_such_webhook);
}

struct rotation {
    std::optional<signing::secret> secret; ///< the caller's own
    seconds grace{};
};

std::variant<rotation, std::string> read_rotation(std::string_view body, webhooks_config const& limits) {
    auto parsed = parse_optional_object(body);
    if (auto* broken = std::get_if<std::string>(&parsed))
        return std::move(*broken);
    problem_list problems;
    object_reader in(std::get<parsed_object>(parsed).members, problems);
    rotation out;
    out.secret = read_secret(in, problems, limits);
    out.grace = limits.rotation_grace;
    if (auto const asked = in.number("grace_period_hours", 0, grace_hours_max))
        out.grace = std::chrono::round<seconds>(std::chrono::duration<double, std::ratio<3600>>(*asked));
    in.refuse_others();
    if (!problems.empty())
        return problems.text();
    return out;
}

/// The secret of this call, which a repeat finds stored already, and until when the one before it signs.
response rotated(services const& with, store::webhook const& w, secret_id fresh) {
    auto const ours = std::ranges::find(w.secrets, fresh, &store::sealed_secret::id);
    if (ours == w.secrets.end())
        return error_response(409, "conflict", "this rotation was done before, and its secret was replaced since then");
    auto text = open_secret(*with.seals, *ours, w.account_id);
    if (!text)
        return unreadable(w, text.error());
    auto const before = ours + 1;
    json_writer out;
    out.begin_object()
        .member("secret", *text)
        .member("previous_expires_at", before == w.secrets.end() ? std::nullopt : before->expires_at)
        .end_object();
    signing::wipe(*text);
    return secret_response(out);
}

task<response> rotate_secret(services const* with, request what, caller who) {
    auto named = owned_of<webhook_id>(what, who, no_such_webhook);
    if (auto* no = std::get_if<response>(&named))
        co_return std::move(*no);
    auto read = read_rotation(what.body, with->settings->webhooks);
    signing::wipe(what.body); // it may hold a secret
    if (auto const* wrong = std::get_if<std::string>(&read))
        co_return validation_error(*wrong);
    auto& asked = std::get<rotation>(read);
    auto const [account, id] = std::get<owned_webhook>(std::move(named));
    secret_id const fresh{what.resource_id};
    auto const secret = asked.secret ? std::move(*asked.secret) : signing::secret::generate();
    auto sealed = seal_secret(*with->seals, fresh, secret, account);
    auto const now = co_await with->store->rotate_secret(account, id, std::move(sealed), asked.grace);
    if (!now)
        co_return failure_response(now.error(), no_such_webhook);
    with->webhook_changed(id);
    co_return rotated(*with, *now, fresh);
}

} // namespace

void add_webhook_secret_routes(std::vector<route>& out, services_ptr const& with) {
    out.push_back(make_route(with, method::get, "/api/v1/webhooks/{id}/secret", "manage_webhooks", show_secret));
    out.push_back(make_route(with, method::post, "/api/v1/webhooks/{id}/rotate-secret", "manage_webhooks",
                             rotate_secret, {.creates = true}));
}

} // namespace klen::webhooks::api
