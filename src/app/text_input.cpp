#include "app/text_input.hpp"

#include <cerrno>
#include <cstring>
#include <fstream>
#include <iostream>

namespace klen::webhooks::app {

namespace {

result<std::string> read_all(std::istream& in, std::string const& name, std::size_t bytes_max) {
    std::string out;
    char part[16 * 1024];
    while (in.read(part, sizeof part) || in.gcount() > 0) {
        out.append(part, static_cast<std::size_t>(in.gcount()));
        if (out.size() > bytes_max)
            return failure{fault::too_large, name + " is longer than " + std::to_string(bytes_max) + " bytes"};
    }
    if (in.bad())
        return failure{fault::io, "cannot read " + name};
    return out;
}

std::string shown_name(std::string const& name) { return name == "-" ? "standard input" : name; }

failure empty(std::string const& name) { return {fault::invalid_argument, shown_name(name) + " is empty"}; }

} // namespace

result<std::string> read_input(std::string const& name, std::size_t bytes_max) {
    if (name == "-")
        return read_all(std::cin, shown_name(name), bytes_max);
    errno = 0;
    std::ifstream file(name, std::ios::binary);
    if (!file)
        return failure{fault::io, "cannot open " + name + ": " + std::strerror(errno)};
    return read_all(file, name, bytes_max);
}

result<std::string> read_secret_file(std::string const& name) {
    auto text = read_input(name, std::size_t{64} << 10);
    if (text.has_error())
        return text.error();
    auto line = text->substr(0, text->find_first_of("\r\n"));
    if (line.empty())
        return empty(name);
    return line;
}

result<std::string> read_json_file(std::string const& name, std::size_t bytes_max) {
    auto text = read_input(name, bytes_max);
    if (text.has_value() && text->find_first_not_of(" \t\r\n") == std::string::npos)
        return empty(name);
    return text;
}

} // namespace klen::webhooks::app
