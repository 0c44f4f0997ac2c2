#include "json_reader.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>

namespace klen::webhooks::event {

namespace {

/// No double needs more digits than this to be told from its neighbours, so a longer number is none that ECMAScript
/// would print.
constexpr std::size_t digits_max = 17;

/// 0.d1d2d3… × 10^point, without leading or trailing zeros. Zero has no digits.
struct decimal {
    bool negative = false;
    bool too_long = false; ///< more than digits_max significant digits: the rest was not read
    std::array<char, digits_max> digits{};
    std::size_t count = 0;
    std::int64_t point = 0;

    std::string_view text() const { return {digits.data(), count}; }
    friend bool operator==(decimal const& a, decimal const& b) { return a.text() == b.text() && a.point == b.point; }
};

/// The exponent after 'e'; held within ±10^12, where it is out of any double's reach however many digits stand before
/// it.
std::int64_t read_exponent(std::string_view text) {
    constexpr std::int64_t bound = 1'000'000'000'000;
    bool const negative = text.starts_with('-');
    std::int64_t value = 0;
    for (char c : text)
        if (c >= '0' && c <= '9')
            value = std::min(value * 10 + (c - '0'), bound);
    return negative ? -value : value;
}

decimal read_decimal(std::string_view text) {
    decimal out;
    out.negative = text.starts_with('-');
    auto const e = text.find_first_of("eE");
    std::size_t zeros = 0; // seen, and significant only if another digit follows
    bool fraction = false;
    for (char c : text.substr(0, e)) {
        if (c == '.')
            fraction = true;
        if (c < '0' || c > '9')
            continue;
        bool const leading_zero = c == '0' && out.count == 0;
        if (leading_zero) {
            out.point -= fraction ? 1 : 0;
            continue;
        }
        out.point += fraction ? 0 : 1;
        if (c == '0') {
            ++zeros;
            continue;
        }
        if (out.count + zeros >= digits_max) {
            out.too_long = true;
            return out;
        }
        std::fill_n(out.digits.begin() + static_cast<std::ptrdiff_t>(out.count), zeros, '0');
        out.count += zeros;
        zeros = 0;
        out.digits[out.count++] = c;
    }
    if (e != std::string_view::npos)
        out.point += read_exponent(text.substr(e + 1));
    return out;
}

/// Is `d` the very decimal that ECMAScript prints for the double nearest to it?
bool survives_a_double(decimal const& d) {
    // Fifteen digits always do (DBL_DIG), away from the subnormal numbers.
    if (d.count <= 15 && d.point > -290 && d.point < 290)
        return true;
    if (d.point < -400 || d.point > 400)
        return false;
    std::array<char, 48> text{'0', '.'};
    char* end = std::copy_n(d.digits.begin(), d.count, text.data() + 2);
    *end++ = 'e';
    end = std::to_chars(end, text.data() + text.size(), d.point).ptr;
    double value = 0;
    if (std::from_chars(text.data(), end, value).ec != std::errc{})
        return false; // beyond the largest double, or nearer to zero than to the smallest
    end = std::to_chars(text.data(), text.data() + text.size(), value, std::chars_format::scientific).ptr;
    return read_decimal({text.data(), static_cast<std::size_t>(end - text.data())}) == d;
}

/// ECMA-262 §6.1.6.1.20, steps 6 to 12: n is the standard's n, k the number of digits.
void append_as_ecmascript(std::string& out, decimal const& d) {
    auto const k = static_cast<std::int64_t>(d.count);
    std::int64_t const n = d.point;
    if (d.negative)
        out += '-';
    if (k <= n && n <= 21) {
        out.append(d.text());
        out.append(static_cast<std::size_t>(n - k), '0');
    } else if (0 < n && n <= 21) {
        out.append(d.text().substr(0, static_cast<std::size_t>(n)));
        out += '.';
        out.append(d.text().substr(static_cast<std::size_t>(n)));
    } else if (-6 < n && n <= 0) {
        out += "0.";
        out.append(static_cast<std::size_t>(-n), '0');
        out.append(d.text());
    } else {
        out += d.digits[0];
        if (k > 1) {
            out += '.';
            out.append(d.text().substr(1));
        }
        out += n > 0 ? "e+" : "e-";
        out += std::to_string(n > 0 ? n - 1 : 1 - n);
    }
}

} // namespace

void append_number(std::string& out, std::string_view text) {
    decimal const d = read_decimal(text);
    if (d.count == 0)
        out += '0'; // -0 too, as JSON.stringify does
    else if (d.too_long || !survives_a_double(d))
        out.append(text);
    else
        append_as_ecmascript(out, d);
}

std::string canonical_number(std::string_view text) {
    std::string out;
    append_number(out, text);
    return out;
}

} // namespace klen::webhooks::event
