#include "guide/guide.hpp"

#include <algorithm>
#include <fstream>
#include <stdexcept>

namespace klen::webhooks::guide {

namespace {

struct block {
    std::string language;
    std::string text;
};

std::vector<block> all_blocks() {
    std::ifstream in(KLEN_SOURCE_DIR "/docs/API.md");
    if (!in)
        throw std::runtime_error("docs/API.md cannot be read");
    std::vector<block> out;
    bool inside = false;
    for (std::string line; std::getline(in, line);) {
        if (line.starts_with("```")) {
            if (!inside)
                out.push_back({line.substr(3), {}});
            inside = !inside;
        } else if (inside) {
            out.back().text += line + "\n";
        }
    }
    return out;
}

} // namespace

std::vector<std::string> blocks(std::string const& language) {
    std::vector<std::string> out;
    for (auto& one : all_blocks())
        if (one.language == language)
            out.push_back(std::move(one.text));
    return out;
}

std::vector<std::string> languages() {
    std::vector<std::string> out;
    for (auto const& one : all_blocks())
        if (std::ranges::find(out, one.language) == out.end())
            out.push_back(one.language);
    return out;
}

} // namespace klen::webhooks::guide
