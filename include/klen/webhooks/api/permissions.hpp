#pragma once

#include <string>
#include <vector>

namespace klen::webhooks::api {

/// What a key may be allowed: the closed set of names.
std::vector<std::string> const& all_permissions();

} // namespace klen::webhooks::api
