#pragma once

#include "app/commands/commands.hpp"

#include <CLI/CLI.hpp>

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace klen::webhooks::app {

/// Where options of several commands are read into: options that CLI11 writes into must outlive the parse, and there is
/// one command line a process.
struct common_options {
    config_source config;
    api_options api;
    paging_options paging;
};

/// The event types that are built in, to be offered where one is asked for.
std::vector<std::string> built_in_types();

/// The commands with their options, and which one was asked for.
class command_tree {
  public:
    command_tree();
    command_tree(command_tree const&) = delete;
    command_tree& operator=(command_tree const&) = delete;

    CLI::App& root() { return app_; }
    CLI::App const& root() const { return app_; }
    common_options& common() { return common_; }

    /// A command below `parent` that does `run` when it is chosen.
    CLI::App* command(CLI::App& parent, std::string const& name, std::string const& what, std::function<int()> run);
    /// A name with commands below it.
    CLI::App* group(std::string const& name, std::string const& what);
    /// Lines for the end of the help, in front of the exit codes.
    static void footer(CLI::App* to, std::string const& text);

    // --- options --------------------------------------------------------------------------------------------------

    void add_config(CLI::App* to);
    /// Where the daemon is and with which key; --json. `account`: who is acted for.
    void add_api(CLI::App* to, bool account = true);
    /// The same for a command that is about another URL: --url would be taken for that, and the key be sent there. So
    /// the daemon is --api there, and --url is refused. `instead`: what to write for the other URL.
    void add_api_beside_url(CLI::App* to, std::string const& instead);
    void add_idempotency_key(CLI::App* to);
    enum class paged { by_page, by_cursor, not_at_all };
    /// --limit and what else walks a list.
    void add_paging(CLI::App* to, paged how);
    /// --limit and --cursor of what is shown with one thing: its `plural`.
    void add_part(CLI::App* to, std::string const& plural, int limit_max);
    /// The thing that the command is about; empty is refused: it would name the list.
    static CLI::Option* add_id(CLI::App* to, std::string const& name, std::string& into, std::string const& what);
    /// --secret-file with `help`, and --force.
    void add_secret_file(CLI::App* to, secret_target& into, std::string const& help);
    /// An option that may be repeated, one value each time: without that it would swallow what follows it.
    static CLI::Option* repeated(CLI::Option* option);

    // --- what completion offers ------------------------------------------------------------------------------------

    /// Refuses other values.
    CLI::Option* one_of(CLI::Option* option, std::vector<std::string> values);
    /// Offers them only: the daemon may know more.
    CLI::Option* hint(CLI::Option* option, std::vector<std::string> values);
    CLI::Option* file(CLI::Option* option);
    std::vector<std::string> const& values_of(CLI::Option const* option) const;
    bool takes_file(CLI::Option const* option) const { return files_.contains(option); }

    /// Parses, runs what was chosen, returns its exit code.
    int run(int argc, char** argv);
    /// For commands that are checked beyond what CLI11 can: from within their callback.
    void choose(std::function<int()> run) { chosen_ = std::move(run); }

  private:
    void read_environment();
    void add_account_and_rest(CLI::App* to, bool account);
    void take_defaults();
    std::optional<std::string> unknown_command(int argc, char** argv) const;
    std::string unexpected() const;
    std::string explained(CLI::ParseError const& e) const;
    CLI::App const* chosen_command() const;

    CLI::App app_;
    common_options common_;
    std::function<int()> chosen_;
    std::string environment_account_;
    std::string environment_key_file_;
    std::set<CLI::App const*> act_for_account_;
    std::map<CLI::Option const*, std::vector<std::string>> values_;
    std::set<CLI::Option const*> files_;
};

/// What an option's number may be. CLI11's own check says "Value abc not in range 0.000000 to 168.000000".
CLI::Validator whole_number_from(int min, int max);
CLI::Validator number_from(int min, int max);

void declare_daemon_commands(command_tree& in);
void declare_webhook_commands(command_tree& in);
void declare_event_commands(command_tree& in);
void declare_delivery_commands(command_tree& in);
void declare_key_commands(command_tree& in);
void declare_listen_command(command_tree& in);

/// A script for bash or zsh that completes this command line.
std::string completion_script(command_tree const& of, std::string const& shell);

} // namespace klen::webhooks::app
