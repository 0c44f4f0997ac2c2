#pragma once

#include <string>
#include <vector>

namespace klen::webhooks::app {

struct outcome {
    int code = 0;
    std::string out;
    std::string err;
};

/// Runs a command line in this process.
outcome run_line(std::vector<std::string> words);

} // namespace klen::webhooks::app
