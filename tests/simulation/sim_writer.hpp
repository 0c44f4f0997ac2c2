#pragma once

#include "klen/webhooks/store/event_writer.hpp"
#include "simulation/machine.hpp"
#include "simulation/sim_store.hpp"
#include "simulation/weather.hpp"
#include "simulation/world.hpp"
#include "support/model_database.hpp"

#include <deque>
#include <functional>
#include <vector>

namespace klen::webhooks::simulation {

/// What a publisher hears. `no_answer`: the process went away.
enum class publish_answer : std::uint8_t { accepted, refused, unknown, no_answer };

/// A process's event writer: batches, grants, commits whose fate is unknown, in the order of the real one.
class sim_writer {
  public:
    using told = std::function<void(publish_answer)>;

    sim_writer(world& in, machine& of, weather const& now, testing::model_database& database, sim_store const& store)
        : world_(in), machine_(of), weather_(now), database_(database), store_(store) {}

    /// Null until the process has started, and after its end.
    store::lane_gate* gate = nullptr;

    void submit(event_ptr event, told answer);
    /// Takes no more.
    void close() { closed_ = true; }
    bool idle() const { return !busy_ && waiting_.empty(); }
    /// After the process was thawed.
    void go_on();

  private:
    struct one {
        event_ptr event;
        told answer;
    };
    struct batch {
        std::vector<one> events;
        std::vector<event_ptr> stored; ///< by this very batch: not those that were there before
        std::vector<event_ptr> list() const;
        store::lane_gate::grant granted;
        int asked = 0;
    };
    using batch_ptr = std::shared_ptr<batch>;

    void next();
    void commit(batch_ptr const& b);
    void ask(batch_ptr const& b);
    void hand_over(batch_ptr const& b, testing::model_database::born born);
    void tell(batch& b, publish_answer what);
    /// After a while, while the process runs; nothing when it is dead.
    void later(std::chrono::nanoseconds wait, std::function<void()> what);
    bool unreachable() const { return store_.way.cut || weather_.database.cut; }

    world& world_;
    machine& machine_;
    weather const& weather_;
    testing::model_database& database_;
    sim_store const& store_;
    std::deque<one> waiting_;
    std::vector<std::function<void()>> frozen_;
    bool busy_ = false;
    bool closed_ = false;
};

} // namespace klen::webhooks::simulation
