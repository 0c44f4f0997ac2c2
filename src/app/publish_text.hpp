#pragma once

#include "klen/webhooks/base/result.hpp"

#include <string>
#include <string_view>

namespace klen::webhooks::app {

/// What the command line adds to what is published; empty: leaves it as it is.
struct publish_fields {
    std::string type;
    std::string account;
    std::string id;
    std::string default_account = {}; ///< where the event names none; an array is left as it is
};

/// A publish object with `fields` in place of its own. Nothing is changed when `fields` are all empty; the payload
/// keeps every digit in any case. An array cannot be filled in.
result<std::string> filled_in(std::string_view text, publish_fields const& fields);

/// The built-in sample of `fields.type`.
result<std::string> sample_of(publish_fields const& fields);
/// An array with the sample of each built-in type.
result<std::string> all_samples(std::string_view account);

} // namespace klen::webhooks::app
