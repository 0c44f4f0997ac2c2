#pragma once

#include "simulation/checker.hpp"
#include "simulation/machine.hpp"
#include "simulation/weather.hpp"
#include "simulation/world.hpp"
#include "support/modelled_store.hpp"

#include <array>
#include <deque>
#include <memory>
#include <vector>

namespace klen::webhooks::simulation {

/// A process's way to the database: three threads with a connection each, as in production. What a call does happens
/// at a moment between its begin and its answer; when the connection dies, it may happen, or not, or later.
class sim_store final : public testing::modelled_store {
  public:
    sim_store(world& in, machine& of, weather& now, testing::model_database& database, checker& watch)
        : modelled_store(database), world_(in), machine_(of), weather_(now), check_(watch) {}

    link way; ///< this process's own

    /// After the process was thawed: what its threads were about to do.
    void go_on();
    /// The process is dead: whoever waits is told that the connection is lost.
    void die();
    /// The daemon has ended: no call may come any more.
    void close() { closed_ = true; }

  private:
    struct trip {
        testing::call which{};
        effect what;
        testing::fate wanted{};
        steady_time sent{};
        one_shot<testing::fate> over;
    };
    using trip_ptr = std::shared_ptr<trip>;
    struct connection {
        std::deque<trip_ptr> waiting; ///< the first one is under way
        bool standing_still = false;  ///< its thread is frozen before or after a call
        std::function<void()> then;
    };

    task<testing::fate> travel(testing::call which, effect what, testing::fate wanted) override;
    testing::fate judge(std::vector<store::attempt_record> const& batch) override;

    void begin(std::size_t on);
    void arrive(std::size_t on, trip_ptr const& t);
    void lose(std::size_t on, trip_ptr const& t, bool done);
    void answer(std::size_t on, trip_ptr const& t, testing::fate how, std::chrono::nanoseconds after);
    void finish(std::size_t on, trip_ptr const& t, testing::fate how);
    /// Now, or when the process is thawed.
    void when_running(std::size_t on, std::function<void()> what);
    bool silent() const { return way.cut ? way.silent : weather_.database.silent; }
    bool unreachable() const { return way.cut || weather_.database.cut; }
    std::chrono::nanoseconds pause();

    world& world_;
    machine& machine_;
    weather& weather_;
    checker& check_;
    std::array<connection, 3> connections_;
    bool closed_ = false;
};

} // namespace klen::webhooks::simulation
