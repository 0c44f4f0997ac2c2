#include "app/commands/open_store.hpp"

#include "klen/webhooks/app/application.hpp"

namespace klen::webhooks::app {

result<opened_store> open_store(config const& settings) {
    auto where = borrow_database(settings.database, missing_cluster::refuse);
    if (where.has_error())
        return where.error();
    if (auto complete = require_complete_schema(*where); complete.has_error())
        return failure{fault::io, complete.error().message};
    opened_store out;
    out.store = store::make_api_store(where->options, 1);
    out.where = std::move(*where);
    return out;
}

int database_exit_code(failure const& failed) {
    switch (failed.kind) {
    case fault::connection_lost:
    case fault::unanswered:
    case fault::database_busy:
    case fault::io:
    case fault::conflict: // another process has the data folder
        return exit_unavailable;
    default:
        return exit_failed;
    }
}

} // namespace klen::webhooks::app
