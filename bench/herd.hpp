#pragma once

#include "kit/files.hpp"
#include "kit/report.hpp"

#include <string>

namespace klen::bench {

struct herd_options {
    std::string binary;
    std::string fill = "bench/herd_fill.sql";
    std::size_t deliveries = 1'000'000;
    std::size_t hosts = 1000;
    std::size_t webhooks_per_host = 8; ///< more than a host's limit allows, when each uses its own
    double answers_after_ms = 5;       ///< the herd's receivers, so that requests overlap
    double rate = 1000;                ///< events a second for other webhooks, before and meanwhile
    double seconds = 30;
    double patience_s = 900; ///< until the herd is through
};

/// Very many deliveries fall due in one moment: what one host sees at worst, and what publishers notice.
report measure_herd(herd_options const& how, scratch_dir const& in);

} // namespace klen::bench
