#pragma once

#include "klen/webhooks/egress/http_client.hpp"
#include "simulation/checker.hpp"
#include "simulation/machine.hpp"
#include "simulation/weather.hpp"
#include "simulation/world.hpp"

namespace klen::webhooks::simulation {

/// What is between a process and its receivers, and these, as the weather has them.
class sim_client final : public egress::http_client {
  public:
    sim_client(world& in, machine& of, weather const& now, checker& watch, std::size_t who)
        : world_(in), machine_(of), weather_(now), check_(watch), who_(who) {}

    task<policy::attempt_result> post(egress::post_request request) override;

  private:
    task<policy::attempt_result> exchange(egress::post_request request, std::size_t attempt);
    policy::attempt_result answer() const;

    world& world_;
    machine& machine_;
    weather const& weather_;
    checker& check_;
    std::size_t const who_;
};

} // namespace klen::webhooks::simulation
