#include "dispatch/virtual_world.hpp"

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

void virtual_world::settle() {
    io_.restart();
    while (io_.poll() > 0)
        io_.restart();
}

bool virtual_world::advance(steady_time no_later_than) {
    auto const next = sleepers_.first();
    if (!next || *next > no_later_than)
        return false;
    now_ = std::max(now_, *next);
    sleepers_.wake_first();
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
