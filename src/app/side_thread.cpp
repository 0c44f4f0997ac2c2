#include "app/side_thread.hpp"

#include <pthread.h>
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

side_thread::side_thread(std::string name, std::size_t waiting_max) : waiting_max_(waiting_max) {
    thread_ = std::thread([this] { serve(); });
    pthread_setname_np(thread_.native_handle(), name.substr(0, 15).c_str());
}

side_thread::~side_thread() { stop(); }

task<result<void>> side_thread::run(std::function<void()> what) {
    one_shot<result<void>> done;
    {
        std::lock_guard lock(mutex_);
        if (stopping_)
            co_return failure{fault::shutting_down, "this instance is shutting down"};
        if (jobs_.size() >= waiting_max_)
            co_return failure{fault::overloaded, "too much of this is asked for at once"};
        jobs_.push_back({std::move(what), done.set()});
    }
    changed_.notify_one();
    co_return co_await done.wait();
}

void side_thread::stop() {
    std::deque<job> left;
    {
        std::lock_guard lock(mutex_);
        stopping_ = true;
        left.swap(jobs_);
    }
    changed_.notify_all();
    for (auto const& one : left)
        one.done(failure{fault::shutting_down, "this instance is shutting down"});
    if (thread_.joinable())
        thread_.join();
}

void side_thread::serve() {
    step_back();
    std::unique_lock lock(mutex_);
    for (;;) {
        changed_.wait(lock, [this] { return stopping_ || !jobs_.empty(); });
        if (stopping_)
            return;
        auto next = std::move(jobs_.front());
        jobs_.pop_front();
        lock.unlock();
        next.what();
        next.what = nullptr; // what it holds goes before the caller goes on
        next.done({});
        lock.lock();
    }
}

} // namespace klen::webhooks::app
