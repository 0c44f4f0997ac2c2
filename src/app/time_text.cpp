#include "app/time_text.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>

namespace klen::webhooks::app {

namespace {

using std::chrono::seconds;

bool is_digit(char c) { return c >= '0' && c <= '9'; }

/// Does `text` look like `form`, where 0 stands for a digit?
bool has_form(std::string_view text, std::string_view form) {
    return std::ranges::equal(text, form, [](char c, char f) { return f == '0' ? is_digit(c) : c == f; });
}

seconds unit_of(char c) {
    switch (c) {
    case 's':
        return seconds(1);
    case 'm':
        return seconds(60);
    case 'h':
        return seconds(3600);
    case 'd':
        return seconds(86'400);
    default:
        return seconds(0);
    }
}

} // namespace

std::string readable_duration(std::int64_t milliseconds) {
    if (milliseconds < 1000)
        return std::to_string(milliseconds) + " ms";
    if (milliseconds < 60'000) {
        std::array<char, 32> text{};
        auto const tenths = milliseconds / 100;
        auto const n = std::snprintf(text.data(), text.size(), "%lld.%lld s", static_cast<long long>(tenths / 10),
                                     static_cast<long long>(tenths % 10));
        return {text.data(), static_cast<std::size_t>(n)};
    }
    auto const whole = milliseconds / 1000;
    if (whole < 3600)
        return std::to_string(whole / 60) + " min " + std::to_string(whole % 60) + " s";
    return std::to_string(whole / 3600) + " h " + std::to_string(whole / 60 % 60) + " min";
}

std::string readable_time(std::string_view api_time) {
    if (!has_form(api_time, "0000-00-00T00:00:00.000Z"))
        return std::string(api_time);
    return std::string(api_time.substr(0, 19)) + "Z";
}

result<std::string> time_argument(std::string_view option, std::string_view text, wall_time now) {
    constexpr std::int64_t amount_max = 1'000'000;
    std::int64_t amount = 0;
    auto const unit = text.empty() ? seconds(0) : unit_of(text.back());
    auto const* const end = text.data() + text.size();
    auto const read = std::from_chars(text.data(), end, amount);
    if (unit != seconds(0) && read.ec == std::errc() && read.ptr + 1 == end && amount >= 0 && amount <= amount_max)
        return rfc3339_ms(now - unit * amount);
    // Whether the day exists is the daemon's to judge.
    if (text.size() >= 20 && has_form(text.substr(0, 10), "0000-00-00") && (text[10] == 'T' || text[10] == 't'))
        return std::string(text);
    return failure{fault::invalid_argument, std::string(option) + ": write a time like 2026-03-02T09:00:00Z, or how " +
                                                "long ago: 30s, 15m, 2h, 3d"};
}

} // namespace klen::webhooks::app
