#pragma once

#include "klen/webhooks/base/async.hpp"

#include <boost/asio/execution_context.hpp>

#include <deque>
#include <memory>
#include <utility>

namespace klen::webhooks::simulation {

/// One thread of a simulated process: what is posted to it runs in that order, one handler at a time, when the world
/// says so. Between queues the world picks at random.
class run_queue final : public asio::execution_context {
  public:
    ~run_queue();

    /// As an io_context's: what is dispatched from within the same thread runs at once, what is posted never does.
    class executor_type {
      public:
        using blocking = asio::execution::blocking_t;

        explicit executor_type(run_queue& on) : on_(&on) {}

        asio::execution_context& query(asio::execution::context_t) const noexcept { return *on_; }
        blocking query(blocking) const noexcept { return at_once_ ? blocking(blocking::possibly) : blocking::never; }
        executor_type require(blocking::never_t) const { return with(false); }
        executor_type require(blocking::possibly_t) const { return with(true); }
        template <class Function>
        void execute(Function what) const {
            if (at_once_ && on_->running_)
                std::move(what)();
            else
                on_->items_.push_back(std::make_unique<item_of<Function>>(std::move(what)));
        }
        friend bool operator==(executor_type const&, executor_type const&) noexcept = default;

      private:
        executor_type with(bool at_once) const {
            auto out = *this;
            out.at_once_ = at_once;
            return out;
        }
        run_queue* on_;
        bool at_once_ = true;
    };

    executor ex() { return executor_type(*this); }
    bool empty() const { return items_.empty(); }
    void run_one() {
        auto const what = std::move(items_.front());
        items_.pop_front();
        running_ = true;
        what->run();
        running_ = false;
    }

    bool held = false; ///< the thread hangs

  private:
    struct item {
        virtual ~item() = default;
        virtual void run() = 0;
    };
    template <class Function>
    struct item_of final : item {
        explicit item_of(Function f) : what(std::move(f)) {}
        void run() override { std::move(what)(); }
        Function what;
    };
    std::deque<std::unique_ptr<item>> items_;
    bool running_ = false;
};

} // namespace klen::webhooks::simulation
