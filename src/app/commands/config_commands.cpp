#include "app/commands/commands.hpp"

#include "app/commands/complain.hpp"
#include "app/commands/load.hpp"
#include "app/database.hpp"
#include "klen/webhooks/base/settings.hpp"
#include "klen/webhooks/store/migrations.hpp"

namespace klen::webhooks::app {

std::optional<config> load_or_complain(config_source const& from) {
    auto loaded = load_config(from.file, process_environment(), process_environment_names());
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
    auto const settings = load_or_complain(from);
    return settings ? serve(*settings) : exit_config;
}

int run_check_config(config_source const& from) {
    if (!load_or_complain(from))
        return exit_config;
    std::cout << effective_config_text(from.file, process_environment());
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
