#include "app/json_answer.hpp"

#include "app/json_text.hpp"
#include "app/time_text.hpp"
#include "klen/webhooks/event/json_body.hpp"

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

namespace klen::webhooks::app {

namespace json = boost::json;

namespace {

constexpr std::uint32_t depth_max = 256; // an event's body may be nested as deep as intake.json_depth_max
constexpr std::size_t items_max = 100'000;

} // namespace

std::optional<json_answer> read_json(std::string_view body) {
    json_answer out;
    if (event::canonical_json(body, {depth_max}, out.text))
        return std::nullopt;
    json::parse_options options;
    options.max_depth = depth_max;
    boost::system::error_code ec;
    out.value = json::parse(out.text, ec, {}, options);
    if (ec)
        return std::nullopt;
    return out;
}

std::optional<std::vector<std::string>> items_of(std::string_view canonical, std::string_view name) {
    auto const split = event::split_array(member_of(canonical, name), items_max);
    auto const* found = std::get_if<event::json_items>(&split);
    if (found == nullptr)
        return std::nullopt;
    return std::vector<std::string>(found->items.begin(), found->items.end());
}

json::value const& member(json::value const& object, std::string_view name) {
    static json::value const none;
    auto const* found = object.is_object() ? object.as_object().if_contains({name.data(), name.size()}) : nullptr;
    return found == nullptr ? none : *found;
}

std::string text_member(json::value const& object, std::string_view name) {
    auto const& found = member(object, name);
    if (found.is_string())
        return {found.as_string().data(), found.as_string().size()};
    if (found.is_bool())
        return found.as_bool() ? "yes" : "no";
    return found.is_number() ? json::serialize(found) : std::string();
}

std::optional<std::int64_t> number_member(json::value const& object, std::string_view name) {
    auto const& found = member(object, name);
    if (!found.is_int64())
        return std::nullopt;
    return found.as_int64();
}

bool is_true(json::value const& object, std::string_view name) {
    auto const& found = member(object, name);
    return found.is_bool() && found.as_bool();
}

std::string joined_member(json::value const& object, std::string_view name) {
    auto const& found = member(object, name);
    std::string out;
    if (!found.is_array())
        return out;
    for (auto const& item : found.as_array())
        if (item.is_string())
            out.append(out.empty() ? "" : ", ").append(item.as_string().data(), item.as_string().size());
    return out;
}

std::string time_member(json::value const& object, std::string_view name) {
    return readable_time(text_member(object, name));
}

std::string duration_member(json::value const& object, std::string_view name) {
    auto const found = number_member(object, name);
    return found ? readable_duration(*found) : std::string();
}

} // namespace klen::webhooks::app
