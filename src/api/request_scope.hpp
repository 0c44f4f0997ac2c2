#pragma once

#include "klen/webhooks/api/server.hpp"
#include "klen/webhooks/store/api_store.hpp"

#include <optional>
#include <string>
#include <variant>

/// What several calls read from a request in the same way. Pure.
namespace klen::webhooks::api {

/// For whose account a call acts: an account key's own; for a platform key what `?account_id=` (or the body, where the
/// call has one) names. Otherwise the answer that says what is missing.
std::variant<std::string, response> account_of(request const& what, caller const& who,
                                               std::optional<std::string> const& named_in_body = std::nullopt);

inline constexpr std::uint32_t page_limit_default = 50;
inline constexpr std::uint32_t page_limit_max = 200;

/// `?page=&limit=`
std::variant<store::page_request, response> page_of_request(request const& what);

/// How many pages `count` items make.
std::uint64_t pages_of(std::uint64_t count, std::uint32_t limit);

/// `{id}` of the path as an id; nothing when it is none, which is answered like an id that does not exist.
template <class Id>
std::optional<Id> id_of(request const& what) {
    auto const found = what.parameters.find("id");
    return found == what.parameters.end() ? std::nullopt : Id::parse(found->second);
}

} // namespace klen::webhooks::api
