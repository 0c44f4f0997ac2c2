#include "app/listen/response_plan.hpp"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <optional>
#include <string>

namespace klen::webhooks::app::listen {

namespace {

std::optional<std::int64_t> whole_number(std::string_view text) {
    std::int64_t value = 0;
    auto const done = std::from_chars(text.data(), text.data() + text.size(), value);
    if (text.empty() || done.ec != std::errc{} || done.ptr != text.data() + text.size())
        return std::nullopt;
    return value;
}

} // namespace

int response_plan::status_for(int attempt) const {
    auto const last = statuses.size() - 1;
    auto const index = attempt < 1 ? 0 : static_cast<std::size_t>(attempt - 1);
    return statuses[std::min(index, last)];
}

result<std::vector<int>> parse_statuses(std::string_view text) {
    std::vector<int> out;
    for (;;) {
        auto const comma = text.find(',');
        auto const value = whole_number(text.substr(0, comma));
        if (!value || *value < 200 || *value > 599)
            return failure{fault::invalid_argument,
                           "--status: write statuses from 200 to 599 with commas between, like "
                           "500,500,200"};
        out.push_back(static_cast<int>(*value));
        if (comma == std::string_view::npos)
            return out;
        text.remove_prefix(comma + 1);
    }
}

result<std::chrono::milliseconds> parse_duration(std::string_view text) {
    std::int64_t unit = 1000;
    auto number = text;
    if (text.ends_with("ms")) {
        unit = 1;
        number.remove_suffix(2);
    } else if (text.ends_with('s')) {
        number.remove_suffix(1);
    } else if (text.ends_with('m')) {
        unit = 60'000;
        number.remove_suffix(1);
    }
    auto const value = whole_number(number);
    constexpr std::int64_t day_ms = 86'400'000;
    if (!value || *value < 0 || *value > day_ms / unit)
        return failure{fault::invalid_argument,
                       "\"" + std::string(text) + "\" is no duration: write 500ms, 2s or 1m, a day at most"};
    return std::chrono::milliseconds(*value * unit);
}

} // namespace klen::webhooks::app::listen
