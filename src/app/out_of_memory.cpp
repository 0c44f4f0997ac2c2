#include "app/out_of_memory.hpp"

#include <array>
#include <cstdint>
#include <ctime>
#include <new>
#include <string_view>

#include <sys/uio.h>
#include <unistd.h>

namespace klen::webhooks::app {

namespace {

constexpr long pause_ns = 10'000'000;
constexpr std::int64_t one_wait_ms = 100;
constexpr std::int64_t patience_ms = 30'000;
constexpr int exit_unreachable = 4;

/// Allocates nothing, so it does not go through the log.
void say(std::string_view what) {
    std::array<iovec, 2> const line{iovec{const_cast<char*>(what.data()), what.size()},
                                    iovec{const_cast<char*>("\n"), 1}};
    [[maybe_unused]] auto const written = ::writev(STDERR_FILENO, line.data(), line.size());
}

std::int64_t now_ms() {
    timespec now{};
    ::clock_gettime(CLOCK_MONOTONIC, &now);
    return std::int64_t{now.tv_sec} * 1000 + now.tv_nsec / 1'000'000;
}

/// Called by operator new each time it finds nothing; it tries again afterwards. Calls that follow each other closely
/// belong to one wait.
void wait_a_little() {
    thread_local std::int64_t first = 0;
    thread_local std::int64_t last = 0;
    auto const now = now_ms();
    if (last == 0 || now - last > one_wait_ms) {
        first = now;
        say("klen-webhooks: out of memory: waiting for some");
    }
    if (now - first >= patience_ms) {
        say("klen-webhooks: out of memory for half a minute: giving up; nothing that was accepted is lost");
        ::_exit(exit_unreachable);
    }
    timespec const pause{0, pause_ns};
    ::nanosleep(&pause, nullptr);
    last = now_ms();
}

} // namespace

void wait_for_memory() { std::set_new_handler(wait_a_little); }

} // namespace klen::webhooks::app
