#pragma once

#include "kit/cpu.hpp"
#include "kit/daemon.hpp"
#include "kit/database.hpp"
#include "kit/events.hpp"
#include "kit/files.hpp"
#include "kit/load.hpp"
#include "kit/nginx.hpp"
#include "kit/report.hpp"
#include "kit/sink.hpp"
#include "traffic.hpp"

#include <memory>
#include <optional>

namespace klen::bench {

/// How events are published during one measurement.
struct publishing {
    unsigned connections = 256;
    double events_per_second = 0; ///< 0: closed loop
    double seconds = 5;
    bool alone = true; ///< the daemon delivers nothing else meanwhile; otherwise there must be a sink
};

/// What one measurement gave. CPU, statements and bytes are those between the first call and the last outcome's commit.
struct stage_run {
    double published_per_s = 0;
    double delivered_per_s = 0; ///< until the queue was empty
    std::uint64_t deliveries = 0;
    std::uint64_t refused = 0; ///< calls
    std::uint64_t lost = 0;
    std::string first_refusal;
    double overrun_s = 0;       ///< open loop: from the end of the planned time to the last answer
    double drain_s = 0;         ///< from the last answer until the last outcome was committed
    latency_summary publish;    ///< from the (intended) send to the answer
    latency_summary lateness;   ///< of the load generator itself
    std::optional<latency_summary> first_byte; ///< from the answer to the receiver's first byte; only with a sink
    std::uint64_t repeats = 0;  ///< only with a sink
    /// CPU microseconds of a delivery.
    double daemon_us = 0, postgres_us = 0, receiver_us = 0, load_us = 0;
    double commits = 0, statements = 0, wal_bytes = 0;   ///< of a delivery
    double connections_opened = 0, sessions_resumed = 0; ///< by the daemon, to receivers; in all
    memory_use memory;

    double cpu_us() const { return daemon_us + postgres_us + receiver_us + load_us; }
    boost::json::object to_json() const;
};

/// The daemon with its webhooks and their receiver: made new, so that every stage begins alike.
class stage {
  public:
    stage(std::string const& binary, traffic const& what, scratch_dir const& in);

    /// Publishes and waits until everything is delivered and recorded; throws when something is missing in the end.
    stage_run publish(publishing const& how);
    /// From now on a sink of ours receives in nginx's place, and the time to a delivery's first byte is known.
    void receive_ourselves(std::size_t events_max);
    /// For work on its data in between: the folder of its private PostgreSQL.
    void stop_daemon();
    void start_daemon();
    std::string private_dir() const { return dir_ + "/private"; }

    traffic const& of() const { return what_; }
    daemon_under_test& daemon() { return *daemon_; }

  private:
    struct usage {
        family_cpu daemon;
        double receiver = 0;
        database_counters database;
        std::uint64_t delivered = 0;
        std::uint64_t received = 0; ///< by the sink
        std::uint64_t repeats = 0;
        double connections_opened = 0;
        double sessions_resumed = 0;
    };
    usage used_so_far();
    std::uint64_t delivered_so_far();
    double wait_until_through(usage const& before, std::uint64_t deliveries, bool alone);
    load_plan plan_of(publishing const& how, event_requests const& requests, std::vector<std::int64_t>& answered);
    void take_costs(stage_run& into, usage const& before, double load_cpu_seconds);
    void take_first_bytes(stage_run& into, std::vector<std::int64_t> const& answered) const;

    traffic what_;
    std::string binary_;
    std::string dir_;
    std::map<std::string, std::string> settings_;
    std::optional<certificates> tls_;
    std::unique_ptr<nginx_receiver> nginx_;
    std::unique_ptr<daemon_under_test> daemon_;
    std::unique_ptr<database_link> database_;
    std::unique_ptr<sink> sink_;
};

} // namespace klen::bench
