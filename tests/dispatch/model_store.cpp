#include "dispatch/model_store.hpp"

namespace klen::webhooks::testing {

task<fate> model_store::travel(call which, effect what, fate wanted) {
    ++calls[which];
    co_await world_.sleep_until(of_, world_.now() + latency / 2);
    auto how = wanted;
    if (decide && how == fate::done)
        how = decide(which);
    if (down)
        how = fate::lost_before;
    if (how == fate::done || how == fate::lost_after)
        what(world_.now());
    co_await world_.sleep_until(of_, world_.now() + latency / 2);
    co_return how == fate::done&& down ? fate::lost_after : how;
}

} // namespace klen::webhooks::testing
