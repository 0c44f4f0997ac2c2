#include "app/out_of_memory.hpp"

#include "klen/webhooks/app/application.hpp"
#include "klen/webhooks/base/clock.hpp"

#include <array>
#include <new>
#include <string_view>
#include <thread>

#include <sys/uio.h>
#include <unistd.h>

namespace klen::webhooks::app {

namespace {

constexpr milliseconds pause{10};
constexpr milliseconds one_wait{100};
constexpr milliseconds patience{30'000};

/// Allocates nothing, so it does not go through the log.
void say(std::string_view what) {
    std::array<iovec, 2> const line{iovec{const_cast<char*>(what.data()), what.size()},
                                    iovec{const_cast<char*>("\n"), 1}};
    [[maybe_unused]] auto const written = ::writev(STDERR_FILENO, line.data(), line.size());
}

/// Called by operator new each time it finds nothing; it tries again afterwards. Calls that follow each other closely
/// belong to one wait.
void wait_a_little() {
    thread_local steady_time first{};
    thread_local steady_time last{};
    auto const now = std::chrono::steady_clock::now();
    if (now - last > one_wait) {
        first = now;
        say("klen-webhooks: out of memory: waiting for some");
    }
    if (now - first >= patience) {
        say("klen-webhooks: out of memory for half a minute: giving up; nothing that was accepted is lost");
        ::_exit(exit_unavailable);
    }
    std::this_thread::sleep_for(pause);
    last = std::chrono::steady_clock::now();
}

} // namespace

void wait_for_memory() { std::set_new_handler(wait_a_little); }

} // namespace klen::webhooks::app
