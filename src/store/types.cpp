#include "klen/webhooks/store/types.hpp"

#include <algorithm>

namespace klen::webhooks::store {

namespace {

constexpr std::array<std::pair<delivery_status, std::string_view>, 5> status_names{{
    {delivery_status::pending, "pending"},
    {delivery_status::delivering, "delivering"},
    {delivery_status::delivered, "delivered"},
    {delivery_status::failed, "failed"},
    {delivery_status::cancelled, "cancelled"},
}};

} // namespace

std::string_view to_string(delivery_status status) {
    auto const at = std::ranges::find(status_names, status, [](auto const& pair) { return pair.first; });
    return at == status_names.end() ? "unknown" : at->second;
}

std::optional<delivery_status> parse_delivery_status(std::string_view text) {
    auto const at = std::ranges::find(status_names, text, [](auto const& pair) { return pair.second; });
    if (at == status_names.end())
        return std::nullopt;
    return at->first;
}

std::string_view to_string(job_kind kind) { return kind == job_kind::recover ? "recover" : "cancel"; }

} // namespace klen::webhooks::store
