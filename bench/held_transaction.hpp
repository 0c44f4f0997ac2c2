#pragma once

#include "kit/files.hpp"
#include "kit/report.hpp"

#include <string>

namespace klen::bench {

struct held_transaction_options {
    std::string binary;
    double rate = 2000; ///< events a second meanwhile
    double minutes = 30;
    double seconds = 8; ///< of each measurement
};

/// A transaction that somebody else holds open keeps PostgreSQL from removing what is dead: what that costs.
report measure_held_transaction(held_transaction_options const& how, scratch_dir const& in);

} // namespace klen::bench
