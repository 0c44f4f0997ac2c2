#include "app/commands/api_request.hpp"

#include "api/json_writer.hpp"
#include "app/json_text.hpp"
#include "app/time_text.hpp"
#include "klen/webhooks/event/json_body.hpp"

#include <array>
#include <charconv>

namespace klen::webhooks::app {

namespace {

using api::json_writer;

/// Arguments may hold any bytes.
void put(json_writer& out, std::string_view name, std::string_view text) { out.key(name).raw(json_quoted(text)); }

void put_array(json_writer& out, std::string_view name, std::vector<std::string> const& texts) {
    out.key(name).begin_array();
    for (auto const& text : texts)
        out.raw(json_quoted(text));
    out.end_array();
}

result<void> put_headers(json_writer& out, std::vector<std::string> const& lines) {
    out.key("headers").begin_object();
    for (auto const& line : lines) {
        auto const colon = line.find(':');
        if (colon == 0 || colon == std::string::npos) // it is not repeated: such values are often tokens
            return failure{fault::invalid_argument, "--header: write \"Name: value\"; number " +
                                                        std::to_string(&line - lines.data() + 1) +
                                                        " has no colon behind a name"};
        auto const value = line.find_first_not_of(' ', colon + 1);
        out.raw(json_quoted(line.substr(0, colon)) + ":" +
                json_quoted(value == std::string::npos ? "" : line.substr(value)));
    }
    out.end_object();
    return {};
}

/// Canonical, so that what is sent is one JSON value and nothing else.
result<std::string> json_object(std::string_view option, std::string_view text) {
    std::string out;
    if (auto const broken = event::canonical_json(text, {}, out))
        return failure{fault::invalid_argument, std::string(option) + ": " + broken->text()};
    if (!out.starts_with('{'))
        return failure{fault::invalid_argument, std::string(option) + ": must be a JSON object, like {\"team\":\"a\"}"};
    return out;
}

/// A number from 1 on, or null for "none".
result<std::string> limit_json(std::string_view option, std::string_view text) {
    std::uint32_t value = 0;
    if (text == "none")
        return std::string("null");
    auto const* const end = text.data() + text.size();
    auto const read = std::from_chars(text.data(), end, value);
    if (read.ec != std::errc() || read.ptr != end || value == 0)
        return failure{fault::invalid_argument, std::string(option) + ": must be a number from 1 on, or none"};
    return std::to_string(value);
}

result<void> put_limits(json_writer& out, webhook_fields const& what) {
    auto const put_one = [&out](std::string_view name, std::string_view option,
                                std::optional<std::string> const& text) -> result<void> {
        if (!text)
            return {};
        auto const json = limit_json(option, *text);
        if (json.has_error())
            return json.error();
        out.key(name).raw(*json);
        return {};
    };
    if (auto put = put_one("max_concurrency", "--max-concurrency", what.max_concurrency); put.has_error())
        return put;
    return put_one("max_rate_per_second", "--max-rate", what.max_rate);
}

/// Members of a webhook that both creating and updating may send.
result<void> put_fields(json_writer& out, webhook_fields const& what) {
    if (what.name)
        put(out, "name", *what.name);
    if (what.endpoint)
        put(out, "url", *what.endpoint);
    if (!what.events.empty())
        put_array(out, "subscribed_events", what.events);
    if (what.description)
        put(out, "description", *what.description);
    if (!what.headers.empty() || what.no_headers)
        if (auto done = put_headers(out, what.headers); done.has_error())
            return done;
    if (what.metadata) {
        auto const metadata = json_object("--metadata", *what.metadata);
        if (metadata.has_error())
            return metadata.error();
        out.key("metadata").raw(*metadata);
    }
    if (what.enable || what.disable)
        out.member("enabled", what.enable);
    if (what.note)
        put(out, "disabled_note", *what.note);
    return put_limits(out, what);
}

void ask_page(api_request& request, paging_options const& paging) {
    // The largest page the daemon gives, when all of them are wanted anyway.
    constexpr std::uint32_t largest_page = 200;
    auto const limit = paging.limit == 0 && paging.all ? largest_page : paging.limit;
    if (paging.page != 0)
        request.ask("page", std::to_string(paging.page));
    request.ask("cursor", paging.cursor);
    if (limit != 0)
        request.ask("limit", std::to_string(limit));
}

result<void> ask_time(api_request& request, std::string const& name, std::string const& text, wall_time now) {
    if (text.empty())
        return {};
    auto at = time_argument("--" + name, text, now);
    if (at.has_error())
        return at.error();
    request.ask(name, std::move(*at));
    return {};
}

std::string joined(std::vector<std::string> const& words) {
    std::string out;
    for (auto const& word : words)
        out.append(out.empty() ? "" : ",").append(word);
    return out;
}

std::string number_text(double value) {
    std::array<char, 32> out{};
    auto const written = std::to_chars(out.data(), out.data() + out.size(), value);
    return {out.data(), written.ptr};
}

} // namespace

api_request& api_request::ask(std::string name, std::string value) {
    if (!value.empty())
        query.emplace_back(std::move(name), std::move(value));
    return *this;
}

std::string api_request::target() const {
    std::string out = path;
    for (auto const& [name, value] : query)
        out.append(out.size() == path.size() ? "?" : "&").append(name).append("=").append(percent_encoded(value));
    return out;
}

std::string path_of(std::string_view collection, std::string_view id, std::string_view rest) {
    return std::string(collection).append("/").append(percent_encoded(id)).append(rest);
}

api_request request_for(api_options const& api, std::string method, std::string path, std::string body) {
    api_request out;
    out.method = std::move(method);
    out.path = std::move(path);
    out.body = std::move(body);
    out.idempotency_key = api.idempotency_key;
    out.ask("account_id", api.acting_for());
    return out;
}

result<api_request> webhook_create_request(api_options const& api, webhook_create_options const& what,
                                           std::string const& own_secret) {
    json_writer out;
    out.begin_object();
    if (auto done = put_fields(out, what.fields); done.has_error())
        return done.error();
    if (!own_secret.empty())
        put(out, "secret", own_secret);
    out.end_object();
    return request_for(api, "POST", "/api/v1/webhooks", out.take());
}

result<api_request> webhook_list_request(api_options const& api, webhook_list_options const& what) {
    auto out = request_for(api, "GET", "/api/v1/webhooks");
    if (what.enabled || what.disabled)
        out.ask("enabled", what.enabled ? "true" : "false");
    out.ask("event_type", what.event_type).ask("q", what.search);
    ask_page(out, what.paging);
    return out;
}

result<api_request> webhook_update_request(api_options const& api, std::string const& id, webhook_fields const& what) {
    json_writer out;
    out.begin_object();
    if (auto done = put_fields(out, what); done.has_error())
        return done.error();
    out.end_object();
    auto body = out.take();
    if (body == "{}")
        return failure{fault::invalid_argument, "nothing to change was given: see --help for what can be"};
    return request_for(api, "PATCH", path_of("/api/v1/webhooks", id), std::move(body));
}

api_request webhook_disable_request(api_options const& api, std::string const& id, std::string const& note) {
    std::string body;
    if (!note.empty())
        body = R"({"note":)" + json_quoted(note) + "}";
    return request_for(api, "POST", path_of("/api/v1/webhooks", id, "/disable"), std::move(body));
}

api_request rotate_secret_request(api_options const& api, secret_rotate_options const& what,
                                  std::string const& own_secret) {
    json_writer out;
    out.begin_object();
    if (!own_secret.empty())
        put(out, "secret", own_secret);
    if (what.grace_hours)
        out.key("grace_period_hours").raw(number_text(*what.grace_hours));
    out.end_object();
    return request_for(api, "POST", path_of("/api/v1/webhooks", what.webhook, "/rotate-secret"), out.take());
}

api_request webhook_test_request(api_options const& api, std::string const& id, std::string const& event_type) {
    std::string body;
    if (!event_type.empty())
        body = R"({"event_type":)" + json_quoted(event_type) + "}";
    return request_for(api, "POST", path_of("/api/v1/webhooks", id, "/test"), std::move(body));
}

result<api_request> recover_request(api_options const& api, recover_options const& what, wall_time now) {
    auto const since = time_argument("--since", what.since, now);
    if (since.has_error())
        return since.error();
    json_writer out;
    out.begin_object();
    put(out, "since", *since);
    if (!what.until.empty()) {
        auto const until = time_argument("--until", what.until, now);
        if (until.has_error())
            return until.error();
        put(out, "until", *until);
    }
    if (what.never_attempted)
        out.member("never_attempted", true);
    out.end_object();
    return request_for(api, "POST", path_of("/api/v1/webhooks", what.webhook, "/recover"), out.take());
}

api_request jobs_request(api_options const& api, std::string const& webhook, std::uint32_t limit) {
    auto out = request_for(api, "GET", path_of("/api/v1/webhooks", webhook, "/jobs"));
    if (limit != 0)
        out.ask("limit", std::to_string(limit));
    return out;
}

result<api_request> delivery_list_request(api_options const& api, delivery_list_options const& what, wall_time now) {
    bool const of_event = !what.event.empty();
    if (of_event != what.webhook.empty())
        return failure{fault::invalid_argument, "give either --webhook ID or --event ID"};
    if (of_event && (!what.event_type.empty() || !what.since.empty() || !what.until.empty()))
        return failure{fault::invalid_argument, "the deliveries of one --event can be filtered by --status and "
                                                "--error-class only"};
    auto out = request_for(api, "GET",
                           of_event ? path_of("/api/v1/events", what.event, "/deliveries")
                                    : path_of("/api/v1/webhooks", what.webhook, "/deliveries"));
    out.ask("status", joined(what.statuses)).ask("error_class", what.error_class);
    out.ask("event_type", what.event_type);
    if (auto asked = ask_time(out, "since", what.since, now); asked.has_error())
        return asked.error();
    if (auto asked = ask_time(out, "until", what.until, now); asked.has_error())
        return asked.error();
    ask_page(out, what.paging);
    return out;
}

api_request show_request(api_options const& api, std::string path, paging_options const& part) {
    auto out = request_for(api, "GET", std::move(path));
    ask_page(out, part);
    return out;
}

result<api_request> event_list_request(api_options const& api, event_list_options const& what, wall_time now) {
    auto out = request_for(api, "GET", "/api/v1/events");
    out.ask("event_type", what.event_type);
    if (auto asked = ask_time(out, "since", what.since, now); asked.has_error())
        return asked.error();
    if (auto asked = ask_time(out, "until", what.until, now); asked.has_error())
        return asked.error();
    ask_page(out, what.paging);
    return out;
}

api_request event_type_list_request(api_options const& api, paging_options const& paging) {
    auto out = request_for(api, "GET", "/api/v1/event-types");
    ask_page(out, paging);
    return out;
}

result<api_request> event_type_request(api_options const& api, event_type_fields const& what, std::string const& sample,
                                       bool create) {
    json_writer out;
    out.begin_object();
    if (create)
        put(out, "event_type", what.event_type);
    if (what.description)
        put(out, "description", *what.description);
    if (!sample.empty()) {
        auto const payload = json_object("--sample-file", sample);
        if (payload.has_error())
            return payload.error();
        out.key("sample").raw(*payload);
    }
    out.end_object();
    auto body = out.take();
    if (body == "{}")
        return failure{fault::invalid_argument, "nothing to change was given: --description or --sample-file"};
    return create ? request_for(api, "POST", "/api/v1/event-types", std::move(body))
                  : request_for(api, "PATCH", path_of("/api/v1/event-types", what.event_type), std::move(body));
}

api_request key_create_request(api_options const& api, key_create_options const& what) {
    json_writer out;
    out.begin_object();
    put(out, "name", what.name);
    if (!api.account.empty())
        put(out, "account_id", api.account);
    if (what.platform)
        out.member("platform", true);
    if (!what.permissions.empty())
        put_array(out, "permissions", what.permissions);
    if (what.max_requests_per_second)
        out.member("max_requests_per_second", *what.max_requests_per_second);
    out.end_object();
    auto without_account = api; // it is in the body
    without_account.account.clear();
    return request_for(without_account, "POST", "/api/v1/keys", out.take());
}

api_request key_list_request(api_options const& api, paging_options const& paging) {
    auto out = request_for(api, "GET", "/api/v1/keys");
    ask_page(out, paging);
    return out;
}

} // namespace klen::webhooks::app
