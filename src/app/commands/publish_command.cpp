#include "app/commands/commands.hpp"

#include "app/commands/api_call.hpp"
#include "app/commands/complain.hpp"
#include "app/commands/publish_answer.hpp"
#include "app/json_text.hpp"
#include "app/publish_text.hpp"
#include "app/text_input.hpp"

#include <variant>

namespace klen::webhooks::app {

namespace {

constexpr std::size_t input_bytes_max = 64U << 20;

constexpr char const* samples_account = "acct_demo"; // as it is written in them

/// Text, or the exit code when there is none: why was printed.
using text_or_code = std::variant<std::string, int>;

text_or_code taken(result<std::string> text) {
    if (text.has_error())
        return complain(exit_usage, text.error().message);
    return std::move(*text);
}

int refused(api_options const& api, api_answer const& answer) {
    if (api.json && !answer.body.empty())
        std::cout << error_as_json(answer) << '\n';
    return complain_about(answer);
}

/// Whose the samples are: the account that was named, else the key's own.
text_or_code account_of_samples(api_caller const& call, api_options const& api) {
    if (!api.acting_for().empty())
        return api.acting_for();
    api_request who;
    who.path = "/api/v1/whoami";
    auto const answer = call(who);
    if (answer.has_error())
        return complain_about(answer.error());
    if (!answer->ok())
        return refused(api, *answer);
    auto const parsed = read_json(answer->body);
    auto const own = parsed ? text_member(parsed->value, "account_id") : std::string();
    if (!own.empty())
        return own;
    std::cerr << "No account was named (--account or KLEN_WEBHOOKS_ACCOUNT): the sample is of " << samples_account
              << ".\n";
    return std::string(samples_account);
}

/// A type that was added has its sample in the catalogue. `unknown`: what to say when it is not there either.
text_or_code sample_of_catalogue(api_caller const& call, api_options const& api, publish_fields const& fields,
                                 std::string const& unknown) {
    api_request type;
    type.path = path_of("/api/v1/event-types", fields.type);
    auto const answer = call(type);
    if (answer.has_error())
        return complain_about(answer.error());
    if (answer->status == 404)
        return complain(exit_usage, unknown);
    if (!answer->ok())
        return refused(api, *answer);
    auto const parsed = read_json(answer->body);
    auto const sample = parsed ? member_of(parsed->text, "sample") : std::string_view();
    if (!sample.starts_with('{'))
        return complain(exit_usage, "--sample: " + terminal_safe(fields.type, 128) + " has no sample: `klen-webhooks " +
                                        "event-type update` gives it one");
    return taken(filled_in(sample, fields));
}

text_or_code sample_text(api_caller const& call, api_options const& api, publish_options const& what) {
    auto account = account_of_samples(call, api);
    if (std::holds_alternative<int>(account))
        return account;
    publish_fields const fields{what.type, std::get<std::string>(account), what.id, {}};
    if (what.all_samples)
        return taken(all_samples(fields.account));
    auto built_in = sample_of(fields);
    if (built_in.has_value())
        return std::move(*built_in);
    return sample_of_catalogue(call, api, fields, built_in.error().message);
}

/// What is sent: one publish object, or an array of them.
text_or_code text_to_publish(api_caller const& call, api_options const& api, publish_options const& what) {
    if (what.all_samples || what.sample)
        return sample_text(call, api, what);
    auto text = read_json_file(what.file, input_bytes_max);
    if (text.has_error())
        return complain(exit_usage, text.error().message);
    return taken(filled_in(*text, {what.type, api.account, what.id, api.default_account}));
}

int code_of(api_answer const& answer, bool all_accepted) {
    if (all_accepted && answer.ok())
        return exit_ok;
    return answer.status == 503 ? exit_unavailable : exit_failed;
}

} // namespace

int run_publish(api_options const& api, publish_options const& what) {
    auto const call = caller_for(api);
    if (call.has_error())
        return complain(exit_usage, call.error().message);
    auto const made = text_to_publish(*call, api, what);
    if (auto const* const code = std::get_if<int>(&made))
        return *code;
    auto const& text = std::get<std::string>(made);
    // The account is in the events themselves.
    api_request request;
    request.method = "POST";
    request.path = "/api/v1/events";
    request.body = text;
    auto const answer = (*call)(request);
    if (answer.has_error())
        return complain_about(answer.error());
    if (api.json && !answer->body.empty())
        std::cout << (answer->ok() ? answer->body : error_as_json(*answer)) << '\n';
    auto const read = read_publish_answer(*answer, text);
    if (!read)
        return answer->ok() ? int{exit_ok} : complain_about(*answer);
    if (!api.json)
        std::cout << read->accepted;
    if (answer->replayed)
        std::cerr << "Published before with this id and content: nothing was stored or sent anew.\n";
    for (auto const& line : read->refused)
        complain(exit_failed, line);
    if (!read->refused.empty())
        complain(exit_failed, std::to_string(read->refused.size()) + " of " + std::to_string(read->count) +
                                  (read->count == 1 ? " event was" : " events were") + " not accepted");
    return code_of(*answer, read->refused.empty());
}

} // namespace klen::webhooks::app
