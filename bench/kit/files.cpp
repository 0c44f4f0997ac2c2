#include "kit/files.hpp"

#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <unistd.h>

namespace klen::bench {

namespace fs = std::filesystem;

std::string read_file(std::string const& name) {
    std::ifstream in(name, std::ios::binary);
    if (!in)
        throw std::runtime_error("cannot read " + name);
    return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

void write_file(std::string const& name, std::string const& text) {
    std::ofstream out(name, std::ios::binary | std::ios::trunc);
    out << text;
    if (!out.flush())
        throw std::runtime_error("cannot write " + name);
}

scratch_dir::scratch_dir(std::string path, bool keep)
    : path_(path.empty() ? "/var/tmp/klen-bench-" + std::to_string(getpid()) : std::move(path)), keep_(keep) {
    fs::create_directories(path_);
}

scratch_dir::~scratch_dir() {
    std::error_code ignored;
    if (!keep_)
        fs::remove_all(path_, ignored);
}

std::string scratch_dir::make(std::string const& name) const {
    auto made = path_ + "/" + name;
    fs::remove_all(made);
    fs::create_directories(made);
    return made;
}

} // namespace klen::bench
