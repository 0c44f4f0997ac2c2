#include "support/sleepers.hpp"

#include <boost/asio/associated_cancellation_slot.hpp>

#include <utility>

namespace klen::webhooks::testing {

task<void> sleepers::sleep_until(process_ptr of, steady_time at) {
    auto initiate = [this, of, at](auto handler) {
        auto slot = asio::get_associated_cancellation_slot(handler);
        auto who = std::make_shared<sleeper>();
        who->of = of;
        auto box = std::make_shared<decltype(handler)>(std::move(handler));
        auto on = asio::get_associated_executor(*box);
        who->wake = [box, on](boost::system::error_code ec) {
            asio::post(on, [box, ec]() mutable { std::move (*box)(ec); });
        };
        auto const place = waiting_.emplace(at, who);
        if (slot.is_connected())
            slot.assign([this, place, weak = std::weak_ptr<sleeper>(who)](asio::cancellation_type) {
                auto const cancelled = weak.lock();
                if (!cancelled)
                    return;
                waiting_.erase(place);
                cancelled->wake(asio::error::operation_aborted);
            });
    };
    co_await asio::async_initiate<asio::use_awaitable_t<executor> const, void(boost::system::error_code)>(
        std::move(initiate), use_task);
}

sleepers::queue::const_iterator sleepers::first_awake() const {
    auto at = waiting_.begin();
    while (at != waiting_.end() && at->second->of->frozen)
        ++at;
    return at;
}

std::optional<steady_time> sleepers::first() const {
    auto const at = first_awake();
    if (at == waiting_.end())
        return std::nullopt;
    return at->first;
}

void sleepers::wake_first() {
    auto const at = first_awake();
    auto const who = at->second;
    waiting_.erase(at);
    who->wake({});
}

} // namespace klen::webhooks::testing
