#include "app/commands/publish_answer.hpp"

#include "app/json_answer.hpp"
#include "app/json_text.hpp"
#include "app/text_table.hpp"
#include "klen/webhooks/event/json_body.hpp"

namespace klen::webhooks::app {

namespace json = boost::json;

namespace {

constexpr std::size_t items_max = 1'000'000;

/// The event types in an array that was sent; empty where an item names none.
std::vector<std::string> types_in(std::string const& sent) {
    std::vector<std::string> out;
    auto const split = event::split_array(sent, items_max);
    if (auto const* found = std::get_if<event::json_items>(&split))
        for (auto const item : found->items) {
            auto const parsed = read_json(item);
            out.push_back(parsed ? text_member(parsed->value, "event_type") : std::string());
        }
    return out;
}

std::string reason(json::value const& item) {
    auto const code = text_member(item, "error");
    return code.empty() ? "HTTP status " + text_member(item, "status")
                        : terminal_safe(code, 64) + ": " + terminal_safe(text_member(item, "message"), 4096);
}

} // namespace

std::optional<publish_answer> read_publish_answer(api_answer const& answer, std::string const& sent) {
    auto const parsed = read_json(answer.body);
    if (!parsed)
        return std::nullopt;
    publish_answer out;
    auto const& results = member(parsed->value, "results");
    if (!results.is_array()) {
        auto const id = text_member(parsed->value, "id");
        if (!answer.ok() || id.empty())
            return std::nullopt;
        out.count = 1;
        out.accepted = "event " + terminal_safe(id, 64) + "\n";
        return out;
    }
    auto const types = types_in(sent);
    text_table accepted({{"#", true, 0}, {"EVENT"}, {"EVENT TYPE", false, 10}}, standard_output_style());
    for (auto const& item : results.as_array()) {
        auto const type = out.count < types.size() ? types[out.count] : std::string();
        auto const number = std::to_string(++out.count);
        if (auto const status = number_member(item, "status"); status && *status < 300) {
            bool const again = is_true(item, "replayed");
            accepted.add({number, text_member(item, "id") + (again ? " (published before)" : ""), type});
            continue;
        }
        out.refused.push_back("event " + number + (type.empty() ? "" : " (" + terminal_safe(type, 128) + ")") + ": " +
                              reason(item));
    }
    out.accepted = accepted.take();
    return out;
}

} // namespace klen::webhooks::app
