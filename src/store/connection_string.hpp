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
    /// Plans are made once, without a look at the parameters, and use indexes wherever there is one: the statements of
    /// the hot path look up a batch of keys in tables that grow from nothing to millions of rows while a plan is kept.
    bool index_plans = false;
};

/// Keyword and value of every setting that `url` (a URI or a keyword string) gives. The failure never shows the text.
result<std::vector<std::pair<std::string, std::string>>> parse_connection_string(std::string const& url);

/// The whole libpq keyword string for a session; holds the password.
result<std::string> connection_string(connection_options const& options, session_profile const& profile);

} // namespace klen::webhooks::store
