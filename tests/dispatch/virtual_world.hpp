#pragma once

#include "klen/webhooks/base/async.hpp"
#include "klen/webhooks/base/config.hpp"
#include "support/sleepers.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include <exception>
#include <functional>
#include <memory>
#include <optional>

namespace klen::webhooks::testing {

/// One thread, one run queue, and a time that stands still while anything can run and then jumps to the next sleeper.
class virtual_world : public clock {
  public:
    virtual_world();
    ~virtual_world() override;
    virtual_world(virtual_world const&) = delete;
    virtual_world& operator=(virtual_world const&) = delete;

    executor ex() { return io_.get_executor(); }
    steady_time now() const { return now_; }
    steady_time steady() const override { return now_; }
    wall_time wall() const override;
    boot_time boot() const override { return boot_time(now_.time_since_epoch()); }

    /// Cancellable. `of`: whose sleep it is.
    task<void> sleep_until(process_ptr of, steady_time at) { return sleepers_.sleep_until(std::move(of), at); }

    void run_for(milliseconds time) { run_until(now_ + time); }
    void run_until(steady_time at);
    /// Runs until `met()`; false when `at_most` passed first.
    bool run_until(std::function<bool()> const& met, milliseconds at_most);
    /// Runs what can run now, without letting time pass.
    void settle();

    void freeze(process_ptr const& which) { which->frozen = true; }
    void thaw(process_ptr const& which) { which->frozen = false; }

    /// Runs a coroutine to its end; nothing when it took longer than `at_most`.
    template <class T>
    std::optional<T> run(task<T> what, milliseconds at_most);
    bool run(task<void> what, milliseconds at_most);

  private:
    /// Wakes the next sleepers, if there are any until then.
    bool advance(steady_time no_later_than);

    steady_time now_;
    sleepers sleepers_;
    asio::io_context io_; ///< destroyed first: it holds coroutines that refer to the rest
};

template <class T>
std::optional<T> virtual_world::run(task<T> what, milliseconds at_most) {
    auto out = std::make_shared<std::optional<T>>();
    asio::co_spawn(ex(), std::move(what), [out](std::exception_ptr error, T value) {
        if (error)
            std::rethrow_exception(error);
        out->emplace(std::move(value));
    });
    run_until([out] { return out->has_value(); }, at_most);
    return std::move(*out);
}

} // namespace klen::webhooks::testing
