#pragma once

#include "json_writer.hpp"

#include "klen/webhooks/api/server.hpp"
#include "klen/webhooks/store/history_store.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <variant>

/// Lists that grow without end: their slices begin after the last item of the slice before, named by a cursor. Pure.
namespace klen::webhooks::api {

/// The cursor of what comes after `last`: opaque to callers.
std::string cursor_after(uuid const& last);
/// Whose cursor it is; nothing when it is none of ours.
std::optional<uuid> parse_cursor(std::string_view text);

struct slice_request {
    std::optional<uuid> after;
    std::uint32_t limit = 0;
};
/// `?cursor=&limit=`. A `page` is refused with a hint: such lists are never counted.
std::variant<slice_request, response> slice_of_request(request const& what);

/// The same of the attempts of one delivery, whose cursors hold the number of an attempt.
inline constexpr std::uint32_t attempts_limit_default = 20;
inline constexpr std::uint32_t attempts_limit_max = 100;
std::variant<store::attempts_filter, response> attempts_of_request(request const& what);
std::string cursor_before(int attempt);

/// `"next_cursor"`: null when the list ends with this slice.
template <class T>
void write_next_cursor(json_writer& out, store::slice_of<T> const& slice) {
    bool const more = slice.more && !slice.items.empty();
    out.member("next_cursor", more ? std::optional(cursor_after(slice.items.back().id.value)) : std::nullopt);
}

} // namespace klen::webhooks::api
