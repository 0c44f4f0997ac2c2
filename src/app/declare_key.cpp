#include "app/command_tree.hpp"

#include "app/platform_key.hpp"

namespace klen::webhooks::app {

namespace {

constexpr char const* two_ways =
    "Asks a running daemon when there is an API key (--key, --key-file or their variables) or a --url, else works\n"
    "in the configured database itself, which needs no daemon. --config always means the database.\n"
    "KLEN_WEBHOOKS_ACCOUNT is not read here: whose key it is has to be said.";
constexpr char const* key_id = "The key's id";

/// Which of the two ways the options ask for.
bool from_database(CLI::App const* sub, api_options const& api) {
    if (sub->count("--config") > 0)
        return true;
    return api.key.empty() && api.key_file.empty() && sub->count("--url") == 0;
}

/// Both ways' options; the command itself, given the way.
CLI::App* declare(command_tree& in, CLI::App& group, std::string const& name, std::string const& help,
                  std::function<int(key_source const&)> run) {
    auto* const sub = in.command(group, name, help, [] { return 0; });
    sub->callback([&in, sub, run = std::move(run)] {
        in.choose([&in, sub, run] { return run({in.common().config, from_database(sub, in.common().api)}); });
    });
    return sub;
}

void finish(command_tree& in, CLI::App* sub, std::string const& account_help, std::string const& examples = {}) {
    in.add_config(sub);
    in.add_api(sub, false);
    sub->add_option("--account", in.common().api.account, account_help);
    for (char const* option : {"--url", "--key", "--key-file"})
        sub->get_option("--config")->excludes(sub->get_option(option));
    command_tree::footer(sub, two_ways + (examples.empty() ? "" : "\n\n" + examples));
}

void declare_key_create(command_tree& in, CLI::App& group) {
    auto const what = std::make_shared<key_create_options>();
    auto& api = in.common().api;
    auto* const sub = declare(in, group, "create", "Create a key; shows it this once",
                              [&api, what](key_source const& from) { return run_key_create(from, api, *what); });
    auto* const platform = sub->add_flag("--platform", what->platform, "A platform key: acts for every account");
    command_tree::add_id(sub, "--name", what->name, "Name, for people");
    in.one_of(command_tree::repeated(
                  sub->add_option("--permission", what->permissions, "What it may do; may be repeated; all without")),
              all_permissions());
    constexpr int rate_max = 1'000'000;
    sub->add_option("--max-requests", what->max_requests_per_second, "Most requests a second; as configured without")
        ->check(whole_number_from(1, rate_max))
        ->option_text("N");
    in.add_secret_file(sub, what->into, "Write the key there (0600) instead of showing it");
    in.add_idempotency_key(sub);
    finish(in, sub, "A key of that account",
           "Examples:\n"
           "  klen-webhooks key create --platform --name billing                       # in the database\n"
           "  klen-webhooks key create --account acct_1 --name crm --permission read --key-file platform-key");
    platform->excludes(sub->get_option("--account"));
}

void declare_key_list(command_tree& in, CLI::App& group) {
    auto& common = in.common();
    auto* const sub = declare(in, group, "list", "List keys", [&common](key_source const& from) {
        return run_key_list(from, common.api, common.paging);
    });
    in.add_paging(sub, command_tree::paged::by_page);
    finish(in, sub, "Only keys of that account",
           "From the database all of them are listed; with --json an object a line.");
}

void declare_one(command_tree& in, CLI::App& group, std::string const& name, std::string const& help,
                 int (*run)(key_source const&, api_options const&, std::string const&)) {
    auto const id = std::make_shared<std::string>();
    auto& api = in.common().api;
    auto* const sub =
        declare(in, group, name, help, [&api, id, run](key_source const& from) { return run(from, api, *id); });
    command_tree::add_id(sub, "id", *id, key_id);
    finish(in, sub, "Only if it is a key of that account");
}

} // namespace

void declare_key_commands(command_tree& in) {
    auto& group = *in.group("key", "Create, list and revoke API keys, through a daemon or in the database itself");
    declare_key_create(in, group);
    declare_key_list(in, group);
    declare_one(in, group, "show", "Show one key", run_key_show);
    declare_one(in, group, "revoke", "Revoke a key, for ever", run_key_revoke);
}

} // namespace klen::webhooks::app
