#pragma once

#include "app/api_client.hpp"
#include "app/commands/api_request.hpp"
#include "app/commands/commands.hpp"
#include "app/json_answer.hpp"
#include "app/text_table.hpp"
#include "klen/webhooks/app/application.hpp"

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

/// Calling the daemon and showing what it says: the same for every command.
namespace klen::webhooks::app {

/// A caller with the URL, key and time limit of `api`. Errors are the user's.
result<api_caller> caller_for(api_options const& api);

/// The API's error as a sentence: "not_found: there is no such webhook", or the status when the body says nothing. With
/// the request id where the daemon is at fault.
std::string explain(api_answer const& answer);
/// The API's error for --json: as it came, with the request id beside its members. Empty when it has no body.
std::string error_as_json(api_answer const& answer);
/// Prints the sentence; returns the exit code of such an answer.
int complain_about(api_answer const& answer);
/// Prints why there was no answer; returns its exit code.
int complain_about(failure const& failed);

/// Any JSON for people; other text as it is.
std::string readable(std::string_view body);

/// What came of a call; errors are printed already.
struct called {
    int code = exit_ok;                ///< the exit code when there is no answer
    std::optional<json_answer> answer; ///< of a success
    std::string raw;                   ///< as it came
};
called call_or_complain(api_options const& api, result<api_request> const& request);

/// The answer as text for people.
using text_function = std::function<std::string(json_answer const&)>;

/// Calls and prints: errors, or the answer as `text` makes it, or as it came with --json. Returns the exit code.
int call_and_show(api_options const& api, result<api_request> const& request, text_function const& text);

/// The answer's "message": what deleting and the like say.
std::string message_text(json_answer const& answer);

/// How a list is shown to people.
struct list_view {
    std::string plural; ///< the member with the items
    std::vector<table_column> columns;
    std::function<std::vector<std::string>(boost::json::value const&)> row;
};

/// The time between calls that were refused for their number, and of polling. Tests pass one that does not wait.
using pause_function = std::function<void(std::chrono::milliseconds)>;
void pause_for(std::chrono::milliseconds how_long);

/// One page, or all of them; with --json a page as it came, or a line an item when all are asked for. `call` and
/// `pause` are replaced in tests.
int show_list(api_options const& api, result<api_request> const& request, paging_options const& paging,
              list_view const& view);
int walk_list(api_caller const& call, pause_function const& pause, bool json, api_request request,
              paging_options const& paging, list_view const& view);

/// Polls the job in `raw` until it has ended, telling its progress on standard error; returns it as it is then. An
/// exit code when that cannot be found out. `call` and `pause` as above.
std::variant<std::string, int> wait_for_job(api_caller const& call, pause_function const& pause, api_options const& api,
                                            std::string raw);
/// Starts a job or asks for one; shows it, at its end if `wait`. A job that stopped is exit code 1.
int show_job(api_options const& api, result<api_request> const& request, bool wait);

/// As `call`, but a 429 is waited out as long as it says, a few times.
result<api_answer> call_patiently(api_caller const& call, pause_function const& pause, api_request const& request);

} // namespace klen::webhooks::app
