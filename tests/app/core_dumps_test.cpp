#include "app/core_dumps.hpp"

#include <gtest/gtest.h>

#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

namespace klen::webhooks::app {
namespace {

TEST(core_dumps, a_process_that_forbids_them_is_not_dumpable_and_writes_no_file) {
    pid_t const child = ::fork();
    if (child == 0) {
        forbid_core_dumps();
        rlimit limit{1, 1};
        ::getrlimit(RLIMIT_CORE, &limit);
        ::_exit(::prctl(PR_GET_DUMPABLE) == 0 && limit.rlim_cur == 0 ? 7 : 1);
    }
    int how = 0;
    ASSERT_EQ(::waitpid(child, &how, 0), child);
    ASSERT_TRUE(WIFEXITED(how));
    EXPECT_EQ(WEXITSTATUS(how), 7);
}

} // namespace
} // namespace klen::webhooks::app
