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
    std::string default_account = {}; ///< where an event names none
};

/// A publish object with `fields` in place of its own, or an array of them, which only accounts are filled in to.
/// Nothing is changed when `fields` are all empty; the payload keeps every digit in any case. An item that is not as it
/// must be stays as it is: the daemon says what is wrong with it, and takes the others.
result<std::string> filled_in(std::string_view text, publish_fields const& fields);

/// The built-in sample of `fields.type`; an error names those that there are.
result<std::string> sample_of(publish_fields const& fields);
/// An array with the sample of each built-in type.
result<std::string> all_samples(std::string_view account);

} // namespace klen::webhooks::app
