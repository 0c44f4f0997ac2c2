#include "dispatch/virtual_world.hpp"

#include <boost/asio/associated_cancellation_slot.hpp>

#include <algorithm>

namespace klen::webhooks::testing {

virtual_world::virtual_world() : now_(std::chrono::hours(1000)) {}

virtual_world::~virtual_world() {
    sleepers_.clear(); // a coroutine that is dropped posts its own end
    settle();
}

wall_time virtual_world::wall() const {
    constexpr std::chrono::hours some_day{24 * 20'000};
    return wall_time(some_day + std::chrono::duration_cast<wall_time::duration>(now_.time_since_epoch()));
}

task<void> virtual_world::sleep_until(process_ptr of, steady_time at) {
    auto initiate = [this, of, at](auto handler) {
        auto slot = asio::get_associated_cancellation_slot(handler);
        auto who = std::make_shared<sleeper>();
        who->of = of;
        auto box = std::make_shared<decltype(handler)>(std::move(handler));
        auto on = asio::get_associated_executor(*box);
        who->wake = [box, on](boost::system::error_code ec) {
            asio::post(on, [box, ec]() mutable { std::move (*box)(ec); });
        };
        sleepers_.emplace(std::max(at, now_), who);
        if (slot.is_connected())
            slot.assign([this, weak = std::weak_ptr<sleeper>(who)](asio::cancellation_type) {
                auto const cancelled = weak.lock();
                if (!cancelled)
                    return;
                std::erase_if(sleepers_, [&](auto const& s) { return s.second == cancelled; });
                cancelled->wake(asio::error::operation_aborted);
            });
    };
    co_await asio::async_initiate<asio::use_awaitable_t<executor> const, void(boost::system::error_code)>(
        std::move(initiate), use_task);
}

void virtual_world::settle() {
    io_.restart();
    while (io_.poll() > 0)
        io_.restart();
}

bool virtual_world::advance(steady_time no_later_than) {
    auto next = sleepers_.begin();
    while (next != sleepers_.end() && next->second->of->frozen)
        ++next;
    if (next == sleepers_.end() || next->first > no_later_than)
        return false;
    now_ = std::max(now_, next->first);
    auto const who = next->second;
    sleepers_.erase(next);
    who->wake({});
    settle();
    return true;
}

void virtual_world::run_until(steady_time at) {
    settle();
    while (advance(at)) {
    }
    now_ = std::max(now_, at);
}

bool virtual_world::run_until(std::function<bool()> const& met, milliseconds at_most) {
    auto const end = now_ + at_most;
    settle();
    while (!met()) {
        if (!advance(end)) {
            now_ = std::max(now_, end);
            return met();
        }
    }
    return true;
}

bool virtual_world::run(task<void> what, milliseconds at_most) {
    auto done = std::make_shared<bool>(false);
    asio::co_spawn(ex(), std::move(what), [done](std::exception_ptr error) {
        if (error)
            std::rethrow_exception(error);
        *done = true;
    });
    return run_until([done] { return *done; }, at_most);
}

} // namespace klen::webhooks::testing
