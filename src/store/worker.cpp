#include "worker.hpp"

namespace klen::webhooks::store {

worker::worker(connection_options const& options, session_profile const& profile, std::size_t threads,
               std::size_t jobs_max)
    : jobs_max_(jobs_max) {
    for (std::size_t i = 0; i < threads; ++i) {
        auto& on = *sessions_.emplace_back(std::make_unique<session>(options, profile));
        threads_.emplace_back([this, &on] { serve(on); });
    }
}

worker::~worker() {
    {
        std::lock_guard lock(mutex_);
        stopping_ = true;
    }
    changed_.notify_all();
    for (auto& thread : threads_)
        thread.join();
}

bool worker::push(std::function<void(session&)> job) {
    {
        std::lock_guard lock(mutex_);
        if (stopping_ || jobs_.size() >= jobs_max_)
            return false;
        jobs_.push_back(std::move(job));
    }
    changed_.notify_one();
    return true;
}

void worker::serve(session& on) {
    std::unique_lock lock(mutex_);
    for (;;) {
        changed_.wait(lock, [this] { return stopping_ || !jobs_.empty(); });
        if (jobs_.empty())
            return;
        auto job = std::move(jobs_.front());
        jobs_.pop_front();
        lock.unlock();
        job(on);
        job = nullptr; // what it holds goes before the wait, not at the next job
        lock.lock();
    }
}

} // namespace klen::webhooks::store
