#pragma once

#include "klen/webhooks/base/result.hpp"
#include "klen/webhooks/store/connection.hpp"

#include <string>
#include <utility>
#include <vector>

namespace klen::webhooks::store {

/// What is told to the server for one session. All of it is in the connection string: a reconnect keeps it.
struct session_profile {
    std::string name;                 ///< in application_name: "klen-webhooks <name>"
    milliseconds statement_timeout{}; ///< 0: none; intake and outcome sessions, so that no commit is ever cut
    milliseconds lock_timeout{};      ///< 0: none
    /// How long a transaction may stand open while nobody works in it; 0: as long as it likes. A daemon that freezes,
    /// or is cut off, in the middle of one keeps its locks that long, and others may wait for them.
    milliseconds idle_transaction_timeout{};
    /// Plans are made once, without a look at the parameters, and never read a whole table if there is an index. That
    /// alone is not enough: a plan that is made while a table has a handful of rows may begin with that table (a scan
    /// of its whole index) and is kept while the table grows to millions. So the statements of these sessions reach a
    /// table only by `= ANY (array)` or by `CROSS JOIN LATERAL (… OFFSET 0)`, which the planner cannot turn around.
    /// tests/store/plans_test.cpp holds that.
    bool index_plans = false;
    /// The same for lists: a plan, made once, that follows indexes in their order and is ended by its LIMIT, even where
    /// a table was so small when it was made that reading and sorting it would have been cheaper.
    bool ordered_plans = false;
};

/// Keyword and value of every setting that `url` (a URI or a keyword string) gives. The failure never shows the text.
result<std::vector<std::pair<std::string, std::string>>> parse_connection_string(std::string const& url);

/// The whole libpq keyword string for a session; holds the password.
result<std::string> connection_string(connection_options const& options, session_profile const& profile);

} // namespace klen::webhooks::store
