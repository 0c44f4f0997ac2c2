#include "field_rules.hpp"

#include "klen/webhooks/intake/intake.hpp"

#include <algorithm>
#include <chrono>

namespace klen::webhooks::intake {

namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_lower_hex(char c) { return is_digit(c) || (c >= 'a' && c <= 'f'); }
bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

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

bool is_real_date(int year, int month, int day) {
    return year >= 0 && month >= 1 && day >= 1 &&
           std::chrono::year_month_day(std::chrono::year(year), std::chrono::month(static_cast<unsigned>(month)),
                                       std::chrono::day(static_cast<unsigned>(day)))
               .ok();
}

bool date(cutter& in) {
    int const year = in.number(4);
    bool const first = in.one_of("-");
    int const month = in.number(2);
    bool const second = in.one_of("-");
    int const day = in.number(2);
    return first && second && is_real_date(year, month, day);
}

struct clock_time {
    int hour = 0;
    int minute = 0;
    int second = 0;
};

bool time_of_day(cutter& in, clock_time& out) {
    out.hour = in.number(2);
    bool const first = in.one_of(":");
    out.minute = in.number(2);
    bool const second = in.one_of(":");
    out.second = in.number(2);
    if (!first || !second || out.hour < 0 || out.hour > 23 || out.minute < 0 || out.minute > 59 || out.second < 0 ||
        out.second > 60)
        return false;
    if (!in.one_of("."))
        return true;
    if (in.number(1) < 0)
        return false;
    while (in.number(1) >= 0) {
    }
    return true;
}

/// Minutes east of UTC.
bool offset(cutter& in, int& minutes) {
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

} // namespace

bool is_rfc3339(std::string_view text) {
    if (text.size() > 64)
        return false;
    cutter in(text);
    clock_time at;
    int minutes_east = 0;
    if (!date(in) || !in.one_of("Tt") || !time_of_day(in, at) || !offset(in, minutes_east) || !in.rest().empty())
        return false;
    // Leap seconds are inserted before midnight UTC, so locally at whatever minute that is.
    int const utc_minute = ((at.hour * 60 + at.minute - minutes_east) % 1440 + 1440) % 1440;
    return at.second != 60 || utc_minute == 1439;
}

bool is_traceparent(std::string_view text) {
    if (text.size() != 55 || !text.starts_with("00-") || text[35] != '-' || text[52] != '-')
        return false;
    auto const trace_id = text.substr(3, 32);
    auto const parent_id = text.substr(36, 16);
    auto const flags = text.substr(53, 2);
    auto const hex = [](std::string_view part) { return std::ranges::all_of(part, is_lower_hex); };
    auto const zero = [](std::string_view part) { return part.find_first_not_of('0') == std::string_view::npos; };
    return hex(trace_id) && hex(parent_id) && hex(flags) && !zero(trace_id) && !zero(parent_id);
}

bool is_idempotency_key(std::string_view text) {
    std::size_t characters = 0;
    for (std::size_t i = 0; i < text.size(); ++i) {
        auto const c = static_cast<unsigned char>(text[i]);
        if (c < 0x20 || c == 0x7f)
            return false;
        if (c == 0xc2 && i + 1 < text.size() && static_cast<unsigned char>(text[i + 1]) < 0xa0) // U+0080 to U+009F
            return false;
        if ((c & 0xc0) != 0x80)
            ++characters;
    }
    return characters >= 1 && characters <= 256;
}

bool is_account_id(std::string_view text) {
    return !text.empty() && text.size() <= 128 && std::ranges::all_of(text, [](char c) {
        return is_letter(c) || is_digit(c) || c == '.' || c == '_' || c == ':' || c == '-';
    });
}

} // namespace klen::webhooks::intake
