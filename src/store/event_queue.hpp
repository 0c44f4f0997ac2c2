#pragma once

#include "event_batch.hpp"

#include "klen/webhooks/base/clock.hpp"
#include "klen/webhooks/base/config.hpp"

#include <algorithm>
#include <cstdint>
#include <deque>
#include <string>
#include <unordered_map>
#include <vector>

namespace klen::webhooks::store {

/// The events that wait for their commit: accounts take turns, an event each, so that nobody waits behind what another
/// account published; an account's own events stay in order. Thread-compatible.
///
/// A batch is bounded by events, by bytes, and by the deliveries that it will become, because a transaction with a
/// hundred thousand of them keeps everybody waiting for seconds. How many an event becomes is known from the last ones
/// of its account and type. Where nothing is known, or what is known is not fresh (webhooks may have been made since),
/// a few events go first, and tell.
///
/// While several accounts publish, a batch takes few events of each: what an account floods the queue with would else
/// make every batch as large as it may be, and everybody waits for the batch before theirs.
class event_queue {
  public:
    explicit event_queue(intake_config limits) : limits_(std::move(limits)) {}

    enum class refusal { none, full, share_taken };
    /// Takes `one` over, or leaves it as it is and says why.
    refusal put(waiting_event& one);

    /// Empty only when nothing waits.
    std::vector<waiting_event> take_batch(steady_time now);
    std::vector<waiting_event> take_all();

    /// What a stored event of the last batch became. After the last one: `learn`.
    void count(accepted_event const& event, std::uint32_t deliveries);
    void learn(steady_time now);

    std::size_t events() const { return events_; }

  private:
    /// What an account's events of one type became lately.
    struct experience {
        std::string event_type;
        std::uint32_t deliveries = 0; ///< of one event, on average, rounded up
        steady_time known_at{};
        std::uint64_t batch = 0;    ///< the last one that took some
        std::uint32_t in_batch = 0; ///< how many that took
        std::uint32_t counted_events = 0;
        std::uint64_t counted_deliveries = 0;

        bool known() const { return known_at != steady_time{}; }
        /// Of the next event; 1 where nothing is known.
        std::uint32_t foreseen() const { return std::max(deliveries, 1U); }
    };
    struct account {
        std::deque<waiting_event> waiting;
        std::uint64_t bytes = 0;
        std::uint64_t deliveries = 0;
        std::uint64_t batch = 0;       ///< the last one that took some
        std::uint32_t in_batch = 0;    ///< how many that took
        std::vector<experience> types; ///< at most `types_max`: the oldest makes room
    };
    static constexpr std::size_t types_max = 16;

    bool is_full(std::uint64_t bytes, std::uint32_t deliveries) const;
    bool share_is_taken(account const& own, std::uint64_t bytes, std::uint32_t deliveries) const;
    account& account_of(std::string const& id);
    static experience& experience_of(account& of, std::string const& event_type);
    bool fits(account& of, steady_time now);
    bool has_its_share(account& of) const;
    void note_publisher(std::string const& account_id, steady_time now);
    waiting_event take_from(account& of);
    void forget_if_idle(std::string const& id);

    intake_config limits_;
    std::unordered_map<std::string, account> accounts_; ///< the idle ones stay while they are few
    std::deque<account*> turns_;                        ///< those of which something waits
    std::vector<experience*> counted_;                  ///< between `count` and `learn`
    std::string last_publisher_;                        ///< whose event was taken last
    steady_time several_until_{};                       ///< for so long more than one account counts as publishing
    bool several_ = false;                              ///< publish at the time of the batch that is being made
    std::uint64_t batch_ = 0;                           ///< the number of the one that is being made
    std::uint64_t batch_bytes_ = 0;
    std::uint64_t batch_deliveries_ = 0;
    std::size_t events_ = 0;
    std::uint64_t bytes_ = 0;
    std::uint64_t deliveries_ = 0;
};

} // namespace klen::webhooks::store
