#include "idempotency.hpp"

#include "errors.hpp"
#include "router.hpp"

#include "klen/webhooks/base/encoding.hpp"
#include "klen/webhooks/base/log.hpp"
#include "klen/webhooks/event/json_body.hpp"
#include "klen/webhooks/signing/api_key.hpp"
#include "klen/webhooks/signing/secret.hpp"

#include <algorithm>

namespace klen::webhooks::api {

namespace {

constexpr std::string_view replayed = "Idempotency-Replayed";
constexpr std::string_view header_end = "\r\n\r\n";

std::string owner_of(caller const& who) { return who.account_id.value_or("platform"); }

signing::sealer::place place_of(uuid const& resource, std::string_view owner) {
    return {"idempotent_calls", resource, owner};
}

/// Without ambiguity, whatever the bytes are.
void append_counted(std::string& out, std::string_view text) {
    out.append(std::to_string(text.size())).append(":").append(text);
}

/// What is kept of an answer: its headers, an empty line, its body.
std::string kept_text(response const& answer) {
    std::string out = "Content-Type: " + answer.content_type;
    for (auto const& [name, value] : answer.headers)
        out.append("\r\n").append(name).append(": ").append(value);
    return out.append(header_end).append(answer.body);
}

response kept_response(int status, std::string_view text) {
    response out;
    out.status = status;
    auto const end = std::min(text.find(header_end), text.size());
    out.body = text.substr(std::min(end + header_end.size(), text.size()));
    std::string_view rest = text.substr(0, end);
    while (!rest.empty()) {
        auto const line = rest.substr(0, rest.find("\r\n"));
        rest.remove_prefix(std::min(line.size() + 2, rest.size()));
        auto const colon = line.find(": ");
        if (colon == std::string_view::npos)
            continue;
        if (line.substr(0, colon) == "Content-Type")
            out.content_type = line.substr(colon + 2);
        else
            out.headers.emplace_back(line.substr(0, colon), line.substr(colon + 2));
    }
    out.headers.emplace_back(replayed, "true");
    return out;
}

response replay(services const& with, store::idempotent_answer const& first, std::string_view owner,
                std::string const& request_id) {
    auto text = with.seals->open(first.sealed_body, first.key_id, place_of(first.resource_id, owner));
    if (text) {
        auto out = kept_response(first.status, *text);
        signing::wipe(*text);
        return out;
    }
    log::warn("the kept answer to an idempotent call cannot be opened",
              {{"request_id", request_id}, {"key_id", first.key_id}, {"error.message", text.error().message}});
    return error_response(
        409, "conflict",
        "Idempotency-Key: the call was carried out, but its answer cannot be shown again (the key that "
        "it was sealed with is not configured any more); look for what it made");
}

response not_begun(failure const& why) {
    if (why.kind == fault::conflict)
        return error_response(409, "conflict", "Idempotency-Key: was used for another request; take a fresh one");
    return failure_response(why);
}

response still_under_way() {
    auto out = error_response(409, "conflict",
                              "Idempotency-Key: the first call with it is still under way; try again in a moment");
    out.headers.emplace_back("Retry-After", "1");
    return out;
}

/// What is made there depends on the key that asks for it.
constexpr std::string_view keys_route = "/api/v1/keys";

/// Longer answers are not kept, and a repeat is carried out again under the same id. Well below what can be sealed.
constexpr std::size_t kept_bytes_max = std::size_t{512} << 10;

/// What was refused made nothing: the same key serves the mended call, and the same call when it is allowed later.
bool is_kept(response const& answer) { return answer.status < 400 && answer.body.size() <= kept_bytes_max; }

/// The answer counts whether or not it can be kept: then a repeat makes the same thing once more.
void note_loss(result<void> const& done, std::string const& request_id) {
    if (!done)
        log::warn("the answer to an idempotent call could not be kept",
                  {{"request_id", request_id}, {"error.message", done.error().message}});
}

} // namespace

std::string idempotency_scope(request const& what, caller const& who) {
    std::string out = who.account_id ? "account " + *who.account_id : "platform";
    out.append(" ").append(to_string(what.verb)).append(" ").append(what.route);
    if (what.parameters.empty())
        return out;
    std::string named;
    for (auto const& [name, value] : what.parameters) {
        append_counted(named, name);
        append_counted(named, value);
    }
    return out + " " + hex_encode(signing::sha256(named)); // they may be any bytes
}

std::array<std::uint8_t, 32> idempotency_hash(request const& what, caller const& who) {
    auto permissions = who.permissions;
    std::ranges::sort(permissions);
    std::string text = std::to_string(permissions.size()) + ";";
    for (auto const& permission : permissions)
        append_counted(text, permission);
    // A key makes no faster one than itself is: what a faster one was given must not be handed to it as its own.
    if (what.route == keys_route)
        append_counted(text, who.key_id);
    auto query = what.query;
    std::ranges::sort(query);
    for (auto const& [name, value] : query) {
        append_counted(text, name);
        append_counted(text, value);
    }
    std::string canonical;
    bool const is_json = !event::canonical_json(what.body, {}, canonical);
    append_counted(text, is_json ? canonical : what.body);
    auto const out = signing::sha256(text);
    signing::wipe(text); // the body may hold a secret
    signing::wipe(canonical);
    return out;
}

task<response> idempotent(services const* with, handler_function handler, request what, caller who) {
    store::idempotent_call call;
    call.scope = idempotency_scope(what, who);
    call.idempotency_key = *what.idempotency_key;
    call.account_id = who.account_id.value_or("");
    call.request_hash = idempotency_hash(what, who);
    call.resource_id = what.resource_id;
    std::string const owner = owner_of(who);
    std::string const request_id = what.request_id;

    auto const begun = co_await with->store->begin_idempotent(call);
    if (!begun)
        co_return not_begun(begun.error());
    if (auto const* first = std::get_if<store::idempotent_answer>(&*begun))
        co_return replay(*with, *first, owner, request_id);
    if (std::holds_alternative<store::call_under_way>(*begun))
        co_return still_under_way();

    uuid const resource = std::get<uuid>(*begun);
    what.repeats = resource != call.resource_id;
    what.resource_id = resource;
    // When this throws, nobody knows what it left: the next call finishes it, with the same id, when its time is over.
    auto answer = co_await handler(with, std::move(what), std::move(who));
    if (answer.status == 503) { // whoever has waited for the database need not do so once more
        with->store->forget_idempotent_soon(std::move(call));
        co_return answer;
    }
    if (!is_kept(answer)) {
        auto const forgotten = co_await with->store->forget_idempotent(std::move(call));
        note_loss(forgotten, request_id);
        co_return answer;
    }
    store::idempotent_answer kept;
    kept.status = answer.status;
    auto text = kept_text(answer);
    kept.sealed_body = with->seals->seal(text, place_of(resource, owner));
    signing::wipe(text);
    kept.key_id = with->seals->key_id();
    kept.resource_id = resource;
    auto const finished = co_await with->store->finish_idempotent(std::move(call), std::move(kept));
    note_loss(finished, request_id);
    co_return answer;
}

} // namespace klen::webhooks::api
