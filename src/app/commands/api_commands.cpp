#include "app/commands/commands.hpp"

#include "app/api_client.hpp"
#include "app/commands/complain.hpp"
#include "app/json_text.hpp"
#include "app/private_file.hpp"
#include "app/publish_text.hpp"
#include "app/text_input.hpp"
#include "klen/webhooks/event/event_types.hpp"
#include "klen/webhooks/event/json_body.hpp"

#include <boost/json/parse.hpp>
#include <cstdio>

#include <algorithm>
#include <optional>

namespace klen::webhooks::app {

namespace {

namespace json = boost::json;

constexpr std::size_t input_bytes_max = 64U << 20;
constexpr std::size_t shown_lines_max = 200;

result<api_client> client_of(api_options const& api) {
    auto key = api.key;
    if (!api.key_file.empty()) {
        auto from_file = read_secret_file(api.key_file);
        if (from_file.has_error())
            return from_file.error();
        key = std::move(*from_file);
    }
    return api_client::create(api.url, std::move(key));
}

std::string with_account(std::string path, std::string const& account) {
    if (account.empty())
        return path;
    return path + (path.find('?') == std::string::npos ? "?" : "&") + "account_id=" + percent_encoded(account);
}

/// "not_found: there is no such webhook", from the API's error body or, failing that, the status.
std::string explain(api_answer const& answer) {
    boost::system::error_code ec;
    auto const parsed = json::parse(answer.body, ec);
    if (!ec && parsed.is_object()) {
        auto const* code = parsed.as_object().if_contains("error");
        auto const* message = parsed.as_object().if_contains("message");
        if (code != nullptr && code->is_string() && message != nullptr && message->is_string())
            return terminal_safe(std::string_view(code->as_string()), 64) + ": " +
                   terminal_safe(std::string_view(message->as_string()), 2000);
    }
    return "the daemon answered with HTTP status " + std::to_string(answer.status);
}

std::string readable(std::string const& body) {
    std::string canonical;
    if (event::canonical_json(body, {}, canonical))
        return terminal_safe(body, std::size_t{64} << 10, true);
    return terminal_safe(indent_json(canonical, "", shown_lines_max), 1U << 20, true);
}

/// Calls; prints errors. `answered` shows a success to people; --json shows it as it came.
int call_and_show(api_options const& api, std::string const& method, std::string const& path, std::string body,
                  std::function<int(api_answer const&)> const& answered) {
    auto const client = client_of(api);
    if (client.has_error())
        return complain(exit_usage, client.error().message);
    auto const answer = client->call(method, path, std::move(body));
    if (answer.has_error())
        return complain(exit_unavailable, answer.error().message);
    if (api.json && !answer->body.empty())
        std::cout << answer->body << '\n';
    if (!answer->ok())
        return complain(answer->status == 503 ? exit_unavailable : exit_failed, explain(*answer));
    return api.json ? exit_ok : answered(*answer);
}

int show_readable(api_answer const& answer) {
    std::cout << readable(answer.body) << '\n';
    return exit_ok;
}

std::string text_member(json::value const& object, std::string_view name) {
    auto const* found = object.is_object() ? object.as_object().if_contains(name) : nullptr;
    return found != nullptr && found->is_string() ? std::string(found->as_string()) : std::string();
}

result<std::string> headers_as_json(std::vector<std::string> const& lines) {
    std::string out;
    for (auto const& line : lines) {
        auto const colon = line.find(':');
        if (colon == 0 || colon == std::string::npos)
            return failure{fault::invalid_argument, "--header: write \"Name: value\", not \"" + line + "\""};
        auto const value = line.find_first_not_of(' ', colon + 1);
        out += (out.empty() ? "" : ",") + json_quoted(line.substr(0, colon)) + ":" +
               json_quoted(value == std::string::npos ? "" : line.substr(value));
    }
    return "{" + out + "}";
}

result<std::string> webhook_as_json(webhook_create_options const& what) {
    auto const headers = headers_as_json(what.headers);
    if (headers.has_error())
        return headers.error();
    std::string events;
    for (auto const& pattern : what.events)
        events += (events.empty() ? "" : ",") + json_quoted(pattern);
    std::string out = R"({"name":)" + json_quoted(what.name) + R"(,"url":)" + json_quoted(what.endpoint) +
                      R"(,"subscribed_events":[)" + events + "]";
    if (!what.description.empty())
        out += R"(,"description":)" + json_quoted(what.description);
    if (!what.headers.empty())
        out += R"(,"headers":)" + *headers;
    if (what.disabled)
        out += R"(,"enabled":false)";
    return out + "}";
}

/// What is sent: one publish object, or an array of them.
result<std::string> text_to_publish(api_options const& api, publish_options const& what) {
    publish_fields const fields{what.type, api.account, what.id};
    if (what.all_samples)
        return all_samples(api.account);
    if (what.sample)
        return sample_of(fields);
    auto text = read_input(what.file, input_bytes_max);
    if (text.has_error())
        return text.error();
    return filled_in(*text, fields);
}

bool refused_item(json::value const& item) {
    auto const* status = item.is_object() ? item.as_object().if_contains("status") : nullptr;
    return status == nullptr || !status->is_int64() || status->as_int64() >= 300;
}

/// A batch is answered as a whole; each of its items may still have been refused.
bool all_accepted(std::string const& body) {
    boost::system::error_code ec;
    auto const parsed = json::parse(body, ec);
    auto const* results = !ec && parsed.is_object() ? parsed.as_object().if_contains("results") : nullptr;
    return results == nullptr || !results->is_array() || std::ranges::none_of(results->as_array(), refused_item);
}

} // namespace

int run_publish(api_options const& api, publish_options const& what) {
    auto text = text_to_publish(api, what);
    if (text.has_error())
        return complain(exit_usage, text.error().message);
    auto const show = [&api](api_answer const& answer) {
        std::cout << (api.json ? answer.body : readable(answer.body)) << '\n';
        return all_accepted(answer.body) ? int{exit_ok} : complain(exit_failed, "not every event was accepted");
    };
    auto asked = api;
    asked.json = false; // shown above either way
    return call_and_show(asked, "POST", "/api/v1/events", std::move(*text), show);
}

int run_webhook_create(api_options const& api, webhook_create_options const& what) {
    auto body = webhook_as_json(what);
    if (body.has_error())
        return complain(exit_usage, body.error().message);
    auto const keep_secret = [&what](std::string const& answer) -> result<json::value> {
        boost::system::error_code ec;
        auto parsed = json::parse(answer, ec);
        if (ec)
            return failure{fault::corrupt, "the daemon's answer is no JSON"};
        if (!what.secret_file.empty())
            if (auto kept = write_private_file(what.secret_file, text_member(parsed, "secret") + "\n");
                kept.has_error())
                return kept.error();
        return parsed;
    };
    // The secret is shown this once: whether its file can be written must be known before the webhook exists.
    if (!what.secret_file.empty()) {
        auto const probe = what.secret_file + ".check";
        if (auto writable = write_private_file(probe, ""); writable.has_error())
            return complain(exit_failed, writable.error().message + "; no webhook was created");
        std::remove(probe.c_str());
    }
    // With --secret-file the secret is on no terminal and in no pipe.
    auto quiet = api;
    quiet.json = false;
    auto const show = [&](api_answer const& answer) {
        auto const made = keep_secret(answer.body);
        if (made.has_error())
            return complain(exit_failed, made.error().message);
        if (api.json && what.secret_file.empty()) {
            std::cout << answer.body << '\n';
        } else if (api.json) {
            std::cout << R"({"id":)" << json_quoted(text_member(*made, "id")) << "}\n";
        } else {
            std::cout << "webhook " << terminal_safe(text_member(*made, "id"), 64) << '\n';
            if (what.secret_file.empty())
                std::cout << "secret  " << terminal_safe(text_member(*made, "secret"), 256) << '\n';
            else
                std::cout << "its secret is in " << what.secret_file << '\n';
        }
        return int{exit_ok};
    };
    return call_and_show(quiet, "POST", with_account("/api/v1/webhooks", api.account), std::move(*body), show);
}

int run_webhook_list(api_options const& api, std::uint32_t page, std::uint32_t limit) {
    auto const path = "/api/v1/webhooks?page=" + std::to_string(page) + "&limit=" + std::to_string(limit);
    return call_and_show(api, "GET", with_account(path, api.account), {}, show_readable);
}

int run_webhook_show(api_options const& api, std::string const& id) {
    return call_and_show(api, "GET", with_account("/api/v1/webhooks/" + percent_encoded(id), api.account), {},
                         show_readable);
}

int run_webhook_delete(api_options const& api, std::string const& id) {
    return call_and_show(api, "DELETE", with_account("/api/v1/webhooks/" + percent_encoded(id), api.account), {},
                         show_readable);
}

int run_health(api_options const& api, bool ready) {
    auto client = api_client::create(api.url, {});
    if (client.has_error())
        return complain(exit_usage, client.error().message);
    client->set_timeout(std::chrono::seconds(5));
    auto const answer = client->call("GET", ready ? "/readyz?verbose" : "/livez");
    if (answer.has_error())
        return complain(exit_unavailable, answer.error().message);
    std::cout << terminal_safe(answer->body, std::size_t{16} << 10, true) << '\n';
    return answer->ok() ? exit_ok : exit_unavailable;
}

} // namespace klen::webhooks::app
