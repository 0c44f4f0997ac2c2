#include "app/run_line.hpp"

#include "klen/webhooks/app/application.hpp"

#include <gtest/gtest.h>

#include <cstdlib>

namespace klen::webhooks::app {

outcome run_line(std::vector<std::string> words) {
    setenv("XDG_STATE_HOME", "/nowhere/state", 0); // there may be no HOME: a configuration of its own is an error then
    words.insert(words.begin(), "klen-webhooks");
    std::vector<char*> arguments;
    arguments.reserve(words.size());
    for (auto& word : words)
        arguments.push_back(word.data());
    testing::internal::CaptureStdout();
    testing::internal::CaptureStderr();
    outcome result;
    result.code = run(static_cast<int>(arguments.size()), arguments.data());
    result.out = testing::internal::GetCapturedStdout();
    result.err = testing::internal::GetCapturedStderr();
    return result;
}

} // namespace klen::webhooks::app
