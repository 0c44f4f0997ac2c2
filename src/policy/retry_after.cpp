#include "klen/webhooks/policy/verdict.hpp"

#include <algorithm>
#include <array>

namespace klen::webhooks::policy {

namespace {

using std::chrono::seconds;

/// Further away than any cap in use; keeps arithmetic with hostile numbers far from overflow.
constexpr seconds retry_after_ceiling{std::chrono::hours{24 * 366}};

constexpr std::array<std::string_view, 12> months{"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                  "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
constexpr std::array<std::string_view, 7> days{"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
constexpr std::array<std::string_view, 7> long_days{"Sunday",   "Monday", "Tuesday", "Wednesday",
                                                    "Thursday", "Friday", "Saturday"};

bool is_digit(char c) { return c >= '0' && c <= '9'; }

std::string_view trimmed(std::string_view text) {
    auto const first = text.find_first_not_of(" \t");
    if (first == std::string_view::npos)
        return {};
    return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

/// Reads a date from left to right. Not strptime: that follows the process's locale.
class date_reader {
  public:
    explicit date_reader(std::string_view text) : rest_(text) {}

    bool literal(std::string_view expected) {
        if (!rest_.starts_with(expected))
            return false;
        rest_.remove_prefix(expected.size());
        return true;
    }

    /// Exactly `digits` digits.
    bool number(std::size_t digits, int& out) {
        if (rest_.size() < digits || !std::all_of(rest_.begin(), rest_.begin() + static_cast<long>(digits), is_digit))
            return false;
        out = 0;
        for (std::size_t i = 0; i < digits; ++i)
            out = out * 10 + (rest_[i] - '0');
        rest_.remove_prefix(digits);
        return true;
    }

    /// One of the words; its index.
    template <std::size_t N>
    bool word(std::array<std::string_view, N> const& words, int& out) {
        for (std::size_t i = 0; i < N; ++i) {
            if (literal(words[i])) {
                out = static_cast<int>(i);
                return true;
            }
        }
        return false;
    }

    bool time_of_day(int& hour, int& minute, int& second) {
        return number(2, hour) && literal(":") && number(2, minute) && literal(":") && number(2, second);
    }

    bool at_end() const { return rest_.empty(); }

  private:
    std::string_view rest_;
};

struct parts {
    int year = 0;
    int month = 0; ///< 0 is January
    int day = 0;
    int hour = 0;
    int minute = 0;
    int second = 0;
};

/// "Sun, 06 Nov 1994 08:49:37 GMT", the form that everybody must send.
bool parse_imf(std::string_view text, parts& p) {
    date_reader in(text);
    int weekday = 0;
    return in.word(days, weekday) && in.literal(", ") && in.number(2, p.day) && in.literal(" ") &&
           in.word(months, p.month) && in.literal(" ") && in.number(4, p.year) && in.literal(" ") &&
           in.time_of_day(p.hour, p.minute, p.second) && in.literal(" GMT") && in.at_end();
}

/// "Sunday, 06-Nov-94 08:49:37 GMT". The century is the one that brings the year
/// within 50 years of this one.
bool parse_rfc850(std::string_view text, int this_year, parts& p) {
    date_reader in(text);
    int weekday = 0;
    if (!(in.word(long_days, weekday) && in.literal(", ") && in.number(2, p.day) && in.literal("-") &&
          in.word(months, p.month) && in.literal("-") && in.number(2, p.year) && in.literal(" ") &&
          in.time_of_day(p.hour, p.minute, p.second) && in.literal(" GMT") && in.at_end()))
        return false;
    p.year += this_year - this_year % 100;
    if (p.year > this_year + 50)
        p.year -= 100;
    else if (p.year <= this_year - 50)
        p.year += 100;
    return true;
}

/// "Sun Nov  6 08:49:37 1994", as asctime() prints it.
bool parse_asctime(std::string_view text, parts& p) {
    date_reader in(text);
    int weekday = 0;
    if (!(in.word(days, weekday) && in.literal(" ") && in.word(months, p.month) && in.literal(" ")))
        return false;
    bool const day_read = in.literal(" ") ? in.number(1, p.day) : in.number(2, p.day);
    return day_read && in.literal(" ") && in.time_of_day(p.hour, p.minute, p.second) && in.literal(" ") &&
           in.number(4, p.year) && in.at_end();
}

std::optional<std::chrono::sys_seconds> parse_http_date(std::string_view text, int this_year) {
    parts p;
    if (!parse_imf(text, p) && !parse_rfc850(text, this_year, p) && !parse_asctime(text, p))
        return std::nullopt;
    std::chrono::year_month_day const date{std::chrono::year{p.year},
                                           std::chrono::month{static_cast<unsigned>(p.month) + 1},
                                           std::chrono::day{static_cast<unsigned>(p.day)}};
    // 60 is a leap second.
    if (!date.ok() || p.hour > 23 || p.minute > 59 || p.second > 60)
        return std::nullopt;
    return std::chrono::sys_days{date} + std::chrono::hours{p.hour} + std::chrono::minutes{p.minute} +
           seconds{p.second};
}

seconds parse_delta(std::string_view digits) {
    seconds::rep n = 0;
    for (char c : digits) {
        n = n * 10 + (c - '0');
        if (n > retry_after_ceiling.count())
            return retry_after_ceiling;
    }
    return seconds{n};
}

} // namespace

std::optional<seconds> parse_retry_after(std::string_view value, std::chrono::system_clock::time_point now) {
    value = trimmed(value);
    if (value.empty())
        return std::nullopt;
    if (std::all_of(value.begin(), value.end(), is_digit))
        return parse_delta(value);
    std::chrono::year_month_day const today{std::chrono::floor<std::chrono::days>(now)};
    auto const date = parse_http_date(value, static_cast<int>(today.year()));
    if (!date)
        return std::nullopt;
    return std::clamp<seconds>(*date - std::chrono::floor<seconds>(now), seconds::zero(), retry_after_ceiling);
}

} // namespace klen::webhooks::policy
