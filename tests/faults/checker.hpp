#pragma once

#include "faults/records.hpp"

#include <chrono>
#include <map>
#include <string>
#include <vector>

namespace klen::webhooks::faults {

/// What everybody saw in one run.
struct evidence {
    std::vector<published_event> published;
    std::vector<received_request> received;
    database_record stored;
    std::vector<disturbance> disturbances;
    std::map<std::string, std::vector<std::string>> webhooks; ///< ids, by account
    std::map<std::int64_t, wall_us> ended_leases; ///< instance ids: when somebody noted that their leases are over
    int attempts_max = 0;
    std::chrono::milliseconds attempt_timeout{2000};
    /// From an answer to the commit of its outcome, at most: what is killed in between may be repeated.
    std::chrono::milliseconds record_lag{1500};
    std::chrono::milliseconds early_max{0};
    std::chrono::milliseconds late_max{1000};
    /// For a machine that is busy with other things.
    std::chrono::milliseconds late_slack{1000};
};

struct findings {
    std::vector<std::string> violations; ///< the first hundred
    std::size_t violations_in_all = 0;
    std::size_t accepted = 0;
    std::size_t refused = 0;
    std::size_t unclear = 0;
    std::size_t requests = 0;
    std::size_t delivered = 0;
    std::size_t failed = 0;
    std::size_t repeats = 0;   ///< the same attempt again, the receiver's own cuts apart
    std::size_t in_flight = 0; ///< at all disturbances that allow repeats
    std::size_t retries = 0;
    std::chrono::microseconds earliest_retry{0}; ///< before its due time
    std::chrono::microseconds latest_retry{0};   ///< after its due time, outages apart
    std::chrono::microseconds retry_p99{0};
};

/// Reconciles them: nothing lost, nothing sent that was refused, repeats only where something was killed and with the
/// same bytes, no attempt after a recorded success or one on record, numbers without gaps, retries when due.
findings check(evidence const& what);

} // namespace klen::webhooks::faults
