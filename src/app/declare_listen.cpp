#include "app/command_tree.hpp"

#include <cstdlib>

namespace klen::webhooks::app {

void declare_listen_command(command_tree& in) {
    auto const how = std::make_shared<listen_options>();
    if (char const* value = std::getenv("KLEN_WEBHOOKS_SECRET"); value != nullptr && *value != '\0')
        how->secrets = {value};
    auto* const sub = in.command(in.root(), "listen", "Run the demo receiver: verifies and shows deliveries",
                                 [how] { return run_listen(*how); });
    sub->add_option("--address", how->address, "IP address to listen on")->capture_default_str();
    constexpr int port_max = 65535;
    sub->add_option("--port", how->port, "Port; 0: any free one")
        ->capture_default_str()
        ->check(whole_number_from(0, port_max));
    command_tree::repeated(sub->add_option("--secret", how->secrets,
                                           "Webhook secret (whsec_...); may be repeated; or KLEN_WEBHOOKS_SECRET"));
    in.file(command_tree::repeated(
        sub->add_option("--secret-file", how->secret_files, "File that holds a secret; may be repeated")));
    sub->add_option("--header-prefix", how->header_prefix, "As delivery.header_prefix")->capture_default_str();
    sub->add_option("--status", how->statuses, "Answer with this, or a list: one per attempt (500,500,200)")
        ->capture_default_str();
    sub->add_option("--delay", how->delay, "Wait before each answer, like 500ms or 2s")->capture_default_str();
    auto* const hang = sub->add_flag("--hang", how->hang, "Never answer");
    sub->add_flag("--reset", how->reset, "Break each connection off instead of answering")->excludes(hang);
    sub->add_option("--count", how->count,
                    "End with 0 after so many deliveries were verified and answered with "
                    "2xx, with 1 as soon as one cannot be verified");
    sub->add_option("--timeout", how->timeout, "End with 1 after that time")->capture_default_str();
    sub->add_flag("--json", how->json, "A JSON object a line");
    command_tree::footer(sub, "Example:\n"
                              "  klen-webhooks listen --port 9000 --secret-file secret.txt --status 500,500,200");
}

} // namespace klen::webhooks::app
