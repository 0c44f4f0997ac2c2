#include "app/command_tree.hpp"

#include "klen/webhooks/policy/attempt_result.hpp"
#include "klen/webhooks/store/types.hpp"

namespace klen::webhooks::app {

namespace {

constexpr char const* delivery_id = "The delivery's id";

std::vector<std::string> statuses() {
    using store::delivery_status;
    std::vector<std::string> out;
    for (auto const one : {delivery_status::pending, delivery_status::delivering, delivery_status::delivered,
                           delivery_status::failed, delivery_status::cancelled})
        out.emplace_back(store::to_string(one));
    return out;
}

std::vector<std::string> error_classes() {
    using policy::error_class;
    std::vector<std::string> out;
    for (auto value = static_cast<int>(error_class::none) + 1;
         value <= static_cast<int>(error_class::cancelled_by_request); ++value)
        out.emplace_back(policy::to_string(static_cast<error_class>(value)));
    return out;
}

void declare_list(command_tree& in, CLI::App& group) {
    auto const what = std::make_shared<delivery_list_options>();
    auto& common = in.common();
    auto* const sub =
        in.command(group, "list", "List the deliveries of a webhook or of an event, newest first", [&common, what] {
            what->paging = common.paging;
            return run_delivery_list(common.api, *what);
        });
    auto* const webhook = sub->add_option("--webhook", what->webhook, "Of this webhook");
    sub->add_option("--event", what->event, "Of this event")->excludes(webhook);
    in.one_of(command_tree::repeated(sub->add_option("--status", what->statuses,
                                                     "Only with this status; may be repeated, or a list with commas")
                                         ->delimiter(',')),
              statuses());
    sub->add_option("--event-type", what->event_type, "Only of this event type");
    in.hint(sub->add_option("--error-class", what->error_class, "Only with an attempt that failed so, like timeout"),
            error_classes());
    sub->add_option("--since", what->since,
                    "Of events accepted from then on: 2026-03-02T09:00:00Z, or how long ago: 2h, 3d");
    sub->add_option("--until", what->until, "Of events accepted up to then");
    in.add_paging(sub, command_tree::paged::by_cursor);
    in.add_api(sub);
    command_tree::footer(sub, "Examples:\n"
                              "  klen-webhooks delivery list --webhook ID --status failed --since 1d\n"
                              "  klen-webhooks delivery list --event ID");
}

void declare_show(command_tree& in, CLI::App& group) {
    auto const id = std::make_shared<std::string>();
    auto const full = std::make_shared<bool>(false);
    constexpr int attempts_max = 100;
    auto& common = in.common();
    auto* const sub =
        in.command(group, "show", "Show one delivery, its body and its newest attempts",
                   [&common, id, full] { return run_delivery_show(common.api, *id, common.paging, *full); });
    command_tree::add_id(sub, "id", *id, delivery_id);
    sub->add_flag("--full", *full, "Also headers and bodies of each attempt's request and response");
    in.add_part(sub, "attempts", attempts_max);
    in.add_api(sub);
}

CLI::App* declare_call(command_tree& in, CLI::App& group, std::string const& name, std::string const& help,
                       int (*run)(api_options const&, std::string const&)) {
    auto const id = std::make_shared<std::string>();
    auto& api = in.common().api;
    auto* const sub = in.command(group, name, help, [&api, id, run] { return run(api, *id); });
    command_tree::add_id(sub, "id", *id, delivery_id);
    in.add_api(sub);
    return sub;
}

} // namespace

void declare_delivery_commands(command_tree& in) {
    auto& group = *in.group("delivery", "Look at deliveries, send one again, cancel one");
    declare_list(in, group);
    declare_show(in, group);
    in.add_idempotency_key(declare_call(in, group, "resend", "Send a delivery once more, now", run_delivery_resend));
    declare_call(in, group, "cancel", "Cancel a pending delivery", run_delivery_cancel);
}

} // namespace klen::webhooks::app
