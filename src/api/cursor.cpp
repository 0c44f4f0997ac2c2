#include "cursor.hpp"

#include "errors.hpp"
#include "request_scope.hpp"

#include "klen/webhooks/base/encoding.hpp"

#include <algorithm>
#include <limits>

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

namespace {

response refuse_cursor() { return validation_error("cursor: must be next_cursor of an earlier answer, unchanged"); }

std::variant<slice_request, response> slice_with(request const& what, std::variant<std::uint32_t, response> limit) {
    if (what.query_value("page"))
        return validation_error("page: this list has no pages, because it is never counted: take next_cursor of an "
                                "answer as ?cursor= of the next call");
    if (auto* no = std::get_if<response>(&limit))
        return std::move(*no);
    slice_request out{std::nullopt, std::get<std::uint32_t>(limit)};
    if (auto const given = what.query_value("cursor")) {
        out.after = parse_cursor(*given);
        if (!out.after)
            return refuse_cursor();
    }
    return out;
}

/// Where a cursor of attempts holds the number; before that there are zeros.
constexpr std::size_t number_at = 12;

std::optional<int> attempt_of_cursor(uuid const& cursor) {
    std::uint32_t number = 0;
    for (std::size_t i = 0; i < cursor.bytes.size(); ++i) {
        if (i < number_at && cursor.bytes[i] != 0)
            return std::nullopt;
        number = (number << 8) | cursor.bytes[i];
    }
    if (number == 0 || number > static_cast<std::uint32_t>(std::numeric_limits<int>::max()))
        return std::nullopt;
    return static_cast<int>(number);
}

} // namespace

std::variant<slice_request, response> slice_of_request(request const& what) {
    return slice_with(what, limit_of_request(what));
}

std::variant<store::attempts_filter, response> attempts_of_request(request const& what) {
    auto slice = slice_with(what, limit_of_request(what, attempts_limit_default, attempts_limit_max));
    if (auto* no = std::get_if<response>(&slice))
        return std::move(*no);
    auto const& wanted = std::get<slice_request>(slice);
    store::attempts_filter out{std::nullopt, wanted.limit};
    if (wanted.after) {
        out.before = attempt_of_cursor(*wanted.after);
        if (!out.before)
            return refuse_cursor();
    }
    return out;
}

std::string cursor_before(int attempt) {
    uuid out;
    for (std::size_t i = 0; i < 4; ++i)
        out.bytes[number_at + i] = static_cast<std::uint8_t>(static_cast<std::uint32_t>(attempt) >> (24 - 8 * i));
    return cursor_after(out);
}

} // namespace klen::webhooks::api
