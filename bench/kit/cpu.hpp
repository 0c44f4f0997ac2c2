#pragma once

#include <cstddef>
#include <sys/types.h>

namespace klen::bench {

/// CPU seconds (user and system) that a process and its descendants have used so far, those of PostgreSQL apart.
/// Children that have ended count for the one that waited for them.
struct family_cpu {
    double own = 0;
    double postgres = 0;
};
family_cpu cpu_of_family(pid_t root);

double cpu_of_this_thread();
double cpu_of_this_process();

struct memory_use {
    std::size_t resident_bytes = 0;
    std::size_t peak_bytes = 0; ///< of the resident set, since its start
};
memory_use memory_of(pid_t pid);

} // namespace klen::bench
