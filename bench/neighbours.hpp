#pragma once

#include "kit/files.hpp"
#include "kit/report.hpp"

#include <string>

namespace klen::bench {

struct neighbours_options {
    std::string binary;
    std::size_t healthy = 1000;
    double rate = 2000; ///< events a second over the healthy webhooks; each bad one gets as many as a healthy one
    std::size_t flood = 100'000;
    std::size_t unresolvable = 200;
    double lead_in_s = 15; ///< until as much hangs as ever will
    double seconds = 30;
    bool each = false; ///< also each kind of bad neighbour alone
};

/// What healthy webhooks notice of bad ones: of all webhooks 20 % hang, 5 % drip, 5 % answer without end, and besides
/// there is one that is flooded with events, and names that no server answers for.
report measure_neighbours(neighbours_options const& how, scratch_dir const& in);

} // namespace klen::bench
