#include "dispatch/model_store.hpp"

namespace klen::webhooks::testing {

task<fate> model_store::travel(call which, effect what, fate wanted) {
    ++calls[which];
    auto const own = latency_of.find(which);
    auto const way = (own == latency_of.end() ? latency : own->second) / 2;
    co_await world_.sleep_until(of_, world_.now() + way);
    auto how = wanted;
    if (decide && how == fate::done)
        how = decide(which);
    if (down)
        how = fate::lost_before;
    if (how == fate::done || how == fate::lost_after)
        what(world_.now());
    co_await world_.sleep_until(of_, world_.now() + way);
    co_return how == fate::done&& down ? fate::lost_after : how;
}

} // namespace klen::webhooks::testing
