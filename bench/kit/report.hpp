#pragma once

#include "kit/times.hpp"

#include <boost/json/object.hpp>

#include <string>
#include <vector>

namespace klen::bench {

/// A column of a table for people: what is at a place of a row ("cpu_us.daemon").
struct column {
    std::string title;
    std::string path;
    int digits = 0; ///< after the point; of numbers
};

/// Rows of one measurement: kept as JSON, shown as a table.
class report {
  public:
    report(std::string name, std::vector<column> columns) : name_(std::move(name)), columns_(std::move(columns)) {}

    /// Keeps it and prints it at once, with the titles before the first.
    void add(boost::json::object row);
    std::vector<boost::json::object> const& rows() const { return rows_; }
    std::string const& name() const { return name_; }

  private:
    std::string name_;
    std::vector<column> columns_;
    std::vector<boost::json::object> rows_;
};

/// {"p50": …, …}, milliseconds.
boost::json::object to_json(latency_summary const& of);

/// One file for the reports of one run, with the machine and the revision that were measured.
void write_json(std::string const& file, std::string const& revision, std::vector<report const*> const& of);

} // namespace klen::bench
