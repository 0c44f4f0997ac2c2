#include "app/commands/commands.hpp"

#include "api/tls_context.hpp"
#include "app/commands/complain.hpp"
#include "app/commands/load.hpp"
#include "app/database.hpp"
#include "klen/webhooks/base/settings.hpp"
#include "klen/webhooks/egress/http_client.hpp"
#include "klen/webhooks/store/migrations.hpp"
#include "store/url_problem.hpp"

#include <cerrno>
#include <cstring>
#include <filesystem>

#include <fcntl.h>
#include <pwd.h>
#include <unistd.h>

namespace klen::webhooks::app {

namespace {

void add_error(loaded_config& to, std::string const& key, std::string const& message) {
    auto const at = to.given_in.find(key);
    if (!message.empty() && at != to.given_in.end())
        to.errors.push_back({at->second.first, at->second.second, key, message});
}

/// Why the log could not go there; empty: it can. Nothing is made.
std::string log_file_problem(std::string const& file) {
    auto const refuse = [&file](int why) { return file + " cannot be opened: " + std::strerror(why); };
    int const fd = ::open(file.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd >= 0) {
        ::close(fd);
        return {};
    }
    if (errno == ENXIO) // a pipe that nobody reads yet
        return {};
    if (errno != ENOENT)
        return refuse(errno);
    auto const folder = std::filesystem::path(file).parent_path();
    return ::access(folder.empty() ? "." : folder.c_str(), W_OK | X_OK) == 0 ? std::string() : refuse(errno);
}

/// What the daemon would find out later, one after the other, when it has started a database already.
void try_files(loaded_config& what) {
    auto const& server = what.values.server;
    auto const wrong = api::try_tls_files(server.tls_certificate_file, server.tls_key_file);
    add_error(what, "server.tls_certificate_file", wrong.certificate);
    add_error(what, "server.tls_key_file", wrong.key);
    if (auto const& file = what.values.log.file; !file.empty())
        add_error(what, "log.file", log_file_problem(file));
    egress_config only_certificates;
    only_certificates.ca_file = what.values.egress.ca_file;
    std::string const key = "egress.ca_file";
    if (auto const made = egress::make_client_context(only_certificates, {}); made.has_error()) {
        auto const& message = made.error().message; // begins with the setting where the daemon tells it
        add_error(what, key, message.starts_with(key + ": ") ? message.substr(key.size() + 2) : message);
    }
}

void check_private_database(loaded_config& what, database_config const& database) {
    if (private_dir_of(database).empty())
        what.errors.push_back({"defaults", 0, "database.private_dir",
                               "there is no folder for the private PostgreSQL: neither XDG_STATE_HOME nor HOME names "
                               "one; set database.private_dir (or database.url)"});
    auto const& programs = database.private_bin_dir;
    if (!programs.empty() && ::access((programs + "/initdb").c_str(), X_OK) != 0)
        add_error(what, "database.private_bin_dir",
                  "there is no program initdb in " + programs +
                      ": name the folder of PostgreSQL's programs, like "
                      "/usr/lib/postgresql/15/bin");
    auto const& user = database.private_user;
    if (::geteuid() == 0 && !user.empty() && ::getpwnam(user.c_str()) == nullptr)
        add_error(what, "database.private_user", "there is no user " + user + " here");
}

/// Where the database is, as far as that is known before it is called.
void check_database(loaded_config& what) {
    auto const& database = what.values.database;
    if (!database.url.empty())
        add_error(what, "database.url", store::url_problem(database.url));
    else
        check_private_database(what, database);
}

} // namespace

std::optional<config> load_or_complain(config_source const& from, named_files files) {
    auto loaded = load_config(from.file, process_environment(), process_environment_names());
    check_database(loaded);
    if (files == named_files::tried)
        try_files(loaded);
    sort_errors(loaded.errors);
    for (auto const& error : loaded.errors)
        std::cerr << error.text() << '\n';
    if (loaded.errors.empty())
        return std::move(loaded.values);
    auto const n = loaded.errors.size();
    complain(exit_config,
             "the configuration has " + std::to_string(n) + (n == 1 ? " error" : " errors") + "; nothing was started");
    return std::nullopt;
}

int run_serve(config_source const& from) {
    auto const settings = load_or_complain(from, named_files::tried);
    return settings ? serve(*settings) : exit_config;
}

int run_check_config(config_source const& from) {
    auto const settings = load_or_complain(from, named_files::tried);
    if (!settings)
        return exit_config;
    std::cout << effective_config_text(from.file, process_environment());
    if (settings->database.url.empty())
        std::cout << "# database.url is empty: a private PostgreSQL, in " << private_dir_of(settings->database) << '\n';
    return exit_ok;
}

int run_default_config() {
    std::cout << default_config_text();
    return exit_ok;
}

int run_migrate(config_source const& from) {
    auto const settings = load_or_complain(from);
    if (!settings)
        return exit_config;
    auto where = borrow_database(settings->database, missing_cluster::make);
    if (where.has_error())
        return complain(exit_unavailable, where.error().message);
    auto const applied = store::migrate(where->options);
    if (applied.has_error())
        return complain(applied.error().kind == fault::connection_lost ? exit_unavailable : exit_failed,
                        applied.error().message);
    for (auto const& name : *applied)
        std::cout << "applied " << name << '\n';
    if (applied->empty())
        std::cout << "nothing to apply: the database is up to date\n";
    return exit_ok;
}

} // namespace klen::webhooks::app
