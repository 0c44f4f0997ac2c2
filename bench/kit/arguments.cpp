#include "kit/arguments.hpp"

#include <algorithm>
#include <sstream>
#include <stdexcept>

namespace klen::bench {

namespace {

std::size_t parse_count(std::string const& text) {
    std::size_t used = 0;
    auto value = std::stoull(text, &used);
    auto const unit = text.substr(used);
    if (unit == "k")
        value *= 1'000;
    else if (unit == "M")
        value *= 1'000'000;
    else if (!unit.empty())
        throw std::runtime_error("not a number: " + text + " (10000, 10k and 1M are)");
    return value;
}

} // namespace

arguments::arguments(int argc, char** argv, std::vector<std::string> flags) {
    for (int i = 0; i < argc; ++i) {
        std::string const name = argv[i];
        if (std::ranges::find(flags, name) != flags.end())
            given_[name] = "yes";
        else if (i + 1 < argc)
            given_[name] = argv[++i];
        else
            throw std::runtime_error(name + " needs a value");
    }
}

std::string arguments::text(std::string const& name, std::string const& otherwise) {
    known_.push_back(name);
    auto const at = given_.find(name);
    return at == given_.end() ? otherwise : at->second;
}

double arguments::number(std::string const& name, double otherwise) {
    auto const given = text(name, "");
    return given.empty() ? otherwise : std::stod(given);
}

std::size_t arguments::count(std::string const& name, std::size_t otherwise) {
    auto const given = text(name, "");
    return given.empty() ? otherwise : parse_count(given);
}

std::vector<std::size_t> arguments::counts(std::string const& name, std::string const& otherwise) {
    std::vector<std::size_t> out;
    std::istringstream list(text(name, otherwise));
    for (std::string one; std::getline(list, one, ',');)
        out.push_back(parse_count(one));
    return out;
}

bool arguments::flag(std::string const& name) { return !text(name, "").empty(); }

void arguments::refuse_others() const {
    for (auto const& [name, value] : given_)
        if (std::ranges::find(known_, name) == known_.end())
            throw std::runtime_error("unknown option " + name);
}

} // namespace klen::bench
