#include "ceiling.hpp"

#include <algorithm>
#include <thread>

namespace klen::bench {

template <class Measure>
part_cost const& ceiling::once(std::string const& name, Measure measure) {
    if (auto const at = known_.find(name); at != known_.end())
        return at->second;
    part_cost const got = measure();
    report_.add({{"part", name},
                 {"per_second", got.per_second},
                 {"cpu_us",
                  {{"daemon", got.daemon_us},
                   {"postgres", got.postgres_us},
                   {"receiver", got.receiver_us},
                   {"load", got.load_us}}}});
    return known_.emplace(name, got).first->second;
}

part_cost const& ceiling::store(traffic const& of) {
    auto const fan_out = of.fan_out == 1 ? std::string() : ", fan-out " + std::to_string(of.fan_out);
    return once("store, " + size_name(of.body_bytes) + fan_out, [&] {
        return measure_store({.body_bytes = of.body_bytes, .fan_out = of.fan_out, .seconds = seconds_}, in_);
    });
}

part_cost const& ceiling::egress(traffic const& of) {
    return once("egress, " + size_name(of.body_bytes) + (of.tls ? ", TLS" : ""),
                [&] { return measure_egress({.body_bytes = of.body_bytes, .tls = of.tls, .seconds = seconds_}, in_); });
}

part_cost const& ceiling::intake(traffic const& of) {
    auto const batches = of.batch == 1 ? std::string() : ", batches of " + std::to_string(of.batch);
    return once("intake, " + size_name(of.body_bytes) + batches, [&] {
        unsigned const connections = of.batch == 1 ? 256 : 16;
        return measure_intake({of.body_bytes, of.batch, connections, seconds_}, in_);
    });
}

part_cost const& ceiling::signing(traffic const& of) {
    return once("signature and headers, " + size_name(of.body_bytes),
                [&] { return measure_signing(of.body_bytes, std::min(seconds_, 1.0)); });
}

void ceiling::measure_generator_alone() {
    once("load generator and nginx", [&] { return measure_load(256, std::min(seconds_, 2.0), in_); });
}

double ceiling::cpu_us(traffic const& of) {
    auto const& in = intake(of);
    auto const& kept = store(of);
    auto const& sign = signing(of);
    auto const& out = egress(of);
    double const publishing = (in.daemon_us + in.load_us) / static_cast<double>(of.fan_out);
    return publishing + kept.daemon_us + kept.postgres_us + sign.daemon_us + out.daemon_us + out.receiver_us;
}

double ceiling::per_second(traffic const& of) {
    return std::max(1U, std::thread::hardware_concurrency()) / cpu_us(of) * 1e6;
}

} // namespace klen::bench
