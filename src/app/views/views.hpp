#pragma once

#include "app/commands/api_call.hpp"
#include "app/json_answer.hpp"
#include "klen/webhooks/base/clock.hpp"

#include <string>

/// What the API answers, as text for people. Everything is made safe for a terminal.
namespace klen::webhooks::app {

list_view webhook_list_view();
std::string webhook_text(json_answer const& webhook);
/// The secrets of a webhook: with their text, or without when that went to a file.
std::string secrets_text(json_answer const& secrets, bool with_text);
std::string test_text(json_answer const& outcome);

/// `of_event`: all are of one event, so the webhook is shown instead.
list_view delivery_list_view(bool of_event);
/// `full`: also headers and bodies of each attempt. `now`: what should have been sent by then has a hint why it was
/// not.
std::string delivery_text(json_answer const& delivery, bool full, wall_time now);

list_view event_list_view();
std::string event_text(json_answer const& event);
list_view event_type_list_view();
std::string event_type_text(json_answer const& type);

list_view job_list_view();
std::string job_text(json_answer const& job);

list_view key_list_view();
std::string key_text(json_answer const& key);
std::string whoami_text(json_answer const& caller);

// --- parts of them --------------------------------------------------------------------------------------------------

/// A table of the attempts in `attempts` (an array).
std::string attempts_table(boost::json::value const& attempts, std::string const& margin);
/// Where `shown` is a part of a list: how to go on to the next one. Empty when there is none. `what`: "earlier
/// attempts".
std::string next_part_text(boost::json::value const& shown, std::string const& what);
/// [["Name","value"],…] a line each; "-" for none.
std::string header_lines(boost::json::value const& headers, std::string const& margin);
/// A body as JSON text, a string that may hold JSON, or base64 of bytes: indented where it is JSON.
std::string body_lines(std::string_view canonical, std::string_view encoding, std::string const& margin);
/// Each line of `text` behind `margin`.
std::string with_margin(std::string_view text, std::string const& margin);

} // namespace klen::webhooks::app
