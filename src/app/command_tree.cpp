#include "app/command_tree.hpp"

#include "app/commands/complain.hpp"
#include "app/json_text.hpp"
#include "base/settings_suggest.hpp"
#include "klen/webhooks/app/application.hpp"
#include "klen/webhooks/base/version.hpp"
#include "klen/webhooks/event/event_types.hpp"

#include <algorithm>
#include <charconv>
#include <cstdlib>

namespace klen::webhooks::app {

namespace {

constexpr char const* exit_codes = "Exit codes: 0 done; 1 refused or failed; 2 the command line is wrong; "
                                   "3 the configuration is wrong;\n"
                                   "            4 the database, a port or the daemon cannot be reached.";

constexpr char const* daemon_options = "The daemon";
constexpr char const* list_options = "The list";

constexpr char const* daemon_address = "Where the daemon's API is; or KLEN_WEBHOOKS_URL";

std::string refuse_empty(std::string const& text) { return text.empty() ? "must not be empty" : ""; }

bool is_shown(CLI::Option const* option) { return !option->get_group().empty(); }

std::string from_to(int min, int max, std::string const& given) {
    return " from " + std::to_string(min) + " to " + std::to_string(max) + ", not \"" + terminal_safe(given, 64) + '"';
}

template <class T>
bool is_within(std::string const& text, T min, T max) {
    T value{};
    auto const [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    return error == std::errc() && end == text.data() + text.size() && value >= min && value <= max;
}

/// CLI11's errors in words that say what to write.
std::string in_words(std::string text) {
    auto const cut = [&text](std::string_view from, std::string_view instead) {
        if (auto const at = text.find(from); at != std::string::npos)
            text.replace(at, std::string::npos, instead);
    };
    auto const reword = [&text](std::string_view from, std::string_view instead) {
        if (auto const at = text.find(from); at != std::string::npos)
            text.replace(at, from.size(), instead);
    };
    constexpr std::string_view unread = "Could not convert: ";
    if (text.starts_with(unread)) {
        auto const equals = text.find(" = ");
        return text.substr(unread.size(), equals - unread.size()) + ": cannot be \"" +
               terminal_safe(text.substr(std::min(equals + 3, text.size())), 64) + '"';
    }
    if (text == "A subcommand is required")
        return "a command is missing";
    cut(": At Most ", " is given more than once");
    cut(": 1 required ", " needs a value");
    reword(" requires ", " goes only with ");
    reword(" excludes ", " does not go with ");
    return terminal_safe(text, 4096);
}

} // namespace

CLI::Validator whole_number_from(int min, int max) {
    return {[min, max](std::string const& text) {
                return is_within<int>(text, min, max) ? std::string()
                                                      : "must be a whole number" + from_to(min, max, text);
            },
            ""};
}

CLI::Validator number_from(int min, int max) {
    return {[min, max](std::string const& text) {
                return is_within<double>(text, min, max) ? std::string() : "must be a number" + from_to(min, max, text);
            },
            ""};
}

std::vector<std::string> built_in_types() {
    std::vector<std::string> out;
    for (auto const& entry : event::built_in_event_types())
        out.push_back(entry.event_type);
    return out;
}

command_tree::command_tree()
    : app_("klen-webhooks: delivers webhooks from one binary and one PostgreSQL", "klen-webhooks") {
    read_environment();
    app_.require_subcommand(1);
    app_.footer(exit_codes);
    app_.set_help_all_flag("--help-all", "Help for all commands");
    app_.set_version_flag("-V,--version", "klen-webhooks " + std::string(version()), "Show the version");
}

/// Values that options start from. Not CLI11's envname: that writes the variable of every subcommand, chosen or not,
/// after the options were read, and so takes the environment's word over the command line's.
void command_tree::read_environment() {
    auto const take = [](char const* name, std::string& into) {
        if (char const* value = std::getenv(name); value != nullptr && *value != '\0')
            into = value;
    };
    take("KLEN_WEBHOOKS_CONFIG", common_.config.file);
    take("KLEN_WEBHOOKS_URL", common_.api.url);
    take("KLEN_WEBHOOKS_KEY", common_.api.key);
    take("KLEN_WEBHOOKS_KEY_FILE", environment_key_file_);
    take("KLEN_WEBHOOKS_ACCOUNT", environment_account_);
}

CLI::App* command_tree::command(CLI::App& parent, std::string const& name, std::string const& what,
                                std::function<int()> run) {
    auto* const sub = parent.add_subcommand(name, what);
    sub->footer(exit_codes);
    sub->callback([this, run = std::move(run)] { chosen_ = run; });
    return sub;
}

CLI::App* command_tree::group(std::string const& name, std::string const& what) {
    auto* const sub = app_.add_subcommand(name, what);
    sub->require_subcommand(1);
    sub->footer(exit_codes);
    return sub;
}

void command_tree::footer(CLI::App* to, std::string const& text) { to->footer(text + "\n\n" + exit_codes); }

void command_tree::add_config(CLI::App* to) {
    file(to->add_option("-c,--config", common_.config.file, "Configuration file (TOML); or KLEN_WEBHOOKS_CONFIG"));
}

void command_tree::add_api(CLI::App* to, bool account) {
    to->add_option("--url,--api", common_.api.url, daemon_address)->capture_default_str()->group(daemon_options);
    add_account_and_rest(to, account);
}

void command_tree::add_api_beside_url(CLI::App* to, std::string const& instead) {
    to->add_option("--api", common_.api.url, daemon_address)->capture_default_str()->group(daemon_options);
    auto const refuse = [instead](std::string const&) {
        return "--url could be the webhook's URL or the daemon's: write " + instead +
               " for the webhook's, --api URL (or KLEN_WEBHOOKS_URL) for the daemon's";
    };
    to->add_option("--url")->check(CLI::Validator(refuse, ""))->group("");
    add_account_and_rest(to, true);
}

void command_tree::add_account_and_rest(CLI::App* to, bool account) {
    auto& api = common_.api;
    to->add_option("--key", api.key, "API key; or KLEN_WEBHOOKS_KEY (better: a file)")->group(daemon_options);
    file(to->add_option("--key-file", api.key_file,
                        "File that holds the API key, wins over --key; or KLEN_WEBHOOKS_KEY_FILE"))
        ->group(daemon_options);
    if (account) {
        to->add_option("--account", api.account,
                       "Account to act for; needed with a platform key; or KLEN_WEBHOOKS_ACCOUNT")
            ->group(daemon_options);
        act_for_account_.insert(to);
    }
    to->add_option("--timeout", api.timeout, "How long a call may take, like 10s")
        ->capture_default_str()
        ->group(daemon_options);
    to->add_flag("--json", api.json, "Print the answer as it came, an error with its request_id");
}

void command_tree::add_idempotency_key(CLI::App* to) {
    to->add_option("--idempotency-key", common_.api.idempotency_key,
                   "Of your choice: repeated with the same one, the call is carried out once and answered the same");
}

void command_tree::add_paging(CLI::App* to, paged how) {
    auto& paging = common_.paging;
    constexpr int limit_max = 200;
    constexpr int page_max = 1'000'000'000;
    to->add_option("--limit", paging.limit, "How many at once, up to 200")
        ->check(whole_number_from(1, limit_max))
        ->option_text("N")
        ->group(list_options);
    if (how == paged::not_at_all)
        return;
    auto* const all = to->add_flag("--all", paging.all, "All of them, call after call; with --json an object a line")
                          ->group(list_options);
    auto* const place = how == paged::by_page ? to->add_option("--page", paging.page, "Page, from 1")
                                                    ->check(whole_number_from(1, page_max))
                                                    ->option_text("N")
                                              : to->add_option("--cursor", paging.cursor,
                                                               "Where to go on: what the list before ended with");
    place->group(list_options);
    if (how == paged::by_page)
        all->excludes(place);
}

void command_tree::add_part(CLI::App* to, std::string const& plural, int limit_max) {
    auto& paging = common_.paging;
    to->add_option("--limit", paging.limit, "How many " + plural + " at once, up to " + std::to_string(limit_max))
        ->check(whole_number_from(1, limit_max))
        ->option_text("N")
        ->group(list_options);
    to->add_option("--cursor", paging.cursor, "Where to go on: what the part before ended with")->group(list_options);
}

CLI::Option* command_tree::add_id(CLI::App* to, std::string const& name, std::string& into, std::string const& what) {
    return to->add_option(name, into, what)->required()->check(CLI::Validator(refuse_empty, ""));
}

void command_tree::add_secret_file(CLI::App* to, secret_target& into, std::string const& help) {
    auto* const name = file(to->add_option("--secret-file", into.file, help));
    to->add_flag("--force", into.force, "Write it even if the file exists")->needs(name);
}

CLI::Option* command_tree::repeated(CLI::Option* option) { return option->allow_extra_args(false); }

CLI::Option* command_tree::one_of(CLI::Option* option, std::vector<std::string> values) {
    option->check(CLI::IsMember(values));
    return hint(option, std::move(values));
}

CLI::Option* command_tree::hint(CLI::Option* option, std::vector<std::string> values) {
    values_[option] = std::move(values);
    return option;
}

CLI::Option* command_tree::file(CLI::Option* option) {
    files_.insert(option);
    return option->type_name("FILE");
}

std::vector<std::string> const& command_tree::values_of(CLI::Option const* option) const {
    static std::vector<std::string> const none;
    auto const found = values_.find(option);
    return found == values_.end() ? none : found->second;
}

CLI::App const* command_tree::chosen_command() const {
    CLI::App const* out = &app_;
    while (!out->get_subcommands().empty())
        out = out->get_subcommands().front();
    return out;
}

/// Variables that stand in for options. An --account that is empty is nobody's.
void command_tree::take_defaults() {
    auto const* const chosen = chosen_command();
    auto& api = common_.api;
    auto const* const key_option = chosen->get_option_no_throw("--key");
    bool const key_was_given = key_option != nullptr && key_option->count() > 0;
    if (!key_was_given && api.key_file.empty())
        api.key_file = environment_key_file_; // wins over the key's variable, as --key-file does over --key
    if (act_for_account_.contains(chosen) && chosen->count("--account") == 0)
        common_.api.default_account = environment_account_;
}

/// What is wrong with the words in front of the options, if they name no command: CLI11 would only say that a
/// subcommand is required.
std::optional<std::string> command_tree::unknown_command(int argc, char** argv) const {
    CLI::App const* at = &app_;
    std::string path;
    for (int i = 1; i < argc; ++i) {
        std::string_view const word = argv[i];
        std::vector<std::string> names;
        for (auto const* sub : at->get_subcommands([](CLI::App const*) { return true; }))
            names.push_back(sub->get_name());
        if (names.empty() || word.starts_with('-'))
            return std::nullopt;
        if (auto const found = std::ranges::find(names, word); found != names.end()) {
            at = at->get_subcommand(*found);
            path += *found + " ";
            continue;
        }
        auto const near = settings::nearest(word, names);
        return "there is no command \"" + path + terminal_safe(word, 64) + "\"" +
               (near.empty() ? "; `klen-webhooks " + path + "--help` lists them"
                             : "; did you mean \"" + path + near + "\"?");
    }
    return std::nullopt;
}

/// What was left over, in the order in which it was written: CLI11 turns it round.
std::string command_tree::unexpected() const {
    std::vector<std::string> names;
    for (auto const* option : chosen_command()->get_options())
        for (auto const& name : option->get_lnames())
            if (is_shown(option))
                names.push_back("--" + name);
    std::string words;
    std::string meant;
    for (auto const& word : app_.remaining(true)) {
        words.append(words.empty() ? "" : " ").append(terminal_safe(word, 64));
        if (meant.empty() && word.starts_with("--"))
            meant = settings::nearest(word.substr(0, word.find('=')), names);
    }
    return "not expected: " + words + (meant.empty() ? "" : "; did you mean " + meant + "?");
}

/// An error of CLI11's with the command whose help tells more.
std::string command_tree::explained(CLI::ParseError const& e) const {
    auto text = in_words(e.what());
    if (text.starts_with(": ")) // CLI11 does not name a hidden option
        text.erase(0, 2);
    std::string path;
    for (CLI::App const* at = &app_; !at->get_subcommands().empty();) {
        at = at->get_subcommands().front();
        path += " " + at->get_name();
    }
    return text + "; see `klen-webhooks" + path + " --help`";
}

int command_tree::run(int argc, char** argv) {
    std::vector<char*> words(argv, argv + argc);
    // As with other tools: `help webhook list` is `webhook list --help`.
    std::string help = "--help";
    if (argc > 1 && std::string_view(argv[1]) == "help") {
        words.erase(words.begin() + 1);
        words.push_back(help.data());
    }
    auto const count = static_cast<int>(words.size());
    if (auto const wrong = unknown_command(count, words.data()))
        return complain(exit_usage, *wrong);
    try {
        app_.parse(count, words.data());
    } catch (CLI::ExtrasError const&) {
        return complain(exit_usage, unexpected());
    } catch (CLI::Success const& e) {
        return app_.exit(e); // help, or the version
    } catch (CLI::ParseError const& e) {
        return complain(exit_usage, explained(e));
    }
    take_defaults();
    return chosen_();
}

} // namespace klen::webhooks::app
