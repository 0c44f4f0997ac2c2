#include "app/command_tree.hpp"

#include "app/text_input.hpp"

namespace klen::webhooks::app {

namespace {

constexpr char const* since = "Accepted from then on: 2026-03-02T09:00:00Z, or how long ago: 2h, 3d";
constexpr char const* until = "Accepted up to then";

void declare_publish(command_tree& in, CLI::App& parent) {
    auto const what = std::make_shared<publish_options>();
    auto& api = in.common().api;
    auto* const sub = in.command(parent, "publish", "Publish an event, or a JSON array of events", [] { return 0; });
    auto* const file =
        in.file(sub->add_option("file", what->file, "File with the event as JSON; - for standard input"));
    auto* const type = in.hint(sub->add_option("--type", what->type, "Event type, like call.ended"), built_in_types());
    auto* const sample =
        sub->add_flag("--sample", what->sample, "Publish the sample of --type, from the catalogue if it was added");
    auto* const all = sub->add_flag("--all-samples", what->all_samples, "Publish a sample of each built-in type");
    auto* const id = sub->add_option("--id", what->id, "Idempotency key: published twice, stored once");
    sample->needs(type)->excludes(file)->excludes(all);
    all->excludes(file)->excludes(type)->excludes(id);
    in.add_api(sub);
    sub->callback([&in, &api, what] {
        if (what->file.empty() && !what->sample && !what->all_samples)
            throw CLI::ValidationError("publish", "give a FILE (- for standard input), --sample or --all-samples");
        in.choose([&api, what] { return run_publish(api, *what); });
    });
    command_tree::footer(sub, "An event's own account_id wins over KLEN_WEBHOOKS_ACCOUNT, not over --account;\n"
                              "so it does in an array, event by event.\n"
                              "A sample is of the account that is named so, else of the key's own.\n\n"
                              "Examples:\n"
                              "  klen-webhooks publish event.json\n"
                              "  klen-webhooks publish --type call.ended --sample --account acct_1");
}

void declare_event_list(command_tree& in, CLI::App& group) {
    auto const what = std::make_shared<event_list_options>();
    auto& common = in.common();
    auto* const sub = in.command(group, "list", "List events, newest first", [&common, what] {
        what->paging = common.paging;
        return run_event_list(common.api, *what);
    });
    in.hint(sub->add_option("--event-type", what->event_type, "Only of this type"), built_in_types());
    sub->add_option("--since", what->since, since);
    sub->add_option("--until", what->until, until);
    in.add_paging(sub, command_tree::paged::by_cursor);
    in.add_api(sub);
    command_tree::footer(sub, "Example:\n  klen-webhooks event list --event-type call.ended --since 1h --all");
}

void declare_show(command_tree& in, CLI::App& group) {
    auto const id = std::make_shared<std::string>();
    constexpr int deliveries_max = 200;
    auto& common = in.common();
    auto* const sub =
        in.command(group, "show", "Show one event, its body and its deliveries with their newest attempts",
                   [&common, id] { return run_event_show(common.api, *id, common.paging); });
    command_tree::add_id(sub, "id", *id, "The event's id");
    in.add_part(sub, "deliveries", deliveries_max);
    in.add_api(sub);
}

// --- the catalogue --------------------------------------------------------------------------------------------------

void add_type_fields(command_tree& in, CLI::App* to, event_type_fields& fields) {
    to->add_option("--description", fields.description, "What happened when it is sent, for people");
    in.file(to->add_option("--sample-file", fields.sample_file,
                           "File with a sample of its payload, a JSON object; - for standard input"));
}

void declare_type_change(command_tree& in, CLI::App& group, std::string const& name, std::string const& help,
                         int (*run)(api_options const&, event_type_fields const&)) {
    auto const fields = std::make_shared<event_type_fields>();
    auto& api = in.common().api;
    auto* const sub = in.command(group, name, help, [&api, fields, run] { return run(api, *fields); });
    command_tree::add_id(sub, "type", fields->event_type, "The event type, like order.paid");
    add_type_fields(in, sub, *fields);
    if (name == "create")
        in.add_idempotency_key(sub);
    in.add_api(sub, false);
}

void declare_type_call(command_tree& in, CLI::App& group, std::string const& name, std::string const& help,
                       int (*run)(api_options const&, std::string const&)) {
    auto const type = std::make_shared<std::string>();
    auto& api = in.common().api;
    auto* const sub = in.command(group, name, help, [&api, type, run] { return run(api, *type); });
    in.hint(command_tree::add_id(sub, "type", *type, "The event type, like call.ended"), built_in_types());
    in.add_api(sub, false);
}

void declare_types(command_tree& in) {
    auto& group = *in.group("event-type", "Look at the catalogue of event types, and add to it");
    auto& common = in.common();
    auto* const list = in.command(group, "list", "List the event types that can be published",
                                  [&common] { return run_event_type_list(common.api, common.paging); });
    in.add_paging(list, command_tree::paged::by_page);
    in.add_api(list, false);
    declare_type_call(in, group, "show", "Show one event type with its sample", run_event_type_show);
    declare_type_change(in, group, "create", "Add an event type (needs a platform key)", run_event_type_create);
    declare_type_change(in, group, "update", "Change the description or sample of an event type that was added",
                        run_event_type_update);
    declare_type_call(in, group, "delete", "Take out an event type that was added", run_event_type_delete);
}

} // namespace

void declare_event_commands(command_tree& in) {
    declare_publish(in, in.root());
    auto& group = *in.group("event", "Publish events, and look at what was published");
    declare_publish(in, group);
    declare_event_list(in, group);
    declare_show(in, group);
    declare_types(in);
}

} // namespace klen::webhooks::app
