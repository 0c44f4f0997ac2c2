#include "app/commands/commands.hpp"

#include "api/key_json.hpp"
#include "app/commands/api_call.hpp"
#include "app/commands/complain.hpp"
#include "app/commands/load.hpp"
#include "app/commands/open_store.hpp"
#include "app/commands/secret_output.hpp"
#include "app/json_text.hpp"
#include "app/platform_key.hpp"
#include "app/views/views.hpp"
#include "klen/webhooks/intake/intake.hpp"

namespace klen::webhooks::app {

namespace {

constexpr char const* keys_path = "/api/v1/keys";
constexpr char const* shown_once = "Shown this once: only its hash is stored.\n";

/// As the API's key object. `key` empty: it is not told.
std::string key_as_json(store::api_key_row const& row, std::string const& key = {}) {
    api::json_writer out;
    out.begin_object();
    api::write_key(out, row);
    if (!key.empty())
        out.member("key", key);
    out.end_object();
    return out.take();
}

// --- in the configured database -------------------------------------------------------------------------------------

/// What a daemon would refuse.
result<void> check(key_create_options const& what, api_options const& api) {
    if (what.platform != api.account.empty())
        return failure{fault::invalid_argument,
                       "give either --platform or --account ID (KLEN_WEBHOOKS_ACCOUNT is not read here)"};
    if (!what.platform && !intake::is_account_id(api.account))
        return failure{fault::invalid_argument, "--account: " + std::string(intake::account_id_rule)};
    if (what.name.empty() || what.name.size() > 200)
        return failure{fault::invalid_argument, "--name: 1 to 200 characters"};
    if (!api.idempotency_key.empty())
        return failure{fault::invalid_argument, "--idempotency-key: the database is asked itself, without a daemon"};
    return {};
}

/// Opens the database and does `work` with it; prints errors. `show` gets what it came to.
template <class T>
int in_database(config_source const& from, std::function<task<result<T>>(store::api_store&)> const& work,
                std::function<int(T const&)> const& show) {
    auto const settings = load_or_complain(from);
    if (!settings)
        return exit_config;
    auto const opened = open_store(*settings);
    if (opened.has_error())
        return complain(database_exit_code(opened.error()), opened.error().message);
    auto const done = opened->run(work);
    if (done.has_error())
        return complain(database_exit_code(done.error()), done.error().message);
    return show(*done);
}

int show_new_key(store::api_key_row const& row, std::string const& key, bool json, std::string const& secret_file) {
    if (secret_file.empty()) {
        std::cout << (json ? key_as_json(row, key) : key) << '\n';
        if (!json)
            std::cerr << shown_once;
        return exit_ok;
    }
    auto const kept = keep_secret(secret_file, key, "revoke the key " + row.id.text());
    if (kept.has_error())
        return complain(exit_failed, kept.error().message);
    if (json)
        std::cout << key_as_json(row) << '\n';
    else
        std::cout << "key " << row.id.text() << "\nit is in " << terminal_safe(secret_file, 4096) << '\n';
    return exit_ok;
}

int create_in_database(config_source const& from, api_options const& api, key_create_options const& what) {
    if (auto fine = check(what, api); fine.has_error())
        return complain(exit_usage, fine.error().message);
    if (auto writable = check_secret_file(what.into); writable.has_error())
        return complain(exit_failed, writable.error().message);
    auto const account = what.platform ? std::nullopt : std::optional<std::string>(api.account);
    auto key = make_key(account, what.name, what.permissions);
    key.row.max_requests_per_second = what.max_requests_per_second;
    return in_database<store::api_key_row>(
        from, [&key](store::api_store& in) { return in.create_api_key(key.row); },
        [&](store::api_key_row const& row) { return show_new_key(row, key.text, api.json, what.into.file); });
}

task<result<std::vector<store::api_key_row>>> all_keys(store::api_store& in, store::key_scope scope) {
    std::vector<store::api_key_row> out;
    for (store::page_request page{1, 200};; ++page.page) {
        auto within = scope;
        auto found = co_await in.list_api_keys(std::move(within), page);
        if (found.has_error())
            co_return found.error();
        for (auto& row : found->items)
            out.push_back(std::move(row));
        if (found->items.empty() || out.size() >= found->count)
            co_return out;
    }
}

int print_keys(std::vector<store::api_key_row> const& rows, bool json) {
    auto const view = key_list_view();
    text_table table(view.columns, standard_output_style());
    for (auto const& row : rows) {
        auto const text = key_as_json(row);
        if (json)
            std::cout << text << '\n';
        else if (auto const parsed = read_json(text))
            table.add(view.row(parsed->value));
    }
    std::cout << table.take();
    if (rows.empty() && !json)
        std::cerr << "none\n";
    return exit_ok;
}

store::key_scope scope_of(api_options const& api) {
    return api.account.empty() ? store::key_scope() : store::key_scope(api.account);
}

using key_call = task<result<store::api_key_row>> (store::api_store::*)(store::key_scope, api_key_id);

/// Showing and revoking: what one key is afterwards.
int one_in_database(config_source const& from, api_options const& api, std::string const& id, key_call call) {
    auto const key = api_key_id::parse(id);
    if (!key)
        return complain(exit_usage, "the id must be one of those that `klen-webhooks key list` shows");
    return in_database<store::api_key_row>(
        from, [&](store::api_store& in) { return (in.*call)(scope_of(api), *key); },
        [&](store::api_key_row const& row) {
            auto const text = key_as_json(row);
            auto const parsed = read_json(text);
            std::cout << (api.json || !parsed ? text + "\n" : key_text(*parsed));
            return int{exit_ok};
        });
}

// --- through a daemon -----------------------------------------------------------------------------------------------

int create_through_daemon(api_options const& api, key_create_options const& what) {
    if (auto writable = check_secret_file(what.into); writable.has_error())
        return complain(exit_failed, writable.error().message);
    auto const done = call_or_complain(api, key_create_request(api, what));
    if (!done.answer)
        return done.code;
    auto const key = text_member(done.answer->value, "key");
    if (what.into.file.empty()) {
        std::cout << (api.json ? done.raw : terminal_safe(key, 256)) << '\n';
        if (!api.json)
            std::cerr << shown_once;
        return exit_ok;
    }
    auto const id = terminal_safe(text_member(done.answer->value, "id"), 64);
    if (auto kept = keep_secret(what.into.file, key, "revoke the key " + id); kept.has_error())
        return complain(exit_failed, kept.error().message);
    if (api.json)
        std::cout << without_secret(done.raw, key) << '\n';
    else
        std::cout << "key " << id << "\nit is in " << terminal_safe(what.into.file, 4096) << '\n';
    return exit_ok;
}

} // namespace

int run_key_create(key_source const& from, api_options const& api, key_create_options const& what) {
    return from.from_database ? create_in_database(from.config, api, what) : create_through_daemon(api, what);
}

int run_key_list(key_source const& from, api_options const& api, paging_options const& paging) {
    if (!from.from_database)
        return show_list(api, key_list_request(api, paging), paging, key_list_view());
    auto const scope = scope_of(api);
    return in_database<std::vector<store::api_key_row>>(
        from.config, [&scope](store::api_store& in) { return all_keys(in, scope); },
        [&api](std::vector<store::api_key_row> const& rows) { return print_keys(rows, api.json); });
}

int run_key_show(key_source const& from, api_options const& api, std::string const& id) {
    if (from.from_database)
        return one_in_database(from.config, api, id, &store::api_store::show_api_key);
    return call_and_show(api, request_for(api, "GET", path_of(keys_path, id)), key_text);
}

int run_key_revoke(key_source const& from, api_options const& api, std::string const& id) {
    if (from.from_database)
        return one_in_database(from.config, api, id, &store::api_store::revoke_api_key);
    return call_and_show(api, request_for(api, "DELETE", path_of(keys_path, id)), key_text);
}

} // namespace klen::webhooks::app
