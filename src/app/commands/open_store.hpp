#pragma once

#include "app/blocking.hpp"
#include "app/database.hpp"
#include "klen/webhooks/store/api_store.hpp"

#include <memory>

namespace klen::webhooks::app {

/// The configured database, for commands that work on it themselves.
struct opened_store {
    database where; ///< outlives the store
    std::unique_ptr<store::api_store> store;

    template <class T>
    result<T> run(std::function<task<result<T>>(store::api_store&)> const& work) const {
        return run_for_result<result<T>>([&] { return work(*store); });
    }
};

/// Refuses a database that is not there or whose migrations are not applied (`io`).
result<opened_store> open_store(config const& settings);

/// The exit code of an error of the database.
int database_exit_code(failure const& failed);

} // namespace klen::webhooks::app
