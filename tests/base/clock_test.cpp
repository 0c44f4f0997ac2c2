// What the clocks count, as the kernel sees it.
#include "klen/webhooks/base/clock.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <ctime>
#include <fstream>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

namespace klen::webhooks {
namespace {

constexpr int cannot = 77;

/// In a child, whose machine was asleep for a thousand seconds (time_namespaces(7)); its exit code.
int after_a_long_sleep(int (*look)()) {
    auto const maker = ::fork();
    if (maker == 0) {
        if (::unshare(CLONE_NEWTIME) != 0)
            ::_exit(cannot);
        std::ofstream offsets("/proc/self/timens_offsets");
        if (!(offsets << "boottime 1000 0" << std::flush))
            ::_exit(cannot);
        auto const child = ::fork(); // only children are in the new namespace
        if (child == 0)
            ::_exit(look());
        int status = 0;
        ::waitpid(child, &status, 0);
        ::_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 2);
    }
    int status = 0;
    ::waitpid(maker, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 2;
}

// Leases rest on it: a daemon that slept with its machine must see that their time has passed.
TEST(clocks, the_boot_clock_counts_the_time_in_which_the_machine_sleeps) {
    auto const found = after_a_long_sleep([] {
        auto const awake = std::chrono::steady_clock::now().time_since_epoch();
        auto const slept = boot_clock::now().time_since_epoch() - awake;
        return slept > std::chrono::seconds(900) ? 0 : 1;
    });
    if (found == cannot)
        GTEST_SKIP() << "no time namespace can be made here (root and CAP_SYS_ADMIN are needed)";
    EXPECT_EQ(found, 0);
}

} // namespace
} // namespace klen::webhooks
