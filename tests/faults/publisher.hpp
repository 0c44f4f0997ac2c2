#pragma once

#include "faults/records.hpp"

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <random>
#include <string>
#include <thread>
#include <vector>

namespace klen::webhooks::faults {

/// A publisher with a memory: it repeats, with the same id, what it got no clear answer for, and writes every answer to
/// a file that is synced before it goes on. One thread.
class publisher {
  public:
    struct options {
        std::string name; ///< its events' ids are name-1, name-2, …
        std::string account;
        std::string key;       ///< API key
        std::string list_file; ///< every answer, synced
        std::uint64_t seed = 1;
        double events_per_second = 100;
        int batch_max = 8;
        int padding_max = 400;                   ///< bytes in an event's payload
        std::chrono::milliseconds timeout{8000}; ///< for an answer
        /// Where to publish: URLs of the instances that may be asked now; none: wait.
        std::function<std::vector<std::string>()> targets;
    };
    /// Calls of one second, to see rates and latencies.
    struct second {
        int accepted = 0;
        int refused = 0;
        int unclear = 0;
        int unavailable = 0;         ///< whole calls that were answered 503
        int without_retry_after = 0; ///< of those
        std::chrono::milliseconds slowest{0};
        std::chrono::milliseconds slowest_refusal{0};
    };

    /// An item of a call that was not answered with 202.
    struct miss {
        std::string target;
        wall_us called = 0;
        wall_us told = 0;
        int status = 0; ///< 0: no answer
        std::string why;
    };

    explicit publisher(options with);
    ~publisher();
    publisher(publisher const&) = delete;
    publisher& operator=(publisher const&) = delete;

    /// Publishes nothing new any more, but clears up what is not clear, for so long at most.
    void finish(std::chrono::milliseconds bound);
    std::vector<published_event> events() const;
    /// By second of the wall clock.
    std::map<std::int64_t, second> seconds() const;
    std::vector<miss> misses() const;
    /// Things that must not be: another event id for the same key, an answer that makes no sense.
    std::vector<std::string> complaints() const;
    std::size_t accepted() const { return accepted_; }

  private:
    void run();
    void publish(std::vector<std::size_t> const& which);
    void count(int status, std::string const& retry_after);
    void judge(std::size_t which, int status, std::string const& event, std::string const& message, wall_us called);
    std::vector<std::size_t> next_batch();
    std::string payload_of(std::size_t which) const;
    void note(std::string const& line);

    options options_;
    descriptor list_;
    std::mt19937_64 random_;
    std::atomic<bool> draining_{false};
    std::atomic<bool> stopping_{false};
    std::atomic<bool> calling_{false};
    std::atomic<std::size_t> accepted_{0};

    mutable std::mutex mutex_;
    std::condition_variable changed_;
    std::vector<published_event> events_;
    std::vector<std::size_t> unclear_;
    std::map<std::int64_t, second> seconds_;
    std::vector<miss> misses_;
    std::string target_; ///< of the call under way
    std::vector<std::string> complaints_;
    std::thread thread_;
};

} // namespace klen::webhooks::faults
