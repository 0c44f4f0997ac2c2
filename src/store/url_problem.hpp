#pragma once

#include <string>

namespace klen::webhooks::store {

/// What is wrong with the URL of a database, as far as that can be told without calling it; empty: nothing. Holds no
/// part of the URL that could be a password.
std::string url_problem(std::string const& url);

} // namespace klen::webhooks::store
