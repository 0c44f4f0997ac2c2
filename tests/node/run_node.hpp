#pragma once

#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>
#include <sys/wait.h>
#include <unistd.h>

namespace klen::webhooks::testing_node {

/// A file for Node to read; gone at the end of the scope.
class handed_file {
  public:
    explicit handed_file(std::string const& content) {
        std::string name = (std::filesystem::temp_directory_path() / "klen-node-XXXXXX").string();
        int const descriptor = mkstemp(name.data());
        if (descriptor < 0)
            throw std::runtime_error("no temporary file could be made");
        close(descriptor);
        path_ = name;
        std::ofstream(path_, std::ios::binary).write(content.data(), static_cast<std::streamsize>(content.size()));
    }
    ~handed_file() { std::filesystem::remove(path_); }
    handed_file(handed_file const&) = delete;
    handed_file& operator=(handed_file const&) = delete;

    std::string const& path() const { return path_; }

  private:
    std::string path_;
};

struct node_result {
    int exit_code = -1;
    std::string output; ///< standard output and standard error
    std::string hint() const {
        return exit_code == 127 ? "Node.js is not installed: run scripts/test, which installs it" : output;
    }
};

/// Runs tests/node/<script> on `input`.
inline node_result run_node(std::string const& script, handed_file const& input) {
    std::string const command =
        "node '" KLEN_SOURCE_DIR "/tests/node/" + script + "' '" + input.path() + "' 2>&1 </dev/null";
    node_result out;
    std::FILE* const pipe = popen(command.c_str(), "r");
    if (pipe == nullptr)
        throw std::runtime_error("no shell could be started");
    std::array<char, 65536> buffer{};
    for (std::size_t got = 0; (got = std::fread(buffer.data(), 1, buffer.size(), pipe)) > 0;)
        out.output.append(buffer.data(), got);
    int const status = pclose(pipe);
    out.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    return out;
}

} // namespace klen::webhooks::testing_node
