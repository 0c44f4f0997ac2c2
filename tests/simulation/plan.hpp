#pragma once

#include "klen/webhooks/dispatch/dispatcher.hpp"
#include "simulation/generator.hpp"

#include <bitset>
#include <cstdint>
#include <string>

namespace klen::webhooks::simulation {

/// What can go wrong.
enum class fault_kind : std::uint8_t {
    slow_database,    ///< some calls take seconds
    lost_answers,     ///< a connection dies before, during or after the commit
    busy_database,    ///< deadlocks and serialization failures
    stalled_calls,    ///< a call hangs until its timeout
    database_outage,  ///< nobody reaches it for a while
    partition,        ///< one process does not reach it, by resets or in silence
    kill,             ///< kill -9, and another start
    stop,             ///< SIGTERM, and another start
    freeze,           ///< SIGSTOP, SIGCONT
    suspend,          ///< as `standstill::suspended`
    pause,            ///< as `standstill::paused`
    thread_hang,      ///< one thread stands still, the others go on
    wall_jump,        ///< of one process
    database_jump,    ///< of the database's clock
    bad_answers,      ///< 500, resets, and answers that never come back
    slow_answers,     ///< receivers that hang, to the deadline and longer
    asking_receivers, ///< 503 with Retry-After, 410
    bad_connections,  ///< names that do not resolve, refused connections
    local_failures,   ///< no descriptors
    webhook_changes,  ///< disabled, enabled, deleted
    refused_records,  ///< the database refuses some outcomes
    burst,            ///< many events at once
    slow_threads,     ///< time passes although somebody could run
};
inline constexpr std::size_t fault_kinds = 23;
std::string_view to_string(fault_kind what);

/// What a seed stands for: how many of everything, which limits, and a random part of the faults (swarm testing: a
/// fault that is always there hides what only happens without it).
struct plan {
    std::uint64_t seed = 0;
    std::bitset<fault_kinds> faults;
    std::size_t processes = 2;
    std::size_t io_threads = 1;
    std::size_t webhooks = 3;
    std::size_t hosts = 2;
    std::size_t events = 30;
    milliseconds storm{}; ///< how long faults come
    milliseconds fault_spacing{};
    dispatch::dispatch_options options;

    static plan draw(std::uint64_t seed);
    bool has(fault_kind what) const { return faults.test(static_cast<std::size_t>(what)); }
    std::string text() const;
};

} // namespace klen::webhooks::simulation
