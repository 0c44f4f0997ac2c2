#pragma once

#include "ceiling.hpp"
#include "kit/report.hpp"

#include <string>
#include <vector>

namespace klen::bench {

struct end_to_end_options {
    std::string binary;
    std::vector<std::size_t> connections; ///< tried in turn in a closed loop; the best goes on
    double seconds = 8;                   ///< of each measurement
    int search_steps = 5;
    std::string only;    ///< rows whose name holds this
    bool quick = false;  ///< the first row alone
    bool matrix = false; ///< every combination
};

/// Everything at once, durable, recorded: what rate it sustains, how long things take at half of it, and what a
/// delivery costs; each row as a ratio to the ceiling.
report measure_end_to_end(end_to_end_options const& how, ceiling& most, scratch_dir const& in);

} // namespace klen::bench
