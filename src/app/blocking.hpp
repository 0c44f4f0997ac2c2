#pragma once

#include "klen/webhooks/base/async.hpp"

#include <boost/asio/co_spawn.hpp>

#include <exception>
#include <future>
#include <memory>
#include <optional>
#include <utility>

namespace klen::webhooks::app {

/// Runs `body()` on `ex` and blocks this thread until it ends. The executor's threads run meanwhile, and this thread is
/// none of them. For start and shutdown only.
template <class T>
T wait_for(executor ex, std::function<task<T>()> body) {
    // Shared with the handler: this thread may leave while the other one is still inside set_value.
    auto const ended = std::make_shared<std::promise<T>>();
    auto future = ended->get_future();
    auto done = [ended](std::exception_ptr error, auto... value) {
        if (error)
            ended->set_exception(error);
        else
            ended->set_value(std::move(value)...);
    };
    // `body` lives on this stack until the future is ready, so its coroutine may refer to it.
    asio::co_spawn(ex, body(), std::move(done));
    return future.get();
}

/// The same with an io_context of its own, run by this thread: for commands.
void run_here(std::function<task<void>()> body);

template <class T>
T run_for_result(std::function<task<T>()> body) {
    std::optional<T> out;
    run_here([&]() -> task<void> {
        auto value = co_await body();
        out.emplace(std::move(value));
    });
    return std::move(*out);
}

} // namespace klen::webhooks::app
