// A disk that is slow to confirm: preloaded into PostgreSQL (preloaded.hpp). How many milliseconds later it confirms
// stands in the file that KLEN_DISK_DELAY_FILE names, which the harness writes while PostgreSQL runs.
#include "preloaded_number.hpp"

#include <cerrno>
#include <ctime>

#include <sys/syscall.h>

namespace {

klen::preloaded_number const delay_ms("KLEN_DISK_DELAY_FILE");

int later(int done) {
    auto const failure = errno;
    auto const ms = delay_ms.now();
    timespec left{ms / 1000, ms % 1000 * 1'000'000};
    while (ms > 0 && ::nanosleep(&left, &left) != 0 && errno == EINTR) {
    }
    errno = failure;
    return done;
}

} // namespace

extern "C" {

__attribute__((visibility("default"))) int fsync(int fd) { return later(static_cast<int>(::syscall(SYS_fsync, fd))); }

__attribute__((visibility("default"))) int fdatasync(int fd) {
    return later(static_cast<int>(::syscall(SYS_fdatasync, fd)));
}
}
