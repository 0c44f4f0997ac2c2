#include "cursor.hpp"

#include "errors.hpp"
#include "request_scope.hpp"

#include "klen/webhooks/base/encoding.hpp"

#include <algorithm>

namespace klen::webhooks::api {

std::string cursor_after(uuid const& last) {
    auto out = base64_encode(last.bytes);
    while (out.ends_with('='))
        out.pop_back();
    std::ranges::replace(out, '+', '-');
    std::ranges::replace(out, '/', '_');
    return out;
}

std::optional<uuid> parse_cursor(std::string_view text) {
    if (text.size() != 22 || text.find_first_of("+/=") != std::string_view::npos)
        return std::nullopt;
    std::string padded(text);
    std::ranges::replace(padded, '-', '+');
    std::ranges::replace(padded, '_', '/');
    auto const bytes = base64_decode(padded + "==");
    uuid out;
    if (!bytes || bytes->size() != out.bytes.size())
        return std::nullopt;
    std::ranges::copy(*bytes, out.bytes.begin());
    return out;
}

std::variant<slice_request, response> slice_of_request(request const& what) {
    if (what.query_value("page"))
        return validation_error("page: this list has no pages, because it is never counted: take next_cursor of an "
                                "answer as ?cursor= of the next call");
    auto limit = limit_of_request(what);
    if (auto* no = std::get_if<response>(&limit))
        return std::move(*no);
    slice_request out{std::nullopt, std::get<std::uint32_t>(limit)};
    if (auto const given = what.query_value("cursor")) {
        out.after = parse_cursor(*given);
        if (!out.after)
            return validation_error("cursor: must be next_cursor of an earlier answer, unchanged");
    }
    return out;
}

} // namespace klen::webhooks::api
