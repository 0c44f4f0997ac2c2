#pragma once

#include <string>
#include <vector>

/// docs/API.md, for the tests that run what it shows.
namespace klen::webhooks::guide {

/// The fenced blocks of a language, in their order.
std::vector<std::string> blocks(std::string const& language);

/// The languages that have fenced blocks, without those that are only shown.
std::vector<std::string> languages();

} // namespace klen::webhooks::guide
