#include "klen/webhooks/app/application.hpp"

#include "app/commands/commands.hpp"
#include "app/commands/complain.hpp"
#include "klen/webhooks/base/version.hpp"

#include <CLI/CLI.hpp>

#include <cstdlib>
#include <functional>

namespace klen::webhooks::app {

namespace {

constexpr char const* exit_codes = "Exit codes: 0 done; 1 refused or failed; 2 the command line is wrong; "
                                   "3 the configuration is wrong;\n"
                                   "            4 the database, a port or the daemon cannot be reached.";

/// Declares the commands and remembers which one was asked for. The option structs live here because CLI11 writes into
/// them while it parses.
class command_line {
  public:
    command_line() {
        read_environment();
        app_.require_subcommand(1);
        app_.footer(exit_codes);
        app_.set_help_all_flag("--help-all", "Help for all commands");
        declare_daemon();
        declare_publish();
        declare_webhook();
        declare_key();
        declare_listen();
        declare_health();
        command(app_, "version", "Show the version", [] {
            std::cout << "klen-webhooks " << version() << '\n';
            return int{exit_ok};
        });
    }

    int run(int argc, char** argv) {
        try {
            app_.parse(argc, argv);
        } catch (CLI::ParseError const& e) {
            // Help is an "error" of code 0; every other one is the user's.
            return app_.exit(e) == 0 ? exit_ok : exit_usage;
        }
        return chosen_();
    }

  private:
    /// Values that options start from. Not CLI11's envname: that writes the variable of every subcommand, chosen or
    /// not, after the options were read, and so takes the environment's word over the command line's.
    void read_environment() {
        auto const take = [](char const* name, std::string& into) {
            if (char const* value = std::getenv(name); value != nullptr && *value != '\0')
                into = value;
        };
        take("KLEN_WEBHOOKS_CONFIG", config_.file);
        take("KLEN_WEBHOOKS_URL", api_.url);
        take("KLEN_WEBHOOKS_KEY", api_.key);
        if (char const* value = std::getenv("KLEN_WEBHOOKS_SECRET"); value != nullptr && *value != '\0')
            listen_.secrets = {value};
    }

    CLI::App* command(CLI::App& parent, std::string const& name, std::string const& what, std::function<int()> run) {
        auto* const sub = parent.add_subcommand(name, what);
        sub->footer(exit_codes);
        sub->callback([this, run = std::move(run)] { chosen_ = run; });
        return sub;
    }

    CLI::App* group(std::string const& name, std::string const& what) {
        auto* const sub = app_.add_subcommand(name, what);
        sub->require_subcommand(1);
        sub->footer(exit_codes);
        return sub;
    }

    void add_config(CLI::App* to) {
        to->add_option("-c,--config", config_.file, "Configuration file (TOML); or KLEN_WEBHOOKS_CONFIG");
    }

    /// An option that may be repeated, one value each time: without that it would swallow what follows it.
    static CLI::Option* repeated(CLI::Option* option) { return option->allow_extra_args(false); }

    void add_api(CLI::App* to, bool account) {
        to->add_option("--url", api_.url, "Where the daemon's API is; or KLEN_WEBHOOKS_URL")->capture_default_str();
        to->add_option("--key", api_.key, "API key (better: --key-file, or KLEN_WEBHOOKS_KEY)");
        to->add_option("--key-file", api_.key_file, "File that holds the API key; wins over --key");
        if (account)
            to->add_option("--account", api_.account, "Account to act for; needed with a platform key");
        to->add_flag("--json", api_.json, "Print the answer as it came");
    }

    void declare_daemon() {
        add_config(command(app_, "serve", "Run the daemon", [this] { return run_serve(config_); }));
        add_config(command(app_, "migrate", "Bring the database's schema up to date",
                           [this] { return run_migrate(config_); }));
        auto* const check = command(app_, "check-config", "Show the configuration in force, or all its errors", [this] {
            return print_default_ ? run_default_config() : run_check_config(config_);
        });
        add_config(check);
        check->add_flag("--defaults", print_default_, "Print the documented default file instead");
    }

    void declare_publish() {
        auto* const sub = command(app_, "publish", "Publish an event, or a JSON array of events",
                                  [this] { return run_publish(api_, publish_); });
        auto* const file = sub->add_option("file", publish_.file, "File with the event as JSON; - for standard input");
        auto* const type = sub->add_option("--type", publish_.type, "Event type, like call.ended");
        auto* const sample = sub->add_flag("--sample", publish_.sample, "Publish the built-in sample of --type");
        auto* const all =
            sub->add_flag("--all-samples", publish_.all_samples, "Publish a sample of each built-in type");
        auto* const id = sub->add_option("--id", publish_.id, "Idempotency key: published twice, stored once");
        sample->needs(type)->excludes(file)->excludes(all);
        all->excludes(file)->excludes(type)->excludes(id);
        add_api(sub, true);
        sub->callback([this] {
            if (publish_.file.empty() && !publish_.sample && !publish_.all_samples)
                throw CLI::ValidationError("publish", "give a FILE (- for standard input), --sample or --all-samples");
            chosen_ = [this] { return run_publish(api_, publish_); };
        });
    }

