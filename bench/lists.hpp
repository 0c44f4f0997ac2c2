#pragma once

#include "kit/files.hpp"
#include "kit/report.hpp"

#include <string>

namespace klen::bench {

struct lists_options {
    std::string fill = "bench/lists_fill.sql";
    std::string plans; ///< file for the whole plans; empty: in the data's folder
    std::size_t attempts = 10'000'000;
};

/// What the lists of the API cost with very many attempts on record: each filter through the store itself, and the plan
/// of each as PostgreSQL executed it (auto_explain). A folder that was filled and kept is used again.
report measure_lists(lists_options const& how, scratch_dir const& in);

} // namespace klen::bench
