#pragma once

#include "kit/database.hpp"

#include "klen/webhooks/base/result.hpp"
#include "klen/webhooks/store/private_postgres.hpp"

#include <memory>
#include <stdexcept>
#include <string>
#include <utility>

namespace klen::bench {

/// The value, or its failure as an exception: a measurement that cannot go on ends.
template <class T>
T must(webhooks::result<T> got) {
    if (!got)
        throw std::runtime_error(got.error().message);
    if constexpr (!std::is_void_v<T>)
        return std::move(*got);
}

/// A private PostgreSQL with the project's schema, for measurements of the store without a daemon. In an empty folder,
/// or in that of a daemon that is not running.
std::unique_ptr<webhooks::store::private_postgres> start_database(std::string const& dir);

/// Webhooks straight in the database, without secrets, `fan_out` in each account; accounts as `account_name` says.
void insert_webhooks(database_link& into, std::size_t count, std::size_t fan_out);

} // namespace klen::bench
