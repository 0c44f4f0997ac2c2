#include "request_scope.hpp"

#include "errors.hpp"

#include "klen/webhooks/intake/intake.hpp"

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

std::variant<store::page_request, response> page_of_request(request const& what) {
    store::page_request out;
    out.page = number_of(what, "page", 1, page_max);
    out.limit = number_of(what, "limit", page_limit_default, page_limit_max);
    if (out.page == 0)
        return out_of_range("page", page_max);
    if (out.limit == 0)
        return out_of_range("limit", page_limit_max);
    return out;
}

std::uint64_t pages_of(std::uint64_t count, std::uint32_t limit) { return (count + limit - 1) / limit; }

} // namespace klen::webhooks::api
