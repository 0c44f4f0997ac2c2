#pragma once

#include "wire_format.hpp"

#include <optional>
#include <string>

/// Nullable parameters: an array of one element each (see `parameters`), read in SQL as `($1::text[])[1]`.
namespace klen::webhooks::store {

inline binary_array nullable(std::optional<std::string> const& value) {
    binary_array out(pg_type::text);
    if (value)
        out.add(std::string_view(*value));
    else
        out.add_null();
    return out;
}

inline binary_array nullable(std::optional<int> const& value) {
    binary_array out(pg_type::int4);
    if (value)
        out.add_int4(*value);
    else
        out.add_null();
    return out;
}

inline binary_array nullable(std::optional<bool> const& value) {
    binary_array out(pg_type::boolean);
    if (value)
        out.add(*value);
    else
        out.add_null();
    return out;
}

} // namespace klen::webhooks::store