    void declare_webhook() {
        auto* const sub = group("webhook", "Create, list, show and delete webhooks");
        auto* const create = command(*sub, "create", "Create a webhook; shows its secret this once",
                                     [this] { return run_webhook_create(api_, create_); });
        create->add_option("endpoint", create_.endpoint, "URL that deliveries are POSTed to")->required();
        create->add_option("--name", create_.name, "Name, for people")->required();
        repeated(create->add_option("--event", create_.events, "Event type, call.* or *; may be repeated"))->required();
        create->add_option("--description", create_.description, "Description, for people");
        repeated(create->add_option("--header", create_.headers, "Custom header, \"Name: value\"; may be repeated"));
        create->add_flag("--disabled", create_.disabled, "Create it disabled");
        create->add_option("--secret-file", create_.secret_file, "Write the secret there (0600) instead of showing it");
        add_api(create, true);
        auto* const list =
            command(*sub, "list", "List webhooks", [this] { return run_webhook_list(api_, page_, limit_); });
        list->add_option("--page", page_, "Page, from 1")->check(CLI::Range(1U, 1'000'000U))->capture_default_str();
        list->add_option("--limit", limit_, "How many on a page")->check(CLI::Range(1U, 100U))->capture_default_str();
        add_api(list, true);
        auto* const show = command(*sub, "show", "Show one webhook", [this] { return run_webhook_show(api_, id_); });
        show->add_option("id", id_, "The webhook's id")->required();
        add_api(show, true);
        auto* const remove =
            command(*sub, "delete", "Delete a webhook", [this] { return run_webhook_delete(api_, id_); });
        remove->add_option("id", id_, "The webhook's id")->required();
        add_api(remove, true);
    }

    void declare_key() {
        auto* const sub = group("key", "Create and list API keys, in the configured database itself");
        auto* const create = command(*sub, "create", "Create a key; shows it this once",
                                     [this] { return run_key_create(config_, key_); });
        auto* const platform = create->add_flag("--platform", key_.platform, "A platform key: acts for every account");
        auto* const account = create->add_option("--account", key_.account, "A key of that account");
        platform->excludes(account);
        create->add_option("--name", key_.name, "Name, for people")->required();
        repeated(create->add_option("--permission", key_.permissions,
                                    "publish, read, manage_webhooks or manage_keys; may be repeated; all without"));
        create->add_flag("--json", key_.json, "Print as JSON");
        add_config(create);
        auto* const list = command(*sub, "list", "List keys", [this] { return run_key_list(config_, key_.json); });
        list->add_flag("--json", key_.json, "Print as JSON, a line a key");
        add_config(list);
    }

    void declare_listen() {
        auto* const sub = command(app_, "listen", "Run the demo receiver: verifies and shows deliveries",
                                  [this] { return run_listen(listen_); });
        sub->add_option("--address", listen_.address, "IP address to listen on")->capture_default_str();
        sub->add_option("--port", listen_.port, "Port; 0: any free one")->capture_default_str();
        repeated(sub->add_option("--secret", listen_.secrets,
                                 "Webhook secret (whsec_...); may be repeated; or KLEN_WEBHOOKS_SECRET"));
        repeated(sub->add_option("--secret-file", listen_.secret_files, "File that holds a secret; may be repeated"));
        sub->add_option("--header-prefix", listen_.header_prefix, "As delivery.header_prefix")->capture_default_str();
        sub->add_option("--status", listen_.statuses, "Answer with this, or a list: one per attempt (500,500,200)")
            ->capture_default_str();
        sub->add_option("--delay", listen_.delay, "Wait before each answer, like 500ms or 2s")->capture_default_str();
        auto* const hang = sub->add_flag("--hang", listen_.hang, "Never answer");
        sub->add_flag("--reset", listen_.reset, "Break each connection off instead of answering")->excludes(hang);
        sub->add_option("--count", listen_.count,
                        "End with 0 after so many deliveries were verified and answered with "
                        "2xx, with 1 as soon as one cannot be verified");
        sub->add_option("--timeout", listen_.timeout, "End with 1 after that time")->capture_default_str();
        sub->add_flag("--json", listen_.json, "A JSON object a line");
    }

    void declare_health() {
        auto* const sub = command(app_, "health", "Ask a running daemon whether it lives",
                                  [this] { return run_health(api_, ready_); });
        sub->add_option("--url", api_.url,
                        "Where its API is, or its operations listener if it has one; or KLEN_WEBHOOKS_URL")
            ->capture_default_str();
        sub->add_flag("--ready", ready_, "Ask whether it is ready for work instead");
    }

    CLI::App app_{"klen-webhooks: delivers webhooks from one binary and one PostgreSQL", "klen-webhooks"};
    std::function<int()> chosen_;
    config_source config_;
    api_options api_;
    publish_options publish_;
    webhook_create_options create_;
    key_create_options key_;
    listen_options listen_;
    std::string id_;
    std::uint32_t page_ = 1;
    std::uint32_t limit_ = 50;
    bool ready_ = false;
    bool print_default_ = false;
};

} // namespace

int run(int argc, char** argv) {
    try {
        return command_line().run(argc, argv);
    } catch (std::exception const& e) {
        return complain(exit_failed, e.what());
    }
}

} // namespace klen::webhooks::app
