#include "app/commands/commands.hpp"

#include "app/commands/api_call.hpp"
#include "app/commands/complain.hpp"
#include "app/commands/publish_answer.hpp"
#include "app/json_text.hpp"
#include "app/publish_text.hpp"
#include "app/text_input.hpp"

namespace klen::webhooks::app {

namespace {

constexpr std::size_t input_bytes_max = 64U << 20;

/// What is sent: one publish object, or an array of them.
result<std::string> text_to_publish(api_options const& api, publish_options const& what) {
    if (what.all_samples)
        return all_samples(api.acting_for());
    if (what.sample)
        return sample_of({what.type, api.acting_for(), what.id, {}});
    auto text = read_input(what.file, input_bytes_max);
    if (text.has_error())
        return text.error();
    return filled_in(*text, {what.type, api.account, what.id, api.default_account});
}

int code_of(api_answer const& answer, bool all_accepted) {
    if (all_accepted && answer.ok())
        return exit_ok;
    return answer.status == 503 ? exit_unavailable : exit_failed;
}

} // namespace

int run_publish(api_options const& api, publish_options const& what) {
    auto const text = text_to_publish(api, what);
    if (text.has_error())
        return complain(exit_usage, text.error().message);
    auto const call = caller_for(api);
    if (call.has_error())
        return complain(exit_usage, call.error().message);
    // The account is in the events themselves.
    api_request request;
    request.method = "POST";
    request.path = "/api/v1/events";
    request.body = *text;
    auto const answer = (*call)(request);
    if (answer.has_error())
        return complain_about(answer.error());
    if (api.json && !answer->body.empty())
        std::cout << answer->body << '\n';
    auto const read = read_publish_answer(*answer, *text);
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
                                  (read->count == 1 ? " event was" : " events were") + " not accepted" +
                                  (read->another_account && what.file.empty() && api.acting_for().empty()
                                       ? ": the samples are of account acct_demo; name the key's with --account"
                                       : ""));
    return code_of(*answer, read->refused.empty());
}

} // namespace klen::webhooks::app
