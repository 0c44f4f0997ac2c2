#pragma once

#include "faults/fault_proxy.hpp"
#include "faults/instance.hpp"
#include "faults/publisher.hpp"
#include "faults/recording_receiver.hpp"
#include "faults/server.hpp"

#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

namespace klen::webhooks::faults {

/// What one run is made of: a PostgreSQL, one to three daemons, each behind a proxy of its own, a receiver, publishers,
/// and the folder that keeps what they leave.
class stage {
  public:
    struct options {
        std::string folder; ///< evidence; made
        std::uint64_t seed = 1;
        int instances = 1;
        int accounts = 1;
        int webhooks = 2;            ///< of each account; the first one's have the receiver's lowest numbers
        int publishers = 2;          ///< for each account
        int events_per_second = 120; ///< of all publishers
        std::chrono::milliseconds publish_timeout{8000};
        instance::settings settings;          ///< beyond those for short schedules and leases
        instance::settings settings_of_first; ///< of the first instance alone
        server::options database;
        recording_receiver::script reacts; ///< empty: `mixed`
    };
    explicit stage(options with);
    ~stage();

    /// Begins to publish, for each account as much as for the others.
    void publish();
    /// More publishers for one account (0 is the first).
    void publish(int owner, int more, double events_per_second);
    static std::string account(int number);
    /// No more publishing, everything in order again, and nothing left to do: false when that does not come in time.
    bool quiet(std::chrono::milliseconds bound);

    std::size_t accepted() const;
    double chance(); ///< 0 ≤ … < 1, from the seed
    std::chrono::milliseconds between(std::chrono::milliseconds low, std::chrono::milliseconds high);

    void disturbed(disturbance what) { disturbances.push_back(std::move(what)); }

    options with;
    std::mt19937_64 random;
    std::unique_ptr<server> database;
    std::vector<std::unique_ptr<fault_proxy>> proxies;
    std::vector<std::unique_ptr<instance>> daemons;
    std::unique_ptr<recording_receiver> receiver;
    std::vector<std::unique_ptr<publisher>> publishers;
    std::map<std::string, std::vector<std::string>> webhook_ids; ///< by account
    std::vector<disturbance> disturbances;

  private:
    void make_daemons();
    void make_webhooks();
    std::string key_;
};

constexpr int attempts_max = 4; ///< with the schedule that a stage sets

/// A receiver of which most requests get 200 at once; some a failure, a late answer, a cut connection or none at all,
/// and one delivery in fifty fails for good. The same for the same seed, delivery and attempt.
recording_receiver::script mixed(std::uint64_t seed);
/// Always 200, after a time between the two.
recording_receiver::script friendly(std::uint64_t seed, std::chrono::milliseconds low, std::chrono::milliseconds high);

} // namespace klen::webhooks::faults
