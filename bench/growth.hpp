#pragma once

#include "kit/files.hpp"
#include "kit/report.hpp"

#include <string>
#include <vector>

namespace klen::bench {

struct growth_options {
    std::string binary;
    std::string fill = "bench/growth_fill.sql";
    std::vector<std::size_t> waiting;  ///< deliveries that wait; the largest also as those of one webhook
    std::vector<std::size_t> webhooks; ///< with the middle one of `waiting`
    std::size_t attempts = 10'000'000; ///< on record, in a row of their own; 0: no such row
    double rate = 1000;                ///< events a second for other webhooks meanwhile
    double seconds = 8;
    std::size_t claims = 200; ///< measured in each row
};

/// What grows with the backlog and what does not: a claim, a look when nothing is due, the daemon's memory, and what
/// others notice.
report measure_growth(growth_options const& how, scratch_dir const& in);

} // namespace klen::bench
