#pragma once

#include "faults/sockets.hpp"

#include <cstdint>
#include <string>
#include <vector>

/// What the parts of a run saw. Plain data: the checker compares it.
namespace klen::webhooks::faults {

/// A request as the receiver saw it.
struct received_request {
    std::string delivery;
    int attempt = 0;
    std::string sender;         ///< its User-Agent: instance and start, "b/2"
    std::string event_key;      ///< what the publisher wrote into the payload
    std::string body_hash;      ///< SHA-256, hex
    std::int64_t timestamp = 0; ///< its X-Klen-Timestamp: seconds, by its sender's clock
    int webhook = 0;
    int connection = 0;
    wall_us arrived = 0;
    wall_us answered = 0; ///< 0: it never was
    int status = 0;       ///< what it was answered with; 0: nothing
    bool broken = false;  ///< the receiver cut the connection instead: the sender may try again at once
};

/// An event as its publisher saw it.
struct published_event {
    enum class fate { unknown, accepted, refused };
    std::string key; ///< its id: the idempotency key
    std::string account;
    fate is = fate::unknown;
    bool was_in_doubt = false; ///< some earlier call ended without a clear answer
    std::string event;         ///< the id it was accepted as
    wall_us called = 0;        ///< the start of the call that decided
    wall_us told = 0;          ///< when that was answered
    std::string why;           ///< the refusal's or the last failure's text
};

/// A time in which something was wrong on purpose.
struct disturbance {
    std::string what;
    std::string sender; ///< only requests of this one may be repeated; empty: everybody's
    wall_us from = 0;
    wall_us to = 0;
    bool may_repeat = false;   ///< requests that were under way, or not yet recorded, at `from` may come again
    bool at_start_only = true; ///< false: those of the whole time between `from` and `to`
};

/// An attempt on record.
struct recorded_attempt {
    std::string delivery;
    int attempt = 0;
    std::string event;
    std::string webhook;
    std::string decision;
    std::string error;
    int status = 0;
    std::int64_t instance = 0;
    wall_us committed = 0; ///< 0: not known
    wall_us next_due = 0;  ///< 0: none
};

/// An event on record.
struct recorded_event {
    std::string event;
    std::string key;
    std::string body_hash;
    wall_us committed = 0; ///< 0: not known
};

/// What the database holds at the end.
struct database_record {
    std::vector<recorded_event> events;
    std::vector<recorded_attempt> attempts; ///< by delivery and number
    std::vector<std::string> unfinished;    ///< deliveries that are still queued
};

} // namespace klen::webhooks::faults
