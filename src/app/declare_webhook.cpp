#include "app/command_tree.hpp"

#include "klen/webhooks/event/event_types.hpp"

namespace klen::webhooks::app {

namespace {

constexpr char const* webhook_id = "The webhook's id";
constexpr char const* secret_file = "Write the secret there (0600) instead of showing it";
constexpr char const* use_secret_file = "File with the secret to use (whsec_...), - for standard input; without it, "
                                        "one is made";

/// What a webhook may subscribe to; the service's own types, too.
std::vector<std::string> patterns() {
    std::vector<std::string> out{"*", "call.*", "calendar.*", "webhook.*", "delivery.*"};
    for (auto& one : built_in_types())
        out.push_back(std::move(one));
    for (auto const& entry : event::operational_event_types())
        out.push_back(entry.event_type);
    return out;
}

/// What creating and updating have in common.
void add_fields(command_tree& in, CLI::App* to, webhook_fields& fields) {
    to->add_option("--description", fields.description, "Description, for people");
    to->add_option("--metadata", fields.metadata, "Your own data: a JSON object");
    to->add_option("--max-concurrency", fields.max_concurrency,
                   "Most requests at a time, or none for no limit of its own");
    to->add_option("--max-rate", fields.max_rate, "Most requests a second, or none for no limit of its own");
    to->add_option("--note", fields.note, "Why it is disabled, for people");
    in.hint(
        command_tree::repeated(to->add_option("--event", fields.events, "Event type, call.* or *; may be repeated")),
        patterns());
}

void declare_webhook_create(command_tree& in, CLI::App& group) {
    auto const what = std::make_shared<webhook_create_options>();
    auto& api = in.common().api;
    auto* const sub = in.command(group, "create", "Create a webhook; shows its secret",
                                 [&api, what] { return run_webhook_create(api, *what); });
    auto& fields = what->fields;
    command_tree::add_id(sub, "endpoint", fields.endpoint.emplace(), "URL that deliveries are POSTed to");
    sub->add_option("--name", fields.name, "Name, for people")->required();
    add_fields(in, sub, fields);
    sub->get_option("--event")->required();
    command_tree::repeated(
        sub->add_option("--header", fields.headers, "Custom header, \"Name: value\"; may be repeated"));
    sub->add_flag("--disabled", fields.disable, "Create it disabled");
    in.file(sub->add_option("--use-secret-file", what->use_secret_file, use_secret_file));
    in.add_secret_file(sub, what->into, secret_file);
    in.add_idempotency_key(sub);
    in.add_api_beside_url(sub, "it without an option");
    command_tree::footer(sub, "Example:\n"
                              "  klen-webhooks webhook create https://example.com/hook --name crm --event 'call.*' \\\n"
                              "      --account acct_1 --secret-file crm.secret");
}

void declare_webhook_list(command_tree& in, CLI::App& group) {
    auto const what = std::make_shared<webhook_list_options>();
    auto& common = in.common();
    auto* const sub = in.command(group, "list", "List webhooks", [&common, what] {
        what->paging = common.paging;
        return run_webhook_list(common.api, *what);
    });
    auto* const enabled = sub->add_flag("--enabled", what->enabled, "Only those that are enabled");
    sub->add_flag("--disabled", what->disabled, "Only those that are disabled")->excludes(enabled);
    in.hint(sub->add_option("--event-type", what->event_type, "Only those that an event of this type would go to"),
            built_in_types());
    sub->add_option("--search", what->search, "Only those with this text in name or URL");
    in.add_paging(sub, command_tree::paged::by_page);
    in.add_api(sub);
    command_tree::footer(sub, "A platform key without an account (--account '' where the variable names one) lists the "
                              "webhooks of all accounts.\n\nExample:\n"
                              "  klen-webhooks webhook list --disabled --all --json | jq -r .id");
}

void declare_update(command_tree& in, CLI::App& group) {
    auto const what = std::make_shared<webhook_fields>();
    auto const id = std::make_shared<std::string>();
    auto& api = in.common().api;
    auto* const sub = in.command(group, "update", "Change a webhook: only what is named changes",
                                 [&api, what, id] { return run_webhook_update(api, *id, *what); });
    command_tree::add_id(sub, "id", *id, webhook_id);
    sub->add_option("--endpoint", what->endpoint, "URL that deliveries are POSTed to");
    sub->add_option("--name", what->name, "Name, for people");
    add_fields(in, sub, *what);
    auto* const headers = command_tree::repeated(sub->add_option(
        "--header", what->headers, "Custom header, \"Name: value\"; may be repeated; they replace all there are"));
    sub->add_flag("--no-headers", what->no_headers, "No custom headers any more")->excludes(headers);
    auto* const enable = sub->add_flag("--enable", what->enable, "Enable it");
    sub->add_flag("--disable", what->disable, "Disable it")->excludes(enable);
    in.add_api_beside_url(sub, "--endpoint URL");
    command_tree::footer(sub, "Examples:\n"
                              "  klen-webhooks webhook update ID --endpoint https://example.com/new\n"
                              "  klen-webhooks webhook update ID --event call.ended --event 'calendar.*'   # these, "
                              "no others");
}

/// A command that takes a webhook's id and nothing else.
CLI::App* declare_simple(command_tree& in, CLI::App& group, std::string const& name, std::string const& what,
                         int (*run)(api_options const&, std::string const&)) {
    auto const id = std::make_shared<std::string>();
    auto& api = in.common().api;
    auto* const sub = in.command(group, name, what, [&api, id, run] { return run(api, *id); });
    command_tree::add_id(sub, "id", *id, webhook_id);
    in.add_api(sub);
    return sub;
}

void declare_disable(command_tree& in, CLI::App& group) {
    auto const id = std::make_shared<std::string>();
    auto const note = std::make_shared<std::string>();
    auto& api = in.common().api;
    auto* const sub = in.command(group, "disable", "Disable a webhook: what is pending waits",
                                 [&api, id, note] { return run_webhook_disable(api, *id, *note); });
    command_tree::add_id(sub, "id", *id, webhook_id);
    sub->add_option("--note", *note, "Why, for people");
    in.add_api(sub);
}

void declare_secret(command_tree& in, CLI::App& group) {
    auto const id = std::make_shared<std::string>();
    auto const into = std::make_shared<secret_target>();
    auto& api = in.common().api;
    auto* const sub = in.command(group, "secret", "Show a webhook's secrets, newest first",
                                 [&api, id, into] { return run_webhook_secret(api, *id, *into); });
    command_tree::add_id(sub, "id", *id, webhook_id);
    in.add_secret_file(sub, *into, "Write the newest there (0600) and show none");
    in.add_api(sub);
}

void declare_rotate(command_tree& in, CLI::App& group) {
    auto const what = std::make_shared<secret_rotate_options>();
    auto& api = in.common().api;
    auto* const sub = in.command(group, "rotate-secret", "Give a webhook a new secret; shows it",
                                 [&api, what] { return run_webhook_rotate_secret(api, *what); });
    command_tree::add_id(sub, "id", what->webhook, webhook_id);
    constexpr int hours_max = 168;
    sub->add_option("--grace", what->grace_hours,
                    "How long the secret before goes on signing beside it, 0 to 168 hours; as configured without")
        ->check(number_from(0, hours_max))
        ->option_text("HOURS");
    in.file(sub->add_option("--use-secret-file", what->use_secret_file, use_secret_file));
    in.add_secret_file(sub, what->into, secret_file);
    in.add_idempotency_key(sub);
    in.add_api(sub);
    command_tree::footer(sub, "Example:\n"
                              "  klen-webhooks webhook rotate-secret ID --grace 48 --secret-file crm.secret --force");
}

void declare_test(command_tree& in, CLI::App& group) {
    auto const id = std::make_shared<std::string>();
    auto const type = std::make_shared<std::string>();
    auto& api = in.common().api;
    auto* const sub =
        in.command(group, "test", "Send a sample to a webhook now and show what came back; exit code 1 if it failed",
                   [&api, id, type] { return run_webhook_test(api, *id, *type); });
    command_tree::add_id(sub, "id", *id, webhook_id);
    in.hint(sub->add_option("--event-type", *type, "Of this type; webhook.test without"), built_in_types());
    in.add_idempotency_key(sub);
    in.add_api(sub);
}

constexpr char const* wait_for_the_end = "Wait until it is done and show its progress; interrupted, the job goes on";

void declare_recover(command_tree& in, CLI::App& group) {
    auto const what = std::make_shared<recover_options>();
    auto& api = in.common().api;
    auto* const sub = in.command(group, "recover", "Send again what failed since a time, as a job of the daemon",
                                 [&api, what] { return run_webhook_recover(api, *what); });
    command_tree::add_id(sub, "id", what->webhook, webhook_id);
    sub->add_option("--since", what->since, "Events from then on: 2026-03-02T09:00:00Z, or how long ago: 2h, 3d")
        ->required();
    sub->add_option("--until", what->until, "Events up to then; now without");
    sub->add_flag("--never-attempted", what->never_attempted,
                  "Also events that it subscribes to now, but was never sent");
    sub->add_flag("--wait", what->wait, wait_for_the_end);
    in.add_idempotency_key(sub);
    in.add_api(sub);
    command_tree::footer(sub, "Example, after an outage of the receiver:\n"
                              "  klen-webhooks webhook recover ID --since 6h --wait");
}

void declare_cancel_pending(command_tree& in, CLI::App& group) {
    auto const id = std::make_shared<std::string>();
    auto const wait = std::make_shared<bool>(false);
    auto& api = in.common().api;
    auto* const sub = in.command(group, "cancel-pending", "Cancel what waits for a webhook, as a job of the daemon",
                                 [&api, id, wait] { return run_webhook_cancel_pending(api, *id, *wait); });
    command_tree::add_id(sub, "id", *id, webhook_id);
    sub->add_flag("--wait", *wait, wait_for_the_end);
    in.add_idempotency_key(sub);
    in.add_api(sub);
}

void declare_jobs(command_tree& in, CLI::App& group) {
    auto const id = std::make_shared<std::string>();
    auto& common = in.common();
    auto* const sub = in.command(group, "jobs", "List a webhook's jobs, newest first",
                                 [&common, id] { return run_webhook_jobs(common.api, *id, common.paging.limit); });
    command_tree::add_id(sub, "id", *id, webhook_id);
    in.add_paging(sub, command_tree::paged::not_at_all);
    in.add_api(sub);
}

void declare_job(command_tree& in) {
    auto const id = std::make_shared<std::string>();
    auto const wait = std::make_shared<bool>(false);
    auto& api = in.common().api;
    auto* const sub = in.command(*in.group("job", "Follow the jobs that recover and cancel-pending start"), "show",
                                 "Show one job", [&api, id, wait] { return run_job_show(api, *id, *wait); });
    command_tree::add_id(sub, "id", *id, "The job's id");
    sub->add_flag("--wait", *wait, wait_for_the_end);
    in.add_api(sub);
}

} // namespace

void declare_webhook_commands(command_tree& in) {
    auto& group = *in.group("webhook", "Manage webhooks, their secrets and what they get");
    declare_webhook_create(in, group);
    declare_webhook_list(in, group);
    declare_simple(in, group, "show", "Show one webhook and its health", run_webhook_show);
    declare_update(in, group);
    declare_simple(in, group, "enable", "Enable a webhook: what waited is sent", run_webhook_enable);
    declare_disable(in, group);
    declare_simple(in, group, "delete", "Delete a webhook: what is pending is cancelled", run_webhook_delete);
    declare_secret(in, group);
    declare_rotate(in, group);
    declare_test(in, group);
    declare_recover(in, group);
    declare_cancel_pending(in, group);
    declare_jobs(in, group);
    declare_job(in);
}

} // namespace klen::webhooks::app
