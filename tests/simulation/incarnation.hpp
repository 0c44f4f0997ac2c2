#pragma once

#include "klen/webhooks/dispatch/dispatcher.hpp"
#include "klen/webhooks/signing/sealer.hpp"
#include "simulation/checker.hpp"
#include "simulation/receivers.hpp"
#include "simulation/sim_store.hpp"
#include "simulation/sim_writer.hpp"

#include <memory>
#include <vector>

namespace klen::webhooks::simulation {

/// What all processes share.
struct surroundings {
    world& in;
    plan const& of;
    weather& now;
    testing::model_database& database;
    checker& watch;
    signing::sealer const& seals;
};

/// One life of a process: the production dispatcher between a simulated store, simulated receivers and a simulated
/// event writer. Kept after its end, because what it sent to the database may still arrive there.
class incarnation {
  public:
    enum class phase { starting, running, stopping, ended };

    incarnation(surroundings const& all, std::size_t number, int slot);
    ~incarnation();
    incarnation(incarnation const&) = delete;
    incarnation& operator=(incarnation const&) = delete;

    std::size_t number() const { return number_; }
    phase state() const { return phase_; }
    bool alive() const { return phase_ != phase::ended; }
    bool failed_to_start() const { return failed_; }
    bool stopped() const { return stopped_; }
    steady_time stop_began() const { return stop_began_; }

    machine& host() { return machine_; }
    sim_store& database() { return store_; }
    sim_writer& writer() { return writer_; }
    dispatch::dispatcher* dispatcher() const { return dispatcher_.get(); }

    void start();
    /// As by SIGTERM.
    void stop();
    void freeze(standstill how) { machine_.freeze(how); }
    void thaw();
    /// As by kill -9; or the end of a process that has stopped. Not from within one of its handlers.
    void end();

  private:
    task<void> begin();
    task<void> finish();
    task<void> bury();
    void note(life what);

    surroundings const all_;
    std::size_t const number_;
    machine machine_;
    sim_store store_;
    sim_writer writer_;
    std::vector<std::unique_ptr<sim_client>> clients_;
    std::unique_ptr<dispatch::dispatcher> dispatcher_;
    phase phase_ = phase::starting;
    bool failed_ = false;
    bool stopped_ = false;
    bool buried_ = false;
    steady_time stop_began_{};
};

} // namespace klen::webhooks::simulation
