#include "app/side_thread.hpp"

#include "klen/webhooks/base/thread_watch.hpp"

#include <sys/resource.h>
#include <unistd.h>
#include <utility>

namespace klen::webhooks::app {

namespace {

/// Of this thread alone, which is how Linux has it. A refusal changes nothing that matters.
void step_back() {
    constexpr int niceness = 5;
    static_cast<void>(setpriority(PRIO_PROCESS, static_cast<id_t>(gettid()), niceness));
}

} // namespace

side_thread::side_thread(std::string name, limits bounds) : bounds_(bounds) {
    thread_ = std::thread([this, name = std::move(name)] { serve(name); });
}

side_thread::~side_thread() { stop(); }

task<result<void>> side_thread::run(std::string account_id, std::function<void()> what) {
    one_shot<result<void>> done;
    {
        std::lock_guard lock(mutex_);
        if (stopping_)
            co_return failure{fault::shutting_down, "this instance is shutting down"};
        if (waiting_ >= bounds_.waiting_max)
            co_return failure{fault::overloaded, "too much of this is asked for at once"};
        auto& of_account = jobs_[account_id];
        // At the bound there are some, so that no empty entry is left behind.
        if (of_account.size() >= bounds_.waiting_of_account_max)
            co_return failure{fault::over_limit,
                              "too much of this is asked for at once by this account: try again in a "
                              "moment"};
        if (of_account.empty())
            turns_.push_back(account_id);
        of_account.push_back({std::move(what), done.set()});
        ++waiting_;
    }
    changed_.notify_one();
    co_return co_await done.wait();
}

void side_thread::stop() {
    decltype(jobs_) left;
    {
        std::lock_guard lock(mutex_);
        stopping_ = true;
        left.swap(jobs_);
        turns_.clear();
        waiting_ = 0;
    }
    changed_.notify_all();
    for (auto const& [account_id, jobs] : left)
        for (auto const& one : jobs)
            one.done(failure{fault::shutting_down, "this instance is shutting down"});
    if (thread_.joinable())
        thread_.join();
}

void side_thread::serve(std::string const& name) {
    watched_thread const watched(name, duty::other);
    step_back();
    std::unique_lock lock(mutex_);
    for (;;) {
        changed_.wait(lock, [this] { return stopping_ || !turns_.empty(); });
        if (stopping_)
            return;
        auto next = take_next();
        lock.unlock();
        auto outcome = compute(next.what);
        next.what = nullptr; // what it holds goes before the caller goes on
        next.done(std::move(outcome));
        lock.lock();
    }
}

/// With the mutex held.
side_thread::job side_thread::take_next() {
    auto account_id = std::move(turns_.front());
    turns_.pop_front();
    auto const found = jobs_.find(account_id);
    auto out = std::move(found->second.front());
    found->second.pop_front();
    --waiting_;
    if (found->second.empty())
        jobs_.erase(found);
    else
        turns_.push_back(std::move(account_id));
    return out;
}

result<void> side_thread::compute(std::function<void()>& what) {
    try {
        thread_does const now(doing::work);
        what();
        return {};
    } catch (std::exception const& e) {
        return failure{fault::corrupt, std::string("a computation failed: ") + e.what()};
    }
}

} // namespace klen::webhooks::app
