#include "app/core_dumps.hpp"

#include "klen/webhooks/base/log.hpp"

#include <sys/prctl.h>
#include <sys/resource.h>

#include <cerrno>
#include <cstring>

namespace klen::webhooks::app {

void forbid_core_dumps() {
    rlimit limit{};
    bool done = getrlimit(RLIMIT_CORE, &limit) == 0;
    limit.rlim_cur = 0; // the hard limit stays: whoever wants a dump of a program that is started from here can
    done = done && setrlimit(RLIMIT_CORE, &limit) == 0;
    // The limit does not hold for a collector behind core_pattern's pipe.
    done = prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0 && done;
    if (!done)
        log::warn("core dumps cannot be forbidden: one would hold secrets", {{"error.message", std::strerror(errno)}});
}

} // namespace klen::webhooks::app
