#pragma once

#include <cstdio>
#include <cstdlib>

/// What a fuzz target holds true; a crash is a finding.
inline void require(bool holds, char const* file = __builtin_FILE(), int line = __builtin_LINE()) {
    if (holds)
        return;
    std::fprintf(stderr, "%s:%d: does not hold\n", file, line);
    std::abort();
}
