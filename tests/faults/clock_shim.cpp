// The wall clock, moved: preloaded into PostgreSQL or the daemon (moved_clock.hpp). How far, in seconds, stands in the
// file that KLEN_CLOCK_SHIFT_FILE names, which the harness writes while they run. Clocks that only go forward stay.
#include <cstdint>
#include <cstdlib>
#include <ctime>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

namespace {

std::int64_t const volatile* map_shift() {
    auto const* const file = ::getenv("KLEN_CLOCK_SHIFT_FILE");
    int const fd = file == nullptr ? -1 : ::open(file, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return nullptr;
    void* const at = ::mmap(nullptr, sizeof(std::int64_t), PROT_READ, MAP_SHARED, fd, 0);
    ::close(fd);
    return at == MAP_FAILED ? nullptr : static_cast<std::int64_t const volatile*>(at);
}

std::int64_t const volatile* shift_at = nullptr;

__attribute__((constructor)) void find_shift() { shift_at = map_shift(); }

std::int64_t shift() { return shift_at == nullptr ? 0 : *shift_at; }

} // namespace

extern "C" {

__attribute__((visibility("default"))) int clock_gettime(clockid_t which, timespec* out) noexcept {
    auto const done = static_cast<int>(::syscall(SYS_clock_gettime, which, out));
    if (done == 0 && (which == CLOCK_REALTIME || which == CLOCK_REALTIME_COARSE))
        out->tv_sec += shift();
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
