#include "app/commands/commands.hpp"

#include "app/blocking.hpp"
#include "app/commands/complain.hpp"
#include "app/commands/load.hpp"
#include "app/database.hpp"
#include "app/json_text.hpp"
#include "app/platform_key.hpp"
#include "klen/webhooks/intake/intake.hpp"

#include <algorithm>

namespace klen::webhooks::app {

namespace {

std::string joined(std::vector<std::string> const& words) {
    std::string out;
    for (auto const& word : words)
        out += (out.empty() ? "" : ",") + word;
    return out;
}

std::string quoted_list(std::vector<std::string> const& words) {
    std::string out;
    for (auto const& word : words)
        out += (out.empty() ? "" : ",") + json_quoted(word);
    return "[" + out + "]";
}

std::string key_as_json(store::api_key_row const& row) {
    return R"({"id":")" + row.id.text() + R"(","account_id":)" +
           (row.account_id ? json_quoted(*row.account_id) : std::string("null")) + R"(,"name":)" +
           json_quoted(row.name) + R"(,"hint":)" + json_quoted(row.hint) + R"(,"permissions":)" +
           quoted_list(row.permissions) + R"(,"revoked":)" + (row.revoked ? "true" : "false");
}

result<void> check(key_create_options const& what) {
    if (what.platform != what.account.empty())
        return failure{fault::invalid_argument, "give either --platform or --account ID"};
    if (!what.platform && !intake::is_account_id(what.account))
        return failure{fault::invalid_argument, "--account: " + std::string(intake::account_id_rule)};
    if (what.name.empty() || what.name.size() > 200)
        return failure{fault::invalid_argument, "--name: 1 to 200 characters"};
    for (auto const& name : what.permissions)
        if (std::ranges::find(all_permissions(), name) == all_permissions().end())
            return failure{fault::invalid_argument,
                           "--permission: \"" + name + "\" is none of " + joined(all_permissions())};
    return {};
}

int code_of(failure const& failed) {
    return failed.kind == fault::connection_lost || failed.kind == fault::io || failed.kind == fault::conflict ||
                   failed.kind == fault::not_found // the migrations are not applied
               ? exit_unavailable
               : exit_failed;
}

/// Opens the configured database, checks its schema and does `work` with it.
template <class T>
result<T> with_store(config const& settings, std::function<task<result<T>>(store::api_store&)> const& work) {
    auto where = borrow_database(settings.database);
    if (where.has_error())
        return where.error();
    if (auto complete = require_complete_schema(*where); complete.has_error())
        return complete.error();
    auto const store = store::make_api_store(where->options, 1);
    return run_for_result<result<T>>([&] { return work(*store); });
}

} // namespace

int run_key_create(config_source const& from, key_create_options const& what) {
    if (auto fine = check(what); fine.has_error())
        return complain(exit_usage, fine.error().message);
    auto const settings = load_or_complain(from);
    if (!settings)
        return exit_config;
    auto const account = what.platform ? std::nullopt : std::optional<std::string>(what.account);
    auto const key = make_key(account, what.name, what.permissions);
    auto const stored =
        with_store<store::api_key_row>(*settings, [&key](store::api_store& in) { return in.create_api_key(key.row); });
    if (stored.has_error())
        return complain(code_of(stored.error()), stored.error().message);
    if (what.json)
        std::cout << key_as_json(*stored) << R"(,"key":)" << json_quoted(key.text) << "}\n";
    else
        std::cout << key.text << '\n';
    if (!what.json)
        std::cerr << "Shown this once: only its hash is stored.\n";
    return exit_ok;
}

int run_key_list(config_source const& from, bool json) {
    auto const settings = load_or_complain(from);
    if (!settings)
        return exit_config;
    auto const rows =
        with_store<std::vector<store::api_key_row>>(*settings, [](store::api_store& in) { return in.list_api_keys(); });
    if (rows.has_error())
        return complain(code_of(rows.error()), rows.error().message);
    for (auto const& row : *rows) {
        if (json)
            std::cout << key_as_json(row) << "}\n";
        else
            std::cout << row.id.text() << "  " << row.hint << "  "
                      << (row.account_id ? "account " + terminal_safe(*row.account_id, 64) : "platform") << "  "
                      << joined(row.permissions) << "  " << terminal_safe(row.name, 64)
                      << (row.revoked ? "  (revoked)" : "") << '\n';
    }
    return exit_ok;
}

} // namespace klen::webhooks::app
