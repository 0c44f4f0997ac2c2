#include "simulation/incarnation.hpp"

#include <boost/asio/co_spawn.hpp>

#include <string>

namespace klen::webhooks::simulation {

namespace {
constexpr std::size_t handlers_max = 100'000; ///< of what is left of a dead process
constexpr milliseconds writer_time{2000};     ///< how long a shutdown waits for events that were taken
} // namespace

incarnation::incarnation(surroundings const& all, std::size_t number, int slot)
    : all_(all), number_(number),
      machine_(all.in, slot, all.of.io_threads + 1,
               all.of.has(fault_kind::wall_jump)
                   ? all.in.chance.between(milliseconds(-3'600'000), milliseconds(3'600'000))
                   : milliseconds(0)),
      store_(all.in, machine_, all.now, all.database, all.watch),
      writer_(all.in, machine_, all.now, all.database, store_) {
    auto options = all.of.options;
    options.instance_name = std::to_string(number);
    dispatch::dispatch_environment env;
    env.coordinator = machine_.threads[0]->ex();
    for (std::size_t i = 0; i < all.of.io_threads; ++i) {
        clients_.push_back(std::make_unique<sim_client>(all.in, machine_, all.now, all.watch, number));
        env.shards.push_back({machine_.threads[i + 1]->ex(), clients_.back().get()});
    }
    env.store = &store_;
    env.time = &machine_;
    env.seals = &all.seals;
    env.sleep_until = [this](executor, steady_time at) { return machine_.sleep_until(at); };
    env.random = [this] { return all_.in.chance.real(); };
    dispatcher_ = dispatch::dispatcher::create(std::move(options), std::move(env));
    all.watch.process_began(number, slot);
    all.in.add(&machine_);
}

incarnation::~incarnation() {
    if (alive())
        end();
}

void incarnation::note(life what) {
    all_.in.log.note(all_.in.now(), mark::process, machine_.slot(), number_, static_cast<std::uint64_t>(what));
}

void incarnation::start() {
    auto const rethrow = [](std::exception_ptr error) {
        if (error)
            std::rethrow_exception(error);
    };
    asio::co_spawn(machine_.threads[0]->ex(), begin(), rethrow);
}

task<void> incarnation::begin() {
    auto const begun = co_await dispatcher_->start();
    if (machine_.dead())
        co_return;
    failed_ = !begun && phase_ == phase::starting;
    note(begun ? life::started : life::failed_to_start);
    if (begun && phase_ == phase::starting) {
        phase_ = phase::running;
        writer_.gate = dispatcher_.get();
    }
}

void incarnation::stop() {
    if (phase_ != phase::running)
        return;
    phase_ = phase::stopping;
    stop_began_ = all_.in.now();
    note(life::stopping);
    auto const rethrow = [](std::exception_ptr error) {
        if (error)
            std::rethrow_exception(error);
    };
    asio::co_spawn(machine_.threads[0]->ex(), finish(), rethrow);
}

task<void> incarnation::finish() {
    writer_.close();
    auto const bound = machine_.steady() + writer_time;
    while (!writer_.idle() && machine_.steady() < bound && !machine_.dead())
        co_await machine_.sleep_until(machine_.steady() + milliseconds(20));
    if (machine_.dead())
        co_return;
    stop_began_ = all_.in.now();
    co_await dispatcher_->stop();
    if (machine_.dead())
        co_return;
    writer_.gate = nullptr;
    store_.close();
    stopped_ = true;
    note(life::stopped);
}

void incarnation::thaw() {
    machine_.thaw();
    note(life::thawed);
    all_.watch.process_thawed(number_, machine_.frozen_as());
    store_.go_on();
    writer_.go_on();
}

task<void> incarnation::bury() {
    co_await dispatcher_->stop();
    buried_ = true;
}

/// Its coroutines hold each other: they are run to their end, apart from the world.
void incarnation::end() {
    all_.in.remove(&machine_);
    if (stopped_)
        all_.watch.process_stopped(number_, stop_began_);
    else
        all_.watch.process_killed(number_);
    if (!stopped_)
        note(life::killed);
    writer_.gate = nullptr;
    phase_ = phase::ended;
    machine_.die();
    store_.die();
    asio::co_spawn(machine_.threads[0]->ex(), bury(), [](std::exception_ptr) {});
    machine_.run_dry(handlers_max);
    if (!buried_)
        all_.watch.fail("process " + std::to_string(number_) + ": what is left of it does not end");
    dispatcher_.reset();
}

} // namespace klen::webhooks::simulation
