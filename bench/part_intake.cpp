#include "parts.hpp"

#include "kit/cpu.hpp"
#include "kit/events.hpp"
#include "kit/load.hpp"
#include "kit/process.hpp"
#include "kit/socket.hpp"

#include "app/io_threads.hpp"
#include "klen/webhooks/api/handlers.hpp"
#include "klen/webhooks/base/settings.hpp"
#include "klen/webhooks/signing/api_key.hpp"

#include <algorithm>
#include <csignal>
#include <stdexcept>
#include <thread>

namespace klen::bench {

namespace kw = klen::webhooks;

namespace {

/// Takes every event, keeps none.
class null_writer final : public kw::store::event_writer {
  public:
    void submit(kw::store::new_event event, done finished) override {
        finished(kw::store::publish_receipt{event.event->id, false});
    }
    bool available() const override { return true; }
    std::size_t waiting() const override { return 0; }
    std::chrono::nanoseconds busy_for() const override { return {}; }
    void stop() override {}
};

kw::store::api_key_row platform_key(kw::signing::api_key const& key) {
    kw::store::api_key_row out;
    out.id = kw::make_id<kw::api_key_id>();
    out.hash = key.hash;
    out.permissions = {"publish"};
    return out;
}

} // namespace

part_cost measure_intake(intake_part const& what, scratch_dir const& in) {
    auto const dir = in.make("intake");
    auto const port = free_port();
    process server({"/proc/self/exe", "serve-intake", "--port", std::to_string(port), "--key-file", dir + "/key"}, {},
                   dir + "/server.out");
    if (!listens_soon(port))
        throw std::runtime_error("the intake server does not start: see " + dir + "/server.out");
    event_requests const requests({.accounts = 100, .body_bytes = what.body_bytes, .batch = what.batch},
                                  read_file(dir + "/key"));
    load_plan plan;
    plan.port = port;
    plan.connections = what.connections;
    plan.seconds = what.seconds;
    plan.write = [&](std::string& out, std::uint64_t n) { requests.write(out, n); };
    auto const cpu = cpu_of_family(server.pid()).own;
    auto const load = run_load(plan);
    if (load.refused != 0 || load.lost != 0)
        throw std::runtime_error("the intake server refused events: " + load.first_refusal);
    auto const events = static_cast<double>(load.accepted * what.batch);
    part_cost out;
    out.per_second = events / load.seconds;
    out.daemon_us = (cpu_of_family(server.pid()).own - cpu) / events * 1e6;
    out.load_us = load.cpu_seconds / events * 1e6;
    return out;
}

int serve_intake(std::uint16_t port, std::string const& key_file) {
    sigset_t ends;
    sigemptyset(&ends);
    sigaddset(&ends, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &ends, nullptr);

    auto const settings = kw::default_config();
    auto const key = kw::signing::api_key::generate();
    write_file(key_file, key.text);
    kw::api::key_cache keys;
    keys.apply({platform_key(key)});
    null_writer writer;
    kw::intake::event_catalogue catalogue({});
    kw::intake::intake events(settings.intake, writer, catalogue);
    kw::app::io_threads threads("io", std::max(1U, std::thread::hardware_concurrency()));
    kw::api::services with;
    with.settings = &settings;
    with.events = &events;
    with.catalogue = &catalogue;
    auto made = kw::api::server::create(threads.contexts(), settings.server, "127.0.0.1", port,
                                        kw::api::api_routes(with), keys);
    if (!made)
        throw std::runtime_error(made.error().message);
    threads.start();
    (*made)->start();
    int signal = 0;
    sigwait(&ends, &signal);
    // Nothing here is worth an orderly end.
    std::quick_exit(0);
}

} // namespace klen::bench
