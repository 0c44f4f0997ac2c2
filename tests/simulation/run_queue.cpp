#include "simulation/run_queue.hpp"

namespace klen::webhooks::simulation {

run_queue::~run_queue() {
    // What is destroyed may post its own end here.
    while (!items_.empty())
        items_.pop_front();
    shutdown();
}

} // namespace klen::webhooks::simulation
