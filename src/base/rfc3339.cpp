#include "klen/webhooks/base/clock.hpp"

#include <algorithm>

namespace klen::webhooks {

namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

/// Takes fixed-width pieces off the front of a text.
class cutter {
  public:
    explicit cutter(std::string_view text) : rest_(text) {}

    /// The number of `digits` digits in front, or -1.
    int number(std::size_t digits) {
        if (rest_.size() < digits || !std::ranges::all_of(rest_.substr(0, digits), is_digit))
            return -1;
        int out = 0;
        for (char c : rest_.substr(0, digits))
            out = out * 10 + (c - '0');
        rest_.remove_prefix(digits);
        return out;
    }

    bool one_of(std::string_view allowed) {
        if (rest_.empty() || allowed.find(rest_.front()) == std::string_view::npos)
            return false;
        rest_.remove_prefix(1);
        return true;
    }

    std::string_view rest() const { return rest_; }

  private:
    std::string_view rest_;
};

bool read_date(cutter& in, std::chrono::sys_days& out) {
    int const year = in.number(4);
    bool const first = in.one_of("-");
    int const month = in.number(2);
    bool const second = in.one_of("-");
    int const day = in.number(2);
    if (!first || !second || year < 0 || month < 1 || day < 1)
        return false;
    std::chrono::year_month_day const date{std::chrono::year(year), std::chrono::month(static_cast<unsigned>(month)),
                                           std::chrono::day(static_cast<unsigned>(day))};
    if (!date.ok())
        return false;
    out = date;
    return true;
}

struct clock_time {
    int hour = 0;
    int minute = 0;
    int second = 0;
    int nanoseconds = 0;
};

/// What the digits after the point mean; those past the ninth are read and dropped.
bool read_fraction(cutter& in, int& nanoseconds) {
    int worth = 100'000'000;
    int digit = in.number(1);
    if (digit < 0)
        return false;
    for (; digit >= 0; digit = in.number(1)) {
        nanoseconds += digit * worth;
        worth /= 10;
    }
    return true;
}

bool read_time(cutter& in, clock_time& out) {
    out.hour = in.number(2);
    bool const first = in.one_of(":");
    out.minute = in.number(2);
    bool const second = in.one_of(":");
    out.second = in.number(2);
    if (!first || !second || out.hour < 0 || out.hour > 23 || out.minute < 0 || out.minute > 59 || out.second < 0 ||
        out.second > 60)
        return false;
    return !in.one_of(".") || read_fraction(in, out.nanoseconds);
}

/// Minutes east of UTC.
bool read_offset(cutter& in, int& minutes) {
    minutes = 0;
    if (in.one_of("Zz"))
        return true;
    int const sign = !in.rest().empty() && in.rest().front() == '-' ? -1 : 1;
    if (!in.one_of("+-"))
        return false;
    int const h = in.number(2);
    bool const colon = in.one_of(":");
    int const m = in.number(2);
    minutes = sign * (h * 60 + m);
    return colon && h >= 0 && h <= 23 && m >= 0 && m <= 59;
}

/// Four-digit years reach further than 64 bits of nanoseconds: 1677 to 2262.
wall_time nearest(std::chrono::sys_seconds at, int nanoseconds) {
    auto const first = std::chrono::ceil<std::chrono::seconds>(wall_time::min());
    auto const last = std::chrono::floor<std::chrono::seconds>(wall_time::max()) - std::chrono::seconds(1);
    if (at < first)
        return wall_time::min();
    if (at > last)
        return wall_time::max();
    return wall_time(at) + std::chrono::nanoseconds(nanoseconds);
}

} // namespace

std::optional<wall_time> parse_rfc3339(std::string_view text) {
    if (text.size() > 64)
        return std::nullopt;
    cutter in(text);
    std::chrono::sys_days day;
    clock_time at;
    int minutes_east = 0;
    if (!read_date(in, day) || !in.one_of("Tt") || !read_time(in, at) || !read_offset(in, minutes_east) ||
        !in.rest().empty())
        return std::nullopt;
    // Leap seconds are inserted before midnight UTC, so locally at whatever minute that is.
    int const utc_minute = ((at.hour * 60 + at.minute - minutes_east) % 1440 + 1440) % 1440;
    if (at.second == 60 && utc_minute != 1439)
        return std::nullopt;
    auto const local =
        day + std::chrono::hours(at.hour) + std::chrono::minutes(at.minute) + std::chrono::seconds(at.second);
    return nearest(local - std::chrono::minutes(minutes_east), at.nanoseconds);
}

} // namespace klen::webhooks
