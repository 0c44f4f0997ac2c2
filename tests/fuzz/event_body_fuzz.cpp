// Hostile JSON: whatever is taken must be written canonically, and the canonical form must be its own.
#include "klen/webhooks/base/encoding.hpp"
#include "klen/webhooks/event/event_types.hpp"
#include "klen/webhooks/event/json_body.hpp"

#include <cstdlib>

namespace {

using namespace klen::webhooks;

void require(bool holds) {
    if (!holds)
        std::abort();
}

void check_place(event::json_error const& error, std::size_t size) {
    require(error.offset <= size && error.line >= 1 && error.column >= 1 && !error.what.empty());
    require(error.text().size() < 2000);
}

void check_canonical(std::string_view text, event::json_limits limits) {
    std::string once;
    if (auto const error = event::canonical_json(text, limits, once))
        return check_place(*error, text.size());
    require(is_utf8(once));
    std::string twice;
    require(!event::canonical_json(once, limits, twice) && once == twice);
}

void check_request(std::string_view text, event::json_limits limits) {
    auto const out = event::parse_publish_request(text, limits);
    if (auto const* error = std::get_if<event::json_error>(&out))
        return check_place(*error, text.size());
    auto const* request = std::get_if<event::publish_request>(&out);
    if (request == nullptr || request->payload.empty())
        return;
    std::string const body = event::make_body(request->event_type.value_or("a.b"), request->payload, "t");
    std::string again;
    require(!event::canonical_json(body, limits, again) && again == body);
}

void check_batch(std::string_view text) {
    auto const out = event::split_array(text, 50);
    if (auto const* error = std::get_if<event::json_error>(&out))
        return check_place(*error, text.size());
    for (auto const item : std::get<event::json_items>(out).items)
        require(!item.empty() && item.data() >= text.data() && item.data() + item.size() <= text.data() + text.size());
    // What is an array must have been cut into just its elements.
    std::string whole;
    if (event::canonical_json(text, {1'000'000}, whole))
        return;
    std::string joined;
    for (auto const item : std::get<event::json_items>(out).items) {
        std::string element;
        require(!event::canonical_json(item, {1'000'000}, element));
        joined += (joined.empty() ? "" : ",") + element;
    }
    require(whole == "[" + joined + "]");
}

void check_names(std::string_view text) {
    if (!event::is_event_type(text))
        return;
    for (auto const& pattern : event::matching_patterns(text))
        require(event::is_event_pattern(pattern) && event::matches(std::span(&pattern, 1), text));
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
    std::string_view const text(reinterpret_cast<char const*>(data), size);
    check_canonical(text, {64});
    check_request(text, {64});
    check_batch(text);
    check_names(text);
    return 0;
}
