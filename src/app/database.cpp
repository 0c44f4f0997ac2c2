#include "app/database.hpp"

#include "app/private_file.hpp"
#include "klen/webhooks/signing/sealer.hpp"
#include "klen/webhooks/store/migrations.hpp"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>

#include <sys/stat.h>
#include <unistd.h>

namespace klen::webhooks::app {

namespace {

store::private_postgres_options private_options(database_config const& settings) {
    store::private_postgres_options out;
    out.dir = private_dir_of(settings);
    out.bin_dir = settings.private_bin_dir;
    // Only root can run it as somebody else; everybody else runs it as themselves.
    if (geteuid() == 0)
        out.user = settings.private_user;
    return out;
}

std::string url_file(std::string const& private_dir) { return private_dir + "/database-url"; }

result<database> start_private(database_config const& settings) {
    auto own = store::private_postgres::start(private_options(settings));
    if (own.has_error())
        return own.error();
    if ((*own)->first_start()) {
        auto const key = (*own)->keep_file("master.key", signing::generate_master_key() + "\n");
        if (key.has_error())
            return key.error();
    }
    database out;
    out.private_dir = (*own)->dir();
    out.options = store::connection_options_of(settings, (*own)->url());
    if (auto kept = write_private_file(url_file(out.private_dir), (*own)->uri() + "\n"); kept.has_error())
        return kept.error();
    out.own = std::move(*own);
    return out;
}

/// Whoever may not look into the folder is told that, and not that there is nothing.
result<void> require_cluster(std::string const& private_dir) {
    auto const data = private_dir + "/data";
    struct stat info {};
    if (::stat(data.c_str(), &info) == 0)
        return {};
    int const why = errno;
    if (why == ENOENT || why == ENOTDIR)
        return failure{fault::io, "there is no private PostgreSQL in " + private_dir +
                                      ": set database.private_dir to the daemon's (or database.url), or run "
                                      "`klen-webhooks serve` or `klen-webhooks migrate` first, which make one"};
    return failure{fault::io, "cannot look at " + data + ": " + std::strerror(why)};
}

/// In short steps, so that a signal is noticed while the database is away.
result<void> wait_in_steps(store::connection_options const& options, milliseconds wait,
                           std::function<bool()> const& give_up) {
    auto const until = std::chrono::steady_clock::now() + wait;
    for (;;) {
        auto const left = std::chrono::duration_cast<milliseconds>(until - std::chrono::steady_clock::now());
        auto const step = std::clamp(left, milliseconds(0), milliseconds(1000));
        auto reached = store::wait_for_database(options, step);
        if (reached.has_value() || reached.error().kind == fault::invalid_argument || left <= step)
            return reached;
        if (give_up())
            return failure{fault::shutting_down, "asked to stop while waiting for the database"};
    }
}

} // namespace

std::string private_dir_of(database_config const& settings) {
    return settings.private_dir.empty() ? store::default_private_dir() : settings.private_dir;
}

result<database> open_database(database_config const& settings, std::function<bool()> const& give_up) {
    if (settings.url.empty())
        return start_private(settings);
    database out;
    out.options = store::connection_options_of(settings, settings.url);
    if (auto reached = wait_in_steps(out.options, settings.start_wait, give_up); reached.has_error())
        return reached.error();
    return out;
}

result<database> borrow_database(database_config const& settings, missing_cluster missing) {
    database out;
    if (!settings.url.empty()) {
        out.options = store::connection_options_of(settings, settings.url);
    } else {
        if (missing == missing_cluster::refuse)
            if (auto there = require_cluster(private_dir_of(settings)); there.has_error())
                return there.error();
        auto own = start_private(settings);
        if (own.has_value() || own.error().kind != fault::conflict)
            return own;
        out.private_dir = private_dir_of(settings);
        auto url = read_private_file(url_file(out.private_dir));
        if (url.has_error())
            return url.error();
        if (!url->has_value())
            return own.error();
        out.options = store::connection_options_of(settings, **url);
    }
    if (auto reached = store::wait_for_database(out.options, milliseconds(0)); reached.has_error())
        return reached.error();
    return out;
}

result<void> require_complete_schema(database const& where) {
    auto state = store::schema_status(where.options);
    if (state.has_error())
        return state.error();
    if (state->complete())
        return {};
    return failure{fault::not_found, "the database has migration " + std::to_string(state->applied) + " of " +
                                         std::to_string(state->known) +
                                         ": run `klen-webhooks migrate` first, or set database.migrate_on_start"};
}

} // namespace klen::webhooks::app
