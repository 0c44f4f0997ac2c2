#include "app/out_of_memory.hpp"

#include <array>
#include <ctime>
#include <new>
#include <string_view>

#include <sys/uio.h>
#include <unistd.h>

namespace klen::webhooks::app {

namespace {

constexpr long pause_ns = 10'000'000;
constexpr int patience = 3000; ///< pauses, one after the other
constexpr int exit_unreachable = 4;

/// Allocates nothing, so it does not go through the log.
void say(std::string_view what) {
    std::array<iovec, 2> const line{iovec{const_cast<char*>(what.data()), what.size()},
                                    iovec{const_cast<char*>("\n"), 1}};
    [[maybe_unused]] auto const written = ::writev(STDERR_FILENO, line.data(), line.size());
}

/// Called by operator new each time it finds nothing; it tries again afterwards. An allocation that waits is called for
/// again and again without a pause in between, so what counts is how many pauses follow each other closely.
void wait_a_little() {
    thread_local int waited = 0;
    thread_local timespec last{};
    timespec now{};
    ::clock_gettime(CLOCK_MONOTONIC, &now);
    if (now.tv_sec - last.tv_sec > 1)
        waited = 0;
    if (waited == 0)
        say("klen-webhooks: out of memory: waiting for some");
    if (++waited > patience) {
        say("klen-webhooks: out of memory for half a minute: giving up; nothing that was accepted is lost");
        ::_exit(exit_unreachable);
    }
    timespec const pause{0, pause_ns};
    ::nanosleep(&pause, nullptr);
    ::clock_gettime(CLOCK_MONOTONIC, &last);
}

} // namespace

void wait_for_memory() { std::set_new_handler(wait_a_little); }

} // namespace klen::webhooks::app
