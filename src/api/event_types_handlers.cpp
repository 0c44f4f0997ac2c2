#include "json_writer.hpp"
#include "request_scope.hpp"
#include "routes.hpp"

#include "klen/webhooks/event/event_types.hpp"

#include <algorithm>

namespace klen::webhooks::api {

namespace {

event::catalogue_entry const* built_in(std::string_view name) {
    auto const all = event::built_in_event_types();
    auto const found = std::ranges::find(all, name, &event::catalogue_entry::event_type);
    return found == all.end() ? nullptr : &*found;
}

void write_event_type(json_writer& out, std::string const& name) {
    auto const* known = built_in(name);
    out.begin_object().member("event_type", name);
    out.member_or_null("description", known == nullptr ? "" : known->description);
    out.key("sample").raw(known == nullptr ? "null" : known->sample);
    out.end_object();
}

task<response> list_event_types(services const* with, request what, caller) {
    auto const page = page_of_request(what);
    if (auto const* no = std::get_if<response>(&page))
        co_return *no;
    auto const [number, limit] = std::get<store::page_request>(page);
    auto const names = with->catalogue->names();
    json_writer out;
    out.begin_object()
        .member("count", names.size())
        .member("page", number)
        .member("limit", limit)
        .member("pages", pages_of(names.size(), limit));
    out.key("event_types").begin_array();
    std::size_t const first = std::min<std::size_t>(std::size_t{number - 1} * limit, names.size());
    for (std::size_t i = first; i < std::min<std::size_t>(first + limit, names.size()); ++i)
        write_event_type(out, names[i]);
    out.end_array().end_object();
    co_return response{.status = 200, .body = out.take(), .headers = {}};
}

} // namespace

void add_event_type_routes(std::vector<route>& out, services_ptr const& with) {
    out.push_back(make_route(with, method::get, "/api/v1/event-types", "read", list_event_types));
}

} // namespace klen::webhooks::api
