#pragma once

#include "klen/webhooks/base/clock.hpp"

#include <cstdint>
#include <deque>
#include <string>

namespace klen::webhooks::simulation {

/// What happened, in a few numbers: cheap enough to be kept of every step, readable when a seed fails.
enum class mark : std::uint8_t {
    handler,   ///< a: queue
    wake,      ///< a sleeper woke
    published, ///< a: event, b: tries
    answered,  ///< a: event, b: `publish_answer`
    stored,    ///< a: events, b: born leased, c: parked
    call,      ///< a: which, b: fate: the database did it, or not
    told,      ///< a: which, b: fate: the caller knows
    attempt,   ///< a: delivery, b: number
    written,   ///< a: delivery, b: number
    ended,     ///< a: delivery, b: number, c: status, or the class of the error above 1000
    recorded,  ///< a: delivery, b: number, c: decision
    instance,  ///< a: term, b: 0 begins, 1 leaves, 2 is given up
    fault,     ///< a: `fault_kind`, b: milliseconds or so
    process,   ///< a: number of the incarnation, b: `life`
};

enum class life : std::uint8_t { started, failed_to_start, stopping, stopped, killed, thawed };

class trace {
  public:
    /// `slot`: the process it belongs to; -1: none.
    void note(steady_time at, mark what, int slot, std::uint64_t a = 0, std::uint64_t b = 0, std::uint64_t c = 0);

    std::uint64_t hash() const { return hash_; }
    std::uint64_t notes() const { return notes_; }
    /// The last ones, readable; without handlers and wakes.
    std::string last(std::size_t count) const;

    bool aloud = false; ///< write each to the standard output as it comes

  private:
    struct entry {
        steady_time at;
        mark what{};
        int slot = 0;
        std::uint64_t a = 0, b = 0, c = 0;
    };
    static std::string text(entry const& e);

    std::uint64_t hash_ = 0xcbf29ce484222325ULL;
    std::uint64_t notes_ = 0;
    std::deque<entry> kept_;
};

} // namespace klen::webhooks::simulation
