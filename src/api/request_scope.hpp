#pragma once

#include "json_writer.hpp"

#include "klen/webhooks/api/server.hpp"
#include "klen/webhooks/store/api_store.hpp"

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>

/// What several calls read from a request in the same way. Pure.
namespace klen::webhooks::api {

/// For whose account a call acts: an account key's own; for a platform key what `?account_id=` (or the body, where the
/// call has one) names. Otherwise the answer that says what is missing.
std::variant<std::string, response> account_of(request const& what, caller const& who,
                                               std::optional<std::string> const& named_in_body = std::nullopt);

/// The same for a list that a platform key may also see whole: nothing when it names no account.
std::variant<std::optional<std::string>, response> account_scope_of(request const& what, caller const& who);

inline constexpr std::uint32_t page_limit_default = 50;
inline constexpr std::uint32_t page_limit_max = 200;

/// `?page=&limit=`
std::variant<store::page_request, response> page_of_request(request const& what);
/// `?limit=` of a list that has no pages.
std::variant<std::uint32_t, response>
limit_of_request(request const& what, std::uint32_t otherwise = page_limit_default, std::uint32_t max = page_limit_max);

/// The answer when a call that takes no body came with one that says something; `{}` says nothing.
std::optional<response> refuse_body(request const& what);

/// A time as callers write it; the message says what is wrong with it. Nothing is older than 1970. Where the sign of
/// an offset was decoded as a space, because the caller left it unescaped in a query, that is what it means.
std::variant<wall_time, std::string> time_of_text(std::string_view name, std::string_view text);
/// A time from the query, if it is given.
std::variant<std::optional<wall_time>, response> time_of_request(request const& what, std::string_view name);

/// `?name=true` or `false`; nothing when it is not given.
std::variant<std::optional<bool>, response> flag_of(request const& what, std::string_view name);

/// The answer to a query with a parameter that is not one of `known`, or with one of them twice.
std::optional<response> refuse_other_parameters(request const& what, std::span<std::string_view const> known);

/// How many pages `count` items make.
std::uint64_t pages_of(std::uint64_t count, std::uint32_t limit);

/// Opens the object of a list in pages; its items are the next member.
void begin_page(json_writer& out, std::uint64_t count, store::page_request page);

/// `{id}` of the path as an id; nothing when it is none, which is answered like an id that does not exist.
template <class Id>
std::optional<Id> id_of(request const& what) {
    auto const found = what.parameters.find("id");
    return found == what.parameters.end() ? std::nullopt : Id::parse(found->second);
}

/// Something that belongs to an account.
template <class Id>
struct owned {
    std::string account_id;
    Id id;
};

/// What `{id}` of the path and the account of the call name together: how every call on one thing begins.
/// `no_such_thing`: the sentence of its 404.
template <class Id>
std::variant<owned<Id>, response> owned_of(request const& what, caller const& who, std::string_view no_such_thing) {
    auto account = account_of(what, who);
    if (auto* no = std::get_if<response>(&account))
        return std::move(*no);
    auto const id = id_of<Id>(what);
    if (!id)
        return error_response(404, "not_found", no_such_thing);
    return owned<Id>{std::get<std::string>(std::move(account)), *id};
}

} // namespace klen::webhooks::api
