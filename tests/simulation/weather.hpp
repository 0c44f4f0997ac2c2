#pragma once

#include "klen/webhooks/base/clock.hpp"

#include <algorithm>

namespace klen::webhooks::simulation {

/// A way to the database.
struct link {
    bool cut = false;
    bool silent = false; ///< nothing comes back, instead of a reset
};

/// What goes wrong now, as probabilities and states. All of it ends with the storm.
struct weather {
    link database; ///< everybody's
    std::chrono::nanoseconds database_offset{0};
    std::chrono::nanoseconds database_offset_most{0};
    steady_time database_jumped{}; ///< when its clock jumped last

    double slow_calls = 0, lost_calls = 0, busy_calls = 0, stalled_calls = 0;
    double bad_answers = 0, slow_answers = 0, asking_answers = 0, gone_answers = 0;
    double bad_connections = 0, local_failures = 0;
    bool refuses_records = false;

    /// Until when something disturbed the processes or their way to the database; of the second, only what may keep a
    /// process from ending in order.
    steady_time disturbed{};
    steady_time hindered{};
    void disturb(steady_time until) { disturbed = std::max(disturbed, until); }
    void hinder(steady_time until) {
        disturb(until);
        hindered = std::max(hindered, until);
    }

    void clear() {
        auto const offset = database_offset_most; // what was scheduled by a clock that was ahead is not hours away
        auto const jumped = database_jumped;
        auto const when = disturbed;
        auto const when_hindered = hindered;
        *this = {};
        database_offset = offset;
        database_jumped = jumped;
        disturbed = when;
        hindered = when_hindered;
    }
};

} // namespace klen::webhooks::simulation
