#pragma once

// For libraries that are preloaded into other programs: nothing but the C library.
#include <cstdint>
#include <cstdlib>

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

namespace klen {

/// A number that the harness sets while the program runs, in the file that a variable of the environment names; 0
/// without one. A constant of the library: the program may ask for it before that was made, and gets 0.
class preloaded_number {
  public:
    explicit preloaded_number(char const* variable) {
        auto const* const file = ::getenv(variable);
        int const fd = file == nullptr ? -1 : ::open(file, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
            return;
        void* const at = ::mmap(nullptr, sizeof(std::int64_t), PROT_READ, MAP_SHARED, fd, 0);
        ::close(fd);
        if (at != MAP_FAILED)
            at_ = static_cast<std::int64_t const volatile*>(at);
    }

    std::int64_t now() const { return at_ == nullptr ? 0 : *at_; }

  private:
    std::int64_t const volatile* at_ = nullptr;
};

} // namespace klen
