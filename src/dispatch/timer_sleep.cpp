#include "klen/webhooks/dispatch/dispatcher.hpp"

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>

namespace klen::webhooks::dispatch {

namespace {

task<void> sleep_with_timer(executor ex, steady_time at) {
    asio::steady_timer timer(ex);
    timer.expires_at(at);
    boost::system::error_code ec; // a cancellation ends the sleep; the caller's next wait tells it
    co_await timer.async_wait(asio::redirect_error(use_task, ec));
}

} // namespace

std::function<task<void>(executor, steady_time)> timer_sleep() { return sleep_with_timer; }

} // namespace klen::webhooks::dispatch
