#include "app/commands/api_call.hpp"

#include "app/commands/complain.hpp"
#include "app/json_text.hpp"
#include "app/text_input.hpp"
#include "klen/webhooks/event/json_body.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <thread>

namespace klen::webhooks::app {

namespace {

constexpr std::size_t shown_lines_max = 200;
constexpr std::size_t shown_bytes_max = std::size_t{1} << 20;
constexpr std::size_t message_bytes_max = std::size_t{64} << 10;

/// What the daemon answered with 2xx must be JSON; a proxy in between may say anything.
int not_json(api_answer const& answer) {
    return complain(exit_failed, "the answer (HTTP status " + std::to_string(answer.status) +
                                     ") is no JSON: is --url (or --api) the daemon's API?");
}

/// Fields whose options have other names. Those of events are not among them: whoever publishes wrote them.
constexpr std::array<std::pair<std::string_view, std::string_view>, 9> options_of_fields{
    {{"disabled_note", "--note"},
     {"note", "--note"},
     {"subscribed_events", "--event"},
     {"headers", "--header"},
     {"secret", "--use-secret-file"},
     {"permissions", "--permission"},
     {"max_concurrency", "--max-concurrency"},
     {"max_rate_per_second", "--max-rate"},
     {"grace_period_hours", "--grace"}}};

/// One problem, "field: what is wrong"; "field[3]: …" and "field.member: …" as well.
std::string with_option_for_field(std::string_view problem) {
    auto const colon = problem.find(": ");
    auto const name = problem.substr(0, problem.find_first_of(".[:"));
    auto const* const found = std::ranges::find(options_of_fields, name, [](auto const& pair) { return pair.first; });
    if (colon == std::string_view::npos || found == options_of_fields.end())
        return std::string(problem);
    auto const member = problem.substr(0, colon).substr(name.size());
    std::string out(found->second);
    if (member.starts_with('.'))
        out.append(" ").append(member.substr(1));
    return out.append(problem.substr(colon));
}

std::string with_options_for_fields(std::string_view problems) {
    constexpr std::string_view between = "; ";
    std::string out;
    while (!problems.empty()) {
        auto const one = problems.substr(0, problems.find(between));
        problems.remove_prefix(std::min(one.size() + between.size(), problems.size()));
        out.append(out.empty() ? "" : between).append(with_option_for_field(one));
    }
    return out;
}

/// What the daemon says of its HTTP interface, in the words of this command line.
std::string in_options(std::string const& code, std::string const& message) {
    if (code == "authentication_required")
        return "give an API key with --key-file or --key, or by KLEN_WEBHOOKS_KEY_FILE or KLEN_WEBHOOKS_KEY";
    if (code != "validation_error")
        return message;
    if (!message.starts_with("account_id: is missing"))
        return with_options_for_fields(message);
    if (message.find("whose key") != std::string::npos)
        return "say whose key it is: --account ID, or --platform";
    return "a platform key must say for whom it acts: --account ID, or KLEN_WEBHOOKS_ACCOUNT";
}

} // namespace

result<api_caller> caller_for(api_options const& api) {
    auto key = api.key;
    if (!api.key_file.empty()) {
        auto from_file = read_secret_file(api.key_file);
        if (from_file.has_error())
            return from_file.error();
        key = std::move(*from_file);
    }
    auto client = api_client::create(api.url, std::move(key));
    if (client.has_error())
        return client.error();
    auto const timeout = listen::parse_duration(api.timeout);
    if (timeout.has_error() || *timeout <= std::chrono::milliseconds(0))
        return failure{fault::invalid_argument, "--timeout: write a time like 10s, 500ms or 1m"};
    client->set_timeout(*timeout);
    return api_caller([client = std::move(*client)](api_request const& request) {
        return client.call(request.method, request.target(), request.body, request.idempotency_key);
    });
}

std::string explain(api_answer const& answer) {
    auto const parsed = read_json(answer.body);
    auto const code = parsed ? text_member(parsed->value, "error") : std::string();
    auto const message = parsed ? text_member(parsed->value, "message") : std::string();
    auto out = code.empty() || message.empty()
                   ? "the daemon answered with HTTP status " + std::to_string(answer.status)
                   : terminal_safe(code, 64) + ": " + terminal_safe(in_options(code, message), message_bytes_max, true);
    constexpr int first_server_error = 500;
    if (answer.status >= first_server_error && !answer.request_id.empty())
        out += " (request id " + terminal_safe(answer.request_id, 128) + ")";
    if (!answer.retry_after.empty())
        out += " (try again after " + terminal_safe(answer.retry_after, 32) + " s)";
    return out;
}

std::string error_as_json(api_answer const& answer) {
    auto const parsed = answer.request_id.empty() ? std::nullopt : read_json(answer.body);
    auto const end = answer.body.rfind('}');
    if (!parsed || !parsed->value.is_object() || parsed->value.as_object().empty() ||
        parsed->value.as_object().contains("request_id"))
        return answer.body;
    return std::string(answer.body).insert(end, R"(,"request_id":)" + json_quoted(answer.request_id));
}

int complain_about(api_answer const& answer) {
    return complain(answer.status == 503 ? exit_unavailable : exit_failed, explain(answer));
}

int complain_about(failure const& failed) {
    return complain(failed.kind == fault::io ? exit_unavailable : exit_usage, failed.message);
}

std::string readable(std::string_view body) {
    std::string canonical;
    if (event::canonical_json(body, {}, canonical))
        return terminal_safe(body, message_bytes_max, true);
    return terminal_safe(indent_json(canonical, "", shown_lines_max), shown_bytes_max, true);
}

called call_or_complain(api_options const& api, result<api_request> const& request) {
    auto const failed = [](int code) { return called{code, {}, {}}; };
    if (request.has_error())
        return failed(complain(exit_usage, request.error().message));
    auto const call = caller_for(api);
    if (call.has_error())
        return failed(complain(exit_usage, call.error().message));
    auto answer = (*call)(*request);
    if (answer.has_error())
        return failed(complain_about(answer.error()));
    if (!answer->ok()) {
        if (api.json && !answer->body.empty())
            std::cout << error_as_json(*answer) << '\n';
        return failed(complain_about(*answer));
    }
    if (answer->replayed)
        std::cerr << "Answered as an earlier call with this idempotency key was; nothing was done anew.\n";
    auto parsed = read_json(answer->body);
    if (!parsed)
        return failed(not_json(*answer));
    return {exit_ok, std::move(*parsed), std::move(answer->body)};
}

int call_and_show(api_options const& api, result<api_request> const& request, text_function const& text) {
    auto const done = call_or_complain(api, request);
    if (!done.answer)
        return done.code;
    std::cout << (api.json ? done.raw + "\n" : text(*done.answer));
    return exit_ok;
}

std::string message_text(json_answer const& answer) {
    return terminal_safe(text_member(answer.value, "message"), message_bytes_max) + "\n";
}

void pause_for(std::chrono::milliseconds how_long) { std::this_thread::sleep_for(how_long); }

result<api_answer> call_patiently(api_caller const& call, pause_function const& pause, api_request const& request) {
    constexpr int tries_max = 6;
    constexpr int seconds_max = 60;
    for (int tries = 1;; ++tries) {
        auto answer = call(request);
        if (answer.has_error() || answer->status != 429 || tries == tries_max)
            return answer;
        int seconds = 1;
        auto const& text = answer->retry_after;
        std::from_chars(text.data(), text.data() + text.size(), seconds);
        pause(std::chrono::seconds(std::clamp(seconds, 1, seconds_max)));
    }
}

} // namespace klen::webhooks::app
