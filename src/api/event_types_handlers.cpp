#include "errors.hpp"
#include "event_samples.hpp"
#include "json_input.hpp"
#include "json_writer.hpp"
#include "request_scope.hpp"
#include "routes.hpp"

#include "klen/webhooks/event/event_types.hpp"

#include <algorithm>

namespace klen::webhooks::api {

namespace {

constexpr std::string_view no_such_type = "no such event type";
constexpr text_rule description_rule{.characters_min = 0, .characters_max = 2000, .may_have_lines = true};

/// An event type as it is listed.
struct known_type {
    store::event_type_row row;
    bool stored = true; ///< false: it comes from the configuration alone
};

void write_event_type(json_writer& out, known_type const& type) {
    auto const& row = type.row;
    out.begin_object().member("event_type", row.event_type).member_or_null("description", row.description);
    out.key("sample").raw(row.sample.empty() ? "null" : std::string_view(row.sample));
    out.member("built_in", row.built_in)
        .member("created_at", type.stored ? std::optional(row.created_at) : std::nullopt)
        .end_object();
}

response type_response(int status, known_type const& type) {
    json_writer out;
    write_event_type(out, type);
    return {.status = status, .body = out.take(), .headers = {}};
}

bool is_configured(services const& with, std::string_view event_type) {
    auto const& extra = with.settings->intake.extra_event_types;
    return std::ranges::find(extra, event_type) != extra.end();
}

/// What the database has, and what the configuration adds; sorted by name.
std::vector<known_type> catalogue_of(services const& with, std::vector<store::event_type_row> rows) {
    std::vector<known_type> out;
    for (auto& row : rows) {
        if (row.sample.empty())
            row.sample = built_in_sample(row.event_type);
        out.push_back({std::move(row)});
    }
    auto const stored = out.size();
    auto const name = [](known_type const& type) -> auto const& { return type.row.event_type; };
    for (auto const& extra : with.settings->intake.extra_event_types) {
        if (std::ranges::find(out, extra, name) != out.end())
            continue;
        store::event_type_row row;
        row.event_type = extra;
        out.push_back({std::move(row), false});
    }
    if (out.size() > stored || !std::ranges::is_sorted(out, {}, name))
        std::ranges::sort(out, {}, name);
    return out;
}

task<response> list_event_types(services const* with, request what, caller who) {
    auto page = page_of_request(what);
    if (auto* no = std::get_if<response>(&page))
        co_return std::move(*no);
    auto const wanted = std::get<store::page_request>(page);
    auto account_id = who.account_id.value_or("");
    auto found = co_await with->store->event_types(std::move(account_id));
    if (!found)
        co_return failure_response(found.error());
    auto const all = catalogue_of(*with, std::move(*found));
    json_writer out;
    begin_page(out, all.size(), wanted);
    out.key("event_types").begin_array();
    std::size_t const first = std::min<std::size_t>(std::size_t{wanted.page - 1} * wanted.limit, all.size());
    for (std::size_t i = first; i < std::min<std::size_t>(first + wanted.limit, all.size()); ++i)
        write_event_type(out, all[i]);
    out.end_array().end_object();
    co_return response{.status = 200, .body = out.take(), .headers = {}};
}

/// The type in the path; empty when it can be none.
std::string type_of(request const& what) {
    auto const named = what.parameters.find("event_type");
    bool const fits = named != what.parameters.end() && event::is_event_type(named->second);
    return fits ? named->second : std::string();
}

/// One entry of the catalogue, as it is now.
task<std::variant<known_type, response>> find_type(services const* with, std::string event_type, caller who) {
    auto account_id = who.account_id.value_or("");
    auto found = co_await with->store->event_types(std::move(account_id));
    if (!found)
        co_return failure_response(found.error());
    for (auto& type : catalogue_of(*with, std::move(*found)))
        if (type.row.event_type == event_type)
            co_return std::move(type);
    co_return not_found(no_such_type);
}

task<response> show_event_type(services const* with, request what, caller who) {
    auto event_type = type_of(what);
    auto found = co_await find_type(with, std::move(event_type), std::move(who));
    if (auto* no = std::get_if<response>(&found))
        co_return std::move(*no);
    co_return type_response(200, std::get<known_type>(found));
}

// --- create, change, delete ------------------------------------------------------------------------------------------

struct type_input {
    std::string event_type;
    std::optional<std::string> description;
    std::optional<std::string> sample; ///< a whole publish request; empty: none
};

std::optional<std::string> read_sample(object_reader& in, problem_list& problems, parsed_object const& whole,
                                       intake_config const& limits) {
    auto const* given = in.find("sample");
    if (given == nullptr)
        return std::nullopt;
    if (given->is_null())
        return ""; // of a change: takes it away
    auto const payload = whole.raw_member("sample");
    if (payload.size() > limits.payload_bytes_max)
        problems.add("sample", "must be at most " + std::to_string(limits.payload_bytes_max) + " bytes long");
    else if (!given->is_object() || payload_of_sample(sample_of_payload("a.b", payload)).empty())
        problems.add("sample", "must be a payload that can be published: an object without the members event_type and "
                               "timestamp");
    return std::string(payload);
}

/// `named`: the type that the path has; nothing: the body has it.
std::variant<type_input, std::string> read_type(std::string_view body, std::string const& named,
                                                intake_config const& limits) {
    auto parsed = parse_json_object(body);
    if (auto* broken = std::get_if<std::string>(&parsed))
        return std::move(*broken);
    auto const& whole = std::get<parsed_object>(parsed);
    problem_list problems;
    object_reader in(whole.members, problems, named.empty() ? null_means::not_given : null_means::wrong_type);
    type_input out;
    out.event_type = named;
    if (named.empty()) {
        out.event_type = in.required_text("event_type", {.characters_min = 1, .characters_max = 128}).value_or("");
        if (!out.event_type.empty() && !event::is_event_type(out.event_type))
            problems.add("event_type", "must be two or more parts of a-z, 0-9 and _, joined by dots: invoice.paid");
    }
    out.description = in.text("description", description_rule);
    out.sample = read_sample(in, problems, whole, limits);
    in.refuse_others();
    if (!problems.empty())
        return problems.text();
    if (out.sample && !out.sample->empty())
        out.sample = sample_of_payload(out.event_type, *out.sample);
    return out;
}

response type_refusal(failure const& f, std::string_view conflict) {
    return f.kind == fault::conflict ? error_response(409, "conflict", conflict) : failure_response(f, no_such_type);
}

/// When this call began before, the type that is in the way may be the one it made then.
task<response> made_before(services const* with, store::event_type_row wanted, caller who) {
    auto found = co_await find_type(with, wanted.event_type, std::move(who));
    if (auto* no = std::get_if<response>(&found))
        co_return std::move(*no);
    auto const& there = std::get<known_type>(found);
    if (there.row.built_in || there.row.description != wanted.description || there.row.sample != wanted.sample)
        co_return error_response(409, "conflict", "event_type: exists already");
    with->catalogue->note_change(wanted.event_type, true);
    co_return type_response(201, there);
}

task<response> create_event_type(services const* with, request what, caller who) {
    auto read = read_type(what.body, "", with->settings->intake);
    if (auto const* wrong = std::get_if<std::string>(&read))
        co_return validation_error(*wrong);
    auto const& input = std::get<type_input>(read);
    if (input.event_type == event::test_event_type)
        co_return error_response(409, "conflict", "event_type: is the one that test calls send");
    store::event_type_row row;
    row.event_type = input.event_type;
    row.description = input.description.value_or("");
    row.sample = input.sample.value_or("");
    auto const stored = co_await with->store->create_event_type(row);
    if (!stored && stored.error().kind == fault::conflict && what.repeats)
        co_return co_await made_before(with, std::move(row), std::move(who));
    if (!stored)
        co_return type_refusal(stored.error(), "event_type: exists already");
    with->catalogue->note_change(stored->event_type, true);
    co_return type_response(201, {*stored});
}

/// The answer about a type that is not in the database.
response not_stored(services const& with, std::string_view event_type, failure const& f) {
    if (f.kind == fault::not_found && is_configured(with, event_type))
        return error_response(409, "conflict", "event_type: comes from the service's configuration; change it there");
    return type_refusal(f, "event_type: came with the service and stays as it is");
}

task<response> change_event_type(services const* with, request what, caller) {
    auto const event_type = type_of(what);
    if (event_type.empty())
        co_return not_found(no_such_type);
    auto read = read_type(what.body, event_type, with->settings->intake);
    if (auto const* wrong = std::get_if<std::string>(&read))
        co_return validation_error(*wrong);
    auto& input = std::get<type_input>(read);
    auto const now =
        co_await with->store->change_event_type(event_type, std::move(input.description), std::move(input.sample));
    if (!now)
        co_return not_stored(*with, event_type, now.error());
    with->catalogue->note_change(event_type, true); // made by another daemon, perhaps
    co_return type_response(200, {*now});
}

task<response> delete_event_type(services const* with, request what, caller) {
    auto const event_type = type_of(what);
    if (event_type.empty())
        co_return not_found(no_such_type);
    auto const done = co_await with->store->delete_event_type(event_type);
    if (!done)
        co_return not_stored(*with, event_type, done.error());
    with->catalogue->note_change(event_type, false);
    json_writer out;
    out.begin_object()
        .member("event_type", event_type)
        .member("message", "the event type is deleted; webhooks may still name it, but nothing of it can be published")
        .end_object();
    co_return response{.status = 200, .body = out.take(), .headers = {}};
}

} // namespace

void add_event_type_routes(std::vector<route>& out, services_ptr const& with) {
    auto const add = [&](method verb, char const* path, char const* permission, handler_function handler,
                         call_rules rules) {
        out.push_back(make_route(with, verb, path, permission, handler, std::move(rules)));
    };
    constexpr char const* all = "/api/v1/event-types";
    constexpr char const* one = "/api/v1/event-types/{event_type}";
    call_rules const changing{.for_account = false, .platform_only = true, .body = body_size::sample};
    add(method::get, all, "read", list_event_types, {.query = {"page", "limit"}, .for_account = false});
    add(method::get, one, "read", show_event_type, {.for_account = false});
    add(method::post, all, "manage_webhooks", create_event_type,
        {.for_account = false, .platform_only = true, .creates = true, .body = body_size::sample});
    add(method::patch, one, "manage_webhooks", change_event_type, changing);
    add(method::delete_, one, "manage_webhooks", delete_event_type, changing);
}

} // namespace klen::webhooks::api
