#include "kit/report.hpp"

#include "kit/files.hpp"

#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>

#include <algorithm>
#include <array>
#include <cstdio>
#include <ctime>
#include <fstream>
#include <sys/utsname.h>
#include <thread>

namespace klen::bench {

namespace json = boost::json;

namespace {

json::value const* at_path(json::object const& row, std::string const& path) {
    auto const dot = path.find('.');
    auto const* found = row.if_contains(path.substr(0, dot));
    if (found == nullptr || dot == std::string::npos)
        return found;
    return found->is_object() ? at_path(found->as_object(), path.substr(dot + 1)) : nullptr;
}

std::string shown(json::value const* value, int digits) {
    if (value == nullptr || value->is_null())
        return "-";
    if (value->is_string())
        return std::string(value->as_string());
    std::array<char, 64> text{};
    std::snprintf(text.data(), text.size(), "%.*f", digits, value->to_number<double>());
    return text.data();
}

constexpr std::size_t first_width = 44;

/// Characters, where bytes are UTF-8.
std::size_t length_of(std::string const& text) {
    return static_cast<std::size_t>(
        std::ranges::count_if(text, [](char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U; }));
}

std::string padding(std::string const& text, std::size_t width) {
    auto const length = length_of(text);
    return std::string(length < width ? width - length : 0, ' ');
}

/// The first column to the left, numbers to the right.
std::string cell(std::size_t place, column const& c, std::string const& text) {
    if (place == 0)
        return text + padding(text, first_width);
    return " " + padding(text, std::max<std::size_t>(length_of(c.title), 7)) + text;
}

std::string cpu_model() {
    std::ifstream in("/proc/cpuinfo");
    for (std::string line; std::getline(in, line);)
        if (line.starts_with("model name"))
            return line.substr(line.find(':') + 2);
    return "";
}

/// The machine and the revision that are measured.
json::object surroundings(std::string const& revision) {
    utsname system{};
    uname(&system);
    std::array<char, 32> now{};
    auto const at = std::time(nullptr);
    std::tm parts{};
    std::strftime(now.data(), now.size(), "%FT%TZ", gmtime_r(&at, &parts));
    return {{"at", now.data()},
            {"cores", std::thread::hardware_concurrency()},
            {"cpu", cpu_model()},
            {"kernel", system.release},
            {"revision", revision}};
}

} // namespace

void report::add(json::object row) {
    std::string line;
    if (rows_.empty()) {
        line = "\n" + name_ + "\n";
        for (std::size_t i = 0; i < columns_.size(); ++i)
            line += cell(i, columns_[i], columns_[i].title);
        line += '\n';
    }
    for (std::size_t i = 0; i < columns_.size(); ++i)
        line += cell(i, columns_[i], shown(at_path(row, columns_[i].path), columns_[i].digits));
    std::printf("%s\n", line.c_str());
    std::fflush(stdout);
    rows_.push_back(std::move(row));
}

json::object to_json(latency_summary const& of) {
    return {{"p50", of.p50_ms}, {"p99", of.p99_ms}, {"p999", of.p999_ms}, {"max", of.max_ms}, {"count", of.count}};
}

void write_json(std::string const& file, std::string const& revision, std::vector<report const*> const& of) {
    json::object out{{"machine", surroundings(revision)}};
    for (auto const* one : of) {
        json::array rows;
        for (auto const& row : one->rows())
            rows.emplace_back(row);
        out[one->name()] = std::move(rows);
    }
    write_file(file, json::serialize(out) + "\n");
}

} // namespace klen::bench
