#include "parts.hpp"

#include "kit/events.hpp"
#include "kit/load.hpp"
#include "kit/nginx.hpp"

namespace klen::bench {

part_cost measure_load(unsigned connections, double seconds, scratch_dir const& in) {
    nginx_receiver const server({.dir = in.make("load"), .status = 202});
    event_requests const requests({}, "none");
    load_plan plan;
    plan.port = server.port();
    plan.connections = connections;
    plan.seconds = seconds;
    plan.write = [&](std::string& out, std::uint64_t n) { requests.write(out, n); };
    auto const cpu = server.cpu_seconds();
    auto const load = run_load(plan);
    auto const calls = static_cast<double>(load.accepted);
    part_cost out;
    out.per_second = calls / load.seconds;
    out.receiver_us = (server.cpu_seconds() - cpu) / calls * 1e6;
    out.load_us = load.cpu_seconds / calls * 1e6;
    return out;
}

} // namespace klen::bench
