#pragma once

#include "klen/webhooks/base/clock.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

namespace klen::webhooks {

namespace asio = boost::asio;

/// One io thread = one `io_context` = an implicit strand; in a simulation, one virtual run queue.
using executor = asio::any_io_executor;

/// A coroutine of ours. Parameters by value; owned by a `task_group`; see CONTRIBUTING.md for g++ 12's traps.
template <class T>
using task = asio::awaitable<T, executor>;

inline constexpr asio::use_awaitable_t<executor> use_task{};

/// A value that one thread makes and one coroutine waits for. `set` may be called once, from any thread, before or
/// after the wait began; the coroutine is resumed on its own executor. The wait is not cancellable: what it waits for
/// (a commit) must not be abandoned half-way.
template <class T>
class one_shot {
    struct state;

  public:
    one_shot() : state_(std::make_shared<state>()) {}

    /// A copyable callable that fulfils this one_shot.
    class setter {
      public:
        void operator()(T value) const {
            std::function<void()> wake;
            {
                std::lock_guard lock(state_->mutex);
                if (state_->value)
                    return; // the first one counts
                state_->value.emplace(std::move(value));
                wake = std::move(state_->wake);
                state_->wake = nullptr;
            }
            if (wake)
                wake();
        }

      private:
        friend class one_shot;
        explicit setter(std::shared_ptr<state> s) : state_(std::move(s)) {}
        std::shared_ptr<state> state_;
    };

    setter set() const { return setter(state_); }

    /// Waits for the value. Call once.
    task<T> wait() const {
        auto s = state_;
        // Named before it is awaited: g++ 12 destroys a capturing lambda in such an expression twice (PR 107288).
        auto initiation = [s](auto handler) {
            // The handler is move-only, std::function wants copies: a shared box bridges the two.
            auto box = std::make_shared<decltype(handler)>(std::move(handler));
            auto ex = asio::get_associated_executor(*box);
            auto resume = [box, ex] { asio::post(ex, std::move(*box)); };
            {
                std::lock_guard lock(s->mutex);
                if (!s->value) {
                    s->wake = resume;
                    return;
                }
            }
            resume();
        };
        auto waiting =
            asio::async_initiate<asio::use_awaitable_t<executor> const, void()>(std::move(initiation), use_task);
        co_await std::move(waiting);
        co_return std::move(*s->value);
    }

  private:
    struct state {
        std::mutex mutex;
        std::optional<T> value;
        std::function<void()> wake;
    };
    std::shared_ptr<state> state_;
};

/// Owns coroutines that run on one executor: counts them, asks them to end (by a cancellation signal each, emitted on
/// that executor) and waits for their end. A coroutine that ends with an exception other than a cancellation is a bug:
/// it is logged with the group's name and the process aborts, because a half-finished task must not go unnoticed.
///
/// All members are to be called on the group's executor. The destructor expects `empty()`.
class task_group {
  public:
    task_group(executor ex, std::string name);
    ~task_group();
    task_group(task_group const&) = delete;
    task_group& operator=(task_group const&) = delete;

    /// Starts `body()` and keeps it alive until it ends. After `cancel()`, nothing is started any more (false).
    bool spawn(std::function<task<void>()> body);
    /// Asks every member to end. Idempotent, safe before the first spawn.
    void cancel();
    bool cancelled() const;
    bool empty() const;
    std::size_t size() const;
    /// Completes when no member is left. Several coroutines may wait at once.
    task<void> wait_empty();

  private:
    struct impl;
    std::shared_ptr<impl> impl_;
};

} // namespace klen::webhooks
