#include "request_scope.hpp"

#include "errors.hpp"
#include "json_input.hpp"

#include "klen/webhooks/base/encoding.hpp"
#include "klen/webhooks/intake/intake.hpp"

#include <algorithm>
#include <charconv>

namespace klen::webhooks::api {

namespace {

constexpr std::uint32_t page_max = 1'000'000;

/// A whole number from 1 to `max`, or `otherwise` when it is not given; 0 when it is something else.
std::uint32_t number_of(request const& what, std::string_view name, std::uint32_t otherwise, std::uint32_t max) {
    auto const given = what.query_value(name);
    if (!given)
        return otherwise;
    std::uint32_t out = 0;
    auto const [end, error] = std::from_chars(given->data(), given->data() + given->size(), out);
    bool const whole = error == std::errc() && end == given->data() + given->size();
    return whole && out >= 1 && out <= max ? out : 0;
}

response out_of_range(std::string_view name, std::uint32_t max) {
    return validation_error(std::string(name) + ": must be a whole number from 1 to " + std::to_string(max));
}

} // namespace

std::variant<std::string, response> account_of(request const& what, caller const& who,
                                               std::optional<std::string> const& named_in_body) {
    auto const in_query = what.query_value("account_id");
    for (auto const& named :
         {in_query, named_in_body ? std::optional<std::string_view>(*named_in_body) : std::nullopt}) {
        if (named && !intake::is_account_id(*named))
            return validation_error("account_id: " + std::string(intake::account_id_rule));
        if (named && who.account_id && *named != *who.account_id)
            return permission_denied("account_id: this key acts for its own account only");
    }
    if (who.account_id)
        return *who.account_id;
    if (in_query && named_in_body && *in_query != *named_in_body)
        return validation_error("account_id: the query and the body name different accounts");
    if (in_query)
        return std::string(*in_query);
    if (named_in_body)
        return *named_in_body;
    return validation_error("account_id: is missing; a platform key must say for whom it acts: ?account_id=…");
}

std::variant<std::optional<std::string>, response> account_scope_of(request const& what, caller const& who) {
    if (!who.account_id && !what.query_value("account_id"))
        return std::nullopt;
    auto account = account_of(what, who);
    if (auto* no = std::get_if<response>(&account))
        return std::move(*no);
    return std::optional(std::get<std::string>(std::move(account)));
}

std::variant<store::page_request, response> page_of_request(request const& what) {
    store::page_request out;
    out.page = number_of(what, "page", 1, page_max);
    if (out.page == 0)
        return out_of_range("page", page_max);
    auto limit = limit_of_request(what);
    if (auto* no = std::get_if<response>(&limit))
        return std::move(*no);
    out.limit = std::get<std::uint32_t>(limit);
    return out;
}

std::variant<std::uint32_t, response> limit_of_request(request const& what, std::uint32_t otherwise,
                                                       std::uint32_t max) {
    auto const limit = number_of(what, "limit", otherwise, max);
    if (limit == 0)
        return out_of_range("limit", max);
    return limit;
}

std::variant<std::optional<bool>, response> flag_of(request const& what, std::string_view name) {
    auto const given = what.query_value(name);
    if (!given)
        return std::nullopt;
    if (*given != "true" && *given != "false")
        return validation_error(std::string(name) + ": must be true or false");
    return std::optional(*given == "true");
}

std::optional<response> refuse_other_parameters(request const& what, std::span<std::string_view const> known) {
    for (auto at = what.query.begin(); at != what.query.end(); ++at) {
        auto const& name = at->first;
        if (std::ranges::find(known, name) == known.end()) {
            if (!is_utf8(name))
                return validation_error("the query has a parameter whose name is not UTF-8");
            auto const meant = nearest(name, {known.begin(), known.end()});
            return validation_error(shown(name) + ": there is no such query parameter here" +
                                    (meant ? "; did you mean " + *meant + "?" : ""));
        }
        if (std::any_of(what.query.begin(), at, [&](auto const& before) { return before.first == name; }))
            return validation_error(name + ": is in the query twice");
    }
    return std::nullopt;
}

std::optional<response> refuse_body(request const& what) {
    auto const read = parse_optional_object(what.body);
    auto const* object = std::get_if<parsed_object>(&read);
    if (object != nullptr && object->members.empty())
        return std::nullopt;
    return validation_error("this call takes no body: send none, or {}");
}

std::variant<wall_time, std::string> time_of_text(std::string_view name, std::string_view text) {
    constexpr std::size_t offset_size = 6; // "+02:00"
    std::string given(text);
    if (given.size() > offset_size && given[given.size() - offset_size] == ' ')
        given[given.size() - offset_size] = '+';
    auto const read = parse_rfc3339(given);
    if (!read)
        return std::string(name) + ": must be a time with an offset (RFC 3339), like 2026-03-02T09:18:41Z";
    return std::max(*read, wall_time());
}

std::variant<std::optional<wall_time>, response> time_of_request(request const& what, std::string_view name) {
    auto const given = what.query_value(name);
    if (!given)
        return std::optional<wall_time>();
    auto const read = time_of_text(name, *given);
    if (auto const* wrong = std::get_if<std::string>(&read))
        return validation_error(*wrong);
    return std::optional(std::get<wall_time>(read));
}

std::uint64_t pages_of(std::uint64_t count, std::uint32_t limit) { return (count + limit - 1) / limit; }

void begin_page(json_writer& out, std::uint64_t count, store::page_request page) {
    out.begin_object()
        .member("count", count)
        .member("page", page.page)
        .member("limit", page.limit)
        .member("pages", pages_of(count, page.limit));
}

} // namespace klen::webhooks::api
