#include "app/command_tree.hpp"

#include "app/commands/complain.hpp"
#include "klen/webhooks/base/version.hpp"

namespace klen::webhooks::app {

namespace {

constexpr char const* reseal_procedure =
    "Every webhook's secret is sealed in the database under a master key. To change that key:\n"
    "  1. Make one: openssl rand -base64 32. On every daemon, set it as secrets.master_key with a new\n"
    "     secrets.master_key_id, and add the old one to secrets.previous_master_keys as \"old id:old key\".\n"
    "     (Of a private PostgreSQL, the old one is in the file master.key of its folder, its id is k1.)\n"
    "  2. Restart the daemons, one after the other: each opens with both keys and seals with the new one.\n"
    "     Where several share a database, first restart all of them with the new key among the previous\n"
    "     ones: else those that do not know it yet cannot send for webhooks made meanwhile.\n"
    "  3. Run klen-webhooks reseal with the same configuration. Daemons go on meanwhile; run again, it does\n"
    "     what is left.\n"
    "  4. Keep the old key listed for intake.idempotency_window_hours more: answers that a repeated call still\n"
    "     gets are sealed with it. Then take it out of the configurations; they are read at the next start.\n"
    "A secret that still signs and that none of the keys opens is named by its webhook's id; the others are done,\n"
    "the exit code is 1. Without its key, give the webhook a new one: webhook rotate-secret ID --grace 0.";

void declare_health(command_tree& in) {
    auto const ready = std::make_shared<bool>(false);
    auto& api = in.common().api;
    auto* const sub = in.command(in.root(), "health", "Ask a running daemon whether it lives",
                                 [&api, ready] { return run_health(api, *ready); });
    sub->add_option("--url", api.url,
                    "Where its API is, or its operations listener if it has one; or KLEN_WEBHOOKS_URL")
        ->capture_default_str();
    sub->add_flag("--ready", *ready, "Ask whether it is ready for work instead");
}

void declare_completion(command_tree& in) {
    auto const shell = std::make_shared<std::string>();
    auto* const sub =
        in.command(in.root(), "completion", "Print a script that completes this command line", [&in, shell] {
            std::cout << completion_script(in, *shell);
            return int{exit_ok};
        });
    in.one_of(sub->add_option("shell", *shell, "bash or zsh")->required(), {"bash", "zsh"});
    command_tree::footer(sub, "Examples:\n"
                              "  source <(klen-webhooks completion bash)                        # this shell\n"
                              "  klen-webhooks completion bash > /etc/bash_completion.d/klen-webhooks\n"
                              "  klen-webhooks completion zsh > \"${fpath[1]}/_klen-webhooks\"");
}

} // namespace

void declare_daemon_commands(command_tree& in) {
    auto& config = in.common().config;
    in.add_config(in.command(in.root(), "serve", "Run the daemon", [&config] { return run_serve(config); }));
    in.add_config(in.command(in.root(), "migrate", "Bring the database's schema up to date",
                             [&config] { return run_migrate(config); }));
    auto const defaults = std::make_shared<bool>(false);
    auto* const check =
        in.command(in.root(), "check-config", "Show the configuration in force, or all its errors",
                   [&config, defaults] { return *defaults ? run_default_config() : run_check_config(config); });
    in.add_config(check);
    check->add_flag("--defaults", *defaults, "Print the documented default file instead");
    auto* const reseal = in.command(in.root(), "reseal", "Seal every webhook's secret anew under the master key",
                                    [&config] { return run_reseal(config); });
    in.add_config(reseal);
    command_tree::footer(reseal, reseal_procedure);
    declare_health(in);
    auto& api = in.common().api;
    in.add_api(
        in.command(in.root(), "whoami", "Show whose key it is and what it may do", [&api] { return run_whoami(api); }),
        false);
    declare_completion(in);
    in.command(in.root(), "version", "Show the version", [] {
        std::cout << "klen-webhooks " << version() << '\n';
        return int{exit_ok};
    });
}

} // namespace klen::webhooks::app
