#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace klen::webhooks::app {

/// Where tables and blocks go.
struct text_style {
    std::size_t width = 0; ///< columns of the terminal; 0: none, so nothing is cut
    bool utf8 = true;      ///< the mark of what was cut is one character
};

/// Of standard output, as it is now: only a terminal has a width.
text_style standard_output_style();

struct table_column {
    std::string title;
    bool numbers = false;   ///< aligned to the right
    std::size_t cut_to = 0; ///< may be cut to as few columns when a terminal is too narrow; 0: never (ids)
};

/// Rows for people: columns aligned by what a terminal shows, not by bytes. Cells may hold any bytes.
class text_table {
  public:
    text_table(std::vector<table_column> columns, text_style style);

    /// As many cells as there are columns.
    void add(std::vector<std::string> cells);

    /// The rows since the last call as lines; the titles stand in front of the first ones. Columns only ever grow, so
    /// pages that are printed one after the other stay in line, but for longer values on later ones.
    std::string take();

  private:
    std::vector<std::size_t> fitted() const;
    std::string line(std::vector<std::string> const& cells, std::vector<std::size_t> const& widths) const;

    std::vector<table_column> columns_;
    text_style style_;
    std::vector<std::size_t> widths_;
    std::vector<std::vector<std::string>> rows_;
    bool titled_ = false;
};

/// "label:  value" lines with the values in one column, for one thing. Values may hold any bytes.
class text_block {
  public:
    explicit text_block(std::string margin = {}) : margin_(std::move(margin)) {}

    text_block& add(std::string label, std::string_view value);
    /// Only when there is something to show.
    text_block& add_unless_empty(std::string label, std::string_view value);
    std::string take();

  private:
    std::string margin_;
    std::vector<std::pair<std::string, std::string>> lines_;
};

} // namespace klen::webhooks::app
