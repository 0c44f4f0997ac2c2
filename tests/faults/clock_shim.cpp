// The wall clock, moved: preloaded into PostgreSQL or the daemon (preloaded.hpp). How far, in seconds, stands in the
// file that KLEN_CLOCK_SHIFT_FILE names, which the harness writes while they run. Clocks that only go forward stay.
#include "preloaded_number.hpp"

#include <ctime>

#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

namespace {

klen::preloaded_number const shift("KLEN_CLOCK_SHIFT_FILE");

} // namespace

extern "C" {

__attribute__((visibility("default"))) int clock_gettime(clockid_t which, timespec* out) noexcept {
    auto const done = static_cast<int>(::syscall(SYS_clock_gettime, which, out));
    if (done == 0 && (which == CLOCK_REALTIME || which == CLOCK_REALTIME_COARSE))
        out->tv_sec += shift.now();
    return done;
}

__attribute__((visibility("default"))) int gettimeofday(timeval* out, void* /*zone*/) noexcept {
    timespec now{};
    if (clock_gettime(CLOCK_REALTIME, &now) != 0)
        return -1;
    out->tv_sec = now.tv_sec;
    out->tv_usec = now.tv_nsec / 1000;
    return 0;
}

__attribute__((visibility("default"))) time_t time(time_t* out) noexcept {
    timespec now{};
    clock_gettime(CLOCK_REALTIME, &now);
    if (out != nullptr)
        *out = now.tv_sec;
    return now.tv_sec;
}
}
