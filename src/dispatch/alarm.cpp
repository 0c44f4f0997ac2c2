#include "dispatch/alarm.hpp"

#include "klen/webhooks/base/log.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/system/system_error.hpp>

#include <exception>
#include <utility>

namespace klen::webhooks::dispatch {

struct alarm::state {
    executor ex;
    sleep_function sleep;
    bool rung = false;
    std::function<void()> wake;
};

namespace {

/// One timed sleep: its own coroutine, so that a ring can cancel it without cancelling the waiter.
struct nap {
    asio::cancellation_signal signal;
    one_shot<bool> over;
    bool ended = false;
};

void judge_end(std::exception_ptr const& error) {
    if (!error)
        return;
    try {
        std::rethrow_exception(error);
    } catch (boost::system::system_error const& e) {
        if (e.code() != asio::error::operation_aborted)
            bug("a timer failed", {{"error.message", e.what()}});
    } catch (std::exception const& e) {
        bug("a timer failed", {{"error.message", e.what()}});
    }
}

} // namespace

alarm::alarm(executor ex, sleep_function sleep) : state_(std::make_shared<state>()) {
    state_->ex = std::move(ex);
    state_->sleep = std::move(sleep);
}

void alarm::ring() const {
    state_->rung = true;
    if (auto wake = std::exchange(state_->wake, nullptr))
        wake();
}

void alarm::ring_soon() const {
    asio::post(state_->ex, [self = *this] { self.ring(); });
}

task<void> alarm::wait() const {
    auto s = state_;
    if (!s->rung) {
        one_shot<bool> woken;
        s->wake = [set = woken.set()] { set(true); };
        co_await woken.wait();
    }
    s->rung = false;
}

task<void> alarm::wait_until(steady_time at) const {
    auto s = state_;
    if (!s->rung) {
        one_shot<bool> woken;
        auto const set_woken = woken.set();
        s->wake = [set_woken] { set_woken(true); };
        auto sleeping = std::make_shared<nap>();
        auto ended = [sleeping, set_woken](std::exception_ptr error) {
            judge_end(error);
            sleeping->ended = true;
            sleeping->over.set()(true);
            set_woken(true);
        };
        asio::co_spawn(s->ex, s->sleep(s->ex, at),
                       asio::bind_cancellation_slot(sleeping->signal.slot(), std::move(ended)));
        co_await woken.wait();
        s->wake = nullptr;
        if (!sleeping->ended)
            sleeping->signal.emit(asio::cancellation_type::terminal);
        co_await sleeping->over.wait();
    }
    s->rung = false;
}

} // namespace klen::webhooks::dispatch
