// What the fuzzed sources need of logging, without the logger.
#include "klen/webhooks/base/log.hpp"

#include <cstdio>
#include <cstdlib>

namespace klen::webhooks {

void log::write(level, std::string_view, fields) noexcept {}
bool log::enabled(level) { return false; }

void bug(std::string_view what, log::fields) {
    std::fprintf(stderr, "bug: %.*s\n", static_cast<int>(what.size()), what.data());
    std::abort();
}

} // namespace klen::webhooks
