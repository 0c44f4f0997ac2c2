#pragma once

#include "app/api_client.hpp"

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

namespace klen::webhooks::app {

/// What became of published events, for people.
struct publish_answer {
    std::size_t count = 0;
    std::string accepted;             ///< text: the ids
    std::vector<std::string> refused; ///< a sentence each: which one and why
};

/// None when the answer tells of no event: an error of the call as a whole. `sent` is the request's body: items are
/// named by the types in it.
std::optional<publish_answer> read_publish_answer(api_answer const& answer, std::string const& sent);

} // namespace klen::webhooks::app
