#include "app/text_table.hpp"

#include "app/display_width.hpp"
#include "app/json_text.hpp"
#include "app/listen/delivery_printer.hpp"

#include <algorithm>
#include <numeric>

#include <sys/ioctl.h>
#include <unistd.h>

namespace klen::webhooks::app {

namespace {

constexpr std::size_t gap = 2;
constexpr std::size_t cell_bytes_max = std::size_t{16} << 10;
constexpr std::size_t value_bytes_max = std::size_t{1} << 20;

} // namespace

text_style standard_output_style() {
    text_style out;
    out.utf8 = listen::delivery_printer::locale_is_utf8();
    winsize size{};
    if (isatty(STDOUT_FILENO) == 1 && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0)
        out.width = size.ws_col;
    return out;
}

text_table::text_table(std::vector<table_column> columns, text_style style)
    : columns_(std::move(columns)), style_(style) {
    for (auto const& column : columns_)
        widths_.push_back(display_width(column.title));
}

void text_table::add(std::vector<std::string> cells) {
    cells.resize(columns_.size());
    for (std::size_t i = 0; i < cells.size(); ++i) {
        cells[i] = cells[i].empty() ? "-" : terminal_safe(cells[i], cell_bytes_max);
        widths_[i] = std::max(widths_[i], display_width(cells[i]));
    }
    rows_.push_back(std::move(cells));
}

/// The widths that a terminal has room for: the widest column that may be cut gives way first.
std::vector<std::size_t> text_table::fitted() const {
    auto out = widths_;
    auto const gaps = gap * (out.empty() ? 0 : out.size() - 1);
    auto total = std::accumulate(out.begin(), out.end(), gaps);
    while (style_.width != 0 && total > style_.width) {
        std::size_t widest = out.size();
        for (std::size_t i = 0; i < out.size(); ++i)
            if (columns_[i].cut_to != 0 && out[i] > columns_[i].cut_to &&
                (widest == out.size() || out[i] > out[widest]))
                widest = i;
        if (widest == out.size())
            break; // nothing more may be cut: the terminal wraps the line
        --out[widest];
        --total;
    }
    return out;
}

std::string text_table::line(std::vector<std::string> const& cells, std::vector<std::size_t> const& widths) const {
    std::string out;
    for (std::size_t i = 0; i < cells.size(); ++i) {
        auto const cell = cut_to_width(cells[i], widths[i], style_.utf8 ? "…" : "...");
        std::string const padding(widths[i] - std::min(widths[i], display_width(cell)), ' ');
        out += columns_[i].numbers ? padding + cell : cell + padding;
        out.append(gap, ' ');
    }
    out.resize(out.find_last_not_of(' ') + 1);
    return out + "\n";
}

std::string text_table::take() {
    auto const widths = fitted();
    std::string out;
    if (!titled_ && !rows_.empty()) {
        std::vector<std::string> titles;
        for (auto const& column : columns_)
            titles.push_back(column.title);
        out += line(titles, widths);
        titled_ = true;
    }
    for (auto const& row : rows_)
        out += line(row, widths);
    rows_.clear();
    return out;
}

text_block& text_block::add(std::string label, std::string_view value) {
    lines_.emplace_back(std::move(label), value.empty() ? "-" : terminal_safe(value, value_bytes_max));
    return *this;
}

text_block& text_block::add_unless_empty(std::string label, std::string_view value) {
    return value.empty() ? *this : add(std::move(label), value);
}

std::string text_block::take() {
    std::size_t widest = 0;
    for (auto const& [label, value] : lines_)
        widest = std::max(widest, display_width(label));
    std::string out;
    for (auto const& [label, value] : lines_) {
        auto const colon = label.empty() ? " " : ":";
        out += margin_ + label + colon + std::string(widest - display_width(label) + gap, ' ') + value + "\n";
    }
    lines_.clear();
    return out;
}

} // namespace klen::webhooks::app
