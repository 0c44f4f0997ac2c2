#include "app/display_width.hpp"

#include <algorithm>
#include <iterator>

namespace klen::webhooks::app {

namespace {

struct range {
    char32_t first;
    char32_t last;
};

// Unicode 15, the ranges that texts of names and messages hold: EastAsianWidth W and F, and emoji shown as pictures.
constexpr range wide[] = {
    {0x1100, 0x115F},   {0x231A, 0x231B},   {0x23E9, 0x23EC},   {0x23F0, 0x23F0},   {0x23F3, 0x23F3},
    {0x25FD, 0x25FE},   {0x2614, 0x2615},   {0x2648, 0x2653},   {0x267F, 0x267F},   {0x2693, 0x2693},
    {0x26A1, 0x26A1},   {0x26AA, 0x26AB},   {0x26BD, 0x26BE},   {0x26C4, 0x26C5},   {0x26CE, 0x26CE},
    {0x26D4, 0x26D4},   {0x26EA, 0x26EA},   {0x26F2, 0x26F3},   {0x26F5, 0x26F5},   {0x26FA, 0x26FA},
    {0x26FD, 0x26FD},   {0x2705, 0x2705},   {0x270A, 0x270B},   {0x2728, 0x2728},   {0x274C, 0x274C},
    {0x274E, 0x274E},   {0x2753, 0x2755},   {0x2757, 0x2757},   {0x2795, 0x2797},   {0x27B0, 0x27B0},
    {0x27BF, 0x27BF},   {0x2B1B, 0x2B1C},   {0x2B50, 0x2B50},   {0x2B55, 0x2B55},   {0x2E80, 0x303E},
    {0x3041, 0x4DBF},   {0x4E00, 0xA4CF},   {0xA960, 0xA97F},   {0xAC00, 0xD7A3},   {0xF900, 0xFAFF},
    {0xFE10, 0xFE19},   {0xFE30, 0xFE6F},   {0xFF01, 0xFF60},   {0xFFE0, 0xFFE6},   {0x1F004, 0x1F004},
    {0x1F0CF, 0x1F0CF}, {0x1F18E, 0x1F18E}, {0x1F191, 0x1F19A}, {0x1F200, 0x1F64F}, {0x1F680, 0x1F6FF},
    {0x1F7E0, 0x1F7EB}, {0x1F900, 0x1F9FF}, {0x1FA70, 0x1FAFF}, {0x20000, 0x3FFFD}};

constexpr range combining[] = {
    {0x0300, 0x036F}, {0x0483, 0x0489}, {0x0591, 0x05BD},  {0x05BF, 0x05BF}, {0x05C1, 0x05C2}, {0x05C4, 0x05C5},
    {0x0610, 0x061A}, {0x064B, 0x065F}, {0x0670, 0x0670},  {0x06D6, 0x06DC}, {0x06DF, 0x06E4}, {0x06E7, 0x06E8},
    {0x06EA, 0x06ED}, {0x0900, 0x0902}, {0x093C, 0x093C},  {0x0941, 0x0948}, {0x094D, 0x094D}, {0x0E31, 0x0E31},
    {0x0E34, 0x0E3A}, {0x0E47, 0x0E4E}, {0x1AB0, 0x1AFF},  {0x1DC0, 0x1DFF}, {0x20D0, 0x20FF}, {0x3099, 0x309A},
    {0xFE00, 0xFE0F}, {0xFE20, 0xFE2F}, {0xE0100, 0xE01EF}};

template <std::size_t N>
bool is_in(range const (&table)[N], char32_t c) {
    auto const after = std::ranges::upper_bound(table, c, {}, &range::first);
    return after != std::begin(table) && c <= std::prev(after)->last;
}

std::size_t width_of(char32_t c) {
    if (c < 0x300)
        return 1;
    if (is_in(combining, c))
        return 0;
    return is_in(wide, c) ? 2 : 1;
}

/// Takes the first character off `text`.
char32_t next_character(std::string_view& text) {
    auto const lead = static_cast<unsigned char>(text.front());
    std::size_t const bytes = lead < 0xC0 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
    char32_t c = bytes == 1 ? lead : lead & (0xFFU >> (bytes + 1));
    for (std::size_t i = 1; i < std::min(bytes, text.size()); ++i)
        c = c << 6 | (static_cast<unsigned char>(text[i]) & 0x3FU);
    text.remove_prefix(std::min(bytes, text.size()));
    return c;
}

} // namespace

std::size_t display_width(std::string_view text) {
    std::size_t out = 0;
    while (!text.empty())
        out += width_of(next_character(text));
    return out;
}

std::string cut_to_width(std::string_view text, std::size_t columns, std::string_view mark) {
    if (display_width(text) <= columns)
        return std::string(text);
    auto const marked = display_width(mark);
    auto const room = columns > marked ? columns - marked : 0;
    auto left = text;
    std::size_t used = 0;
    while (!left.empty()) {
        auto rest = left;
        auto const width = width_of(next_character(rest));
        if (used + width > room)
            break;
        used += width;
        left = rest;
    }
    return std::string(text.substr(0, text.size() - left.size())).append(mark);
}

} // namespace klen::webhooks::app
