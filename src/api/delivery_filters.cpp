#include "delivery_filters.hpp"

#include "cursor.hpp"
#include "errors.hpp"
#include "request_scope.hpp"

#include "klen/webhooks/event/event_types.hpp"

#include <algorithm>

namespace klen::webhooks::api {

namespace {

using maybe_refused = std::optional<response>;

maybe_refused read_status(request const& what, std::vector<store::delivery_status>& out) {
    auto const given = what.query_value("status");
    if (!given)
        return std::nullopt;
    for (std::string_view rest = *given;;) {
        auto const name = rest.substr(0, rest.find(','));
        auto const status = store::parse_delivery_status(name);
        if (!status)
            return validation_error("status: must be one or more of pending, delivering, delivered, failed and "
                                    "cancelled, with commas between them");
        if (std::ranges::find(out, *status) == out.end())
            out.push_back(*status);
        if (name.size() == rest.size())
            return std::nullopt;
        rest.remove_prefix(name.size() + 1);
    }
}

maybe_refused read_error_class(request const& what, std::optional<policy::error_class>& out) {
    auto const given = what.query_value("error_class");
    if (!given)
        return std::nullopt;
    out = policy::parse_error_class(*given);
    if (!out || *out == policy::error_class::none)
        return validation_error("error_class: there is no such class; each attempt that failed shows its own, such as "
                                "http_status, timeout or connect_refused");
    return std::nullopt;
}

maybe_refused read_states(request const& what, store::delivery_filter& out) {
    if (auto no = read_status(what, out.status))
        return no;
    return read_error_class(what, out.error);
}

maybe_refused read_event_type(request const& what, std::string& out) {
    auto const given = what.query_value("event_type");
    if (!given)
        return std::nullopt;
    if (!event::is_event_type(*given))
        return validation_error("event_type: must be the exact name of an event type, like call.ended");
    out = *given;
    return std::nullopt;
}

maybe_refused read_time(request const& what, std::string_view name, std::optional<wall_time>& out) {
    auto read = time_of_request(what, name);
    if (auto* no = std::get_if<response>(&read))
        return std::move(*no);
    out = std::get<std::optional<wall_time>>(read);
    return std::nullopt;
}

template <class Id, class Filter>
maybe_refused read_slice(request const& what, Filter& out) {
    auto slice = slice_of_request(what);
    if (auto* no = std::get_if<response>(&slice))
        return std::move(*no);
    auto const& wanted = std::get<slice_request>(slice);
    if (wanted.after)
        out.after = Id{*wanted.after};
    out.limit = wanted.limit;
    return std::nullopt;
}

/// What lists of deliveries and of events have in common.
template <class Id, class Filter>
maybe_refused read_list(request const& what, Filter& out) {
    if (auto no = read_slice<Id>(what, out))
        return no;
    if (auto no = read_event_type(what, out.event_type))
        return no;
    if (auto no = read_time(what, "since", out.since))
        return no;
    if (auto no = read_time(what, "until", out.until))
        return no;
    if (out.since && out.until && *out.since >= *out.until)
        return validation_error("since: must be before until");
    return std::nullopt;
}

} // namespace

std::variant<store::delivery_filter, response> delivery_filter_of(request const& what) {
    store::delivery_filter out;
    if (auto no = read_states(what, out))
        return std::move(*no);
    if (auto no = read_list<delivery_id>(what, out))
        return std::move(*no);
    return out;
}

std::variant<store::event_filter, response> event_filter_of(request const& what) {
    store::event_filter out;
    if (auto no = read_list<event_id>(what, out))
        return std::move(*no);
    return out;
}

} // namespace klen::webhooks::api
