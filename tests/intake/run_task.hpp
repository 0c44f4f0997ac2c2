#pragma once

#include "klen/webhooks/base/async.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include <optional>
#include <utility>

namespace klen::webhooks::testing_support {

/// Runs one coroutine to its end on the calling thread. What it waits for must come from that coroutine's own doings
/// or from other threads.
template <class T>
T run_task(task<T> what) {
    asio::io_context context;
    // With a timer it waits in epoll, and whoever posts wakes it under its mutex. Without one it waits for a condition,
    // which a store's thread may still be signalling when the context is destroyed.
    asio::steady_timer const waits_in_epoll(context);
    std::optional<T> out;
    asio::co_spawn(context, std::move(what), [&](std::exception_ptr error, T value) {
        if (error)
            std::rethrow_exception(error);
        out.emplace(std::move(value));
    });
    auto const working = asio::make_work_guard(context);
    while (!out)
        context.run_one();
    return std::move(*out);
}

} // namespace klen::webhooks::testing_support
