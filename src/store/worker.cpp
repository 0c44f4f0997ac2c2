#include "worker.hpp"

#include <algorithm>

namespace klen::webhooks::store {

worker::worker(connection_options const& options, session_profile const& profile, std::size_t threads,
               std::size_t jobs_max, duty has)
    : jobs_max_(jobs_max), account_jobs_max_(std::max<std::size_t>(1, jobs_max / 8)),
      account_threads_max_(std::max<std::size_t>(2, threads) - 1) {
    for (std::size_t i = 0; i < threads; ++i) {
        auto& on = *sessions_.emplace_back(std::make_unique<session>(options, profile));
        threads_.emplace_back([this, &on, name = profile.name, has] { serve(on, name, has); });
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

std::optional<failure> worker::push(owned_job job) {
    {
        std::lock_guard lock(mutex_);
        if (stopping_ || jobs_.size() >= jobs_max_)
            return failure{fault::overloaded, "too many calls wait for the database"};
        if (!job.account.empty()) {
            auto& own = accounts_[job.account];
            if (job.is == admission::asked && own.in_all >= account_jobs_max_)
                return failure{fault::over_limit, "as many calls of this account as may be at once are under way: try "
                                                  "again in a moment"};
            ++own.in_all;
        }
        jobs_.push_back(std::move(job));
    }
    changed_.notify_one();
    return std::nullopt;
}

void worker::take_back(std::shared_ptr<job_fate> const& which) {
    owned_job taken; // what it holds goes without the lock
    std::lock_guard lock(mutex_);
    auto const found = std::ranges::find(jobs_, which, &owned_job::fate);
    if (found == jobs_.end() || found->is == admission::had)
        return;
    taken = std::move(*found);
    jobs_.erase(found);
    leave(taken.account);
}

/// The oldest that may run now. At the end everything may.
std::deque<worker::owned_job>::iterator worker::next_job() {
    return std::ranges::find_if(jobs_, [this](owned_job const& job) {
        return stopping_ || job.account.empty() || accounts_[job.account].running < account_threads_max_;
    });
}

void worker::begin(std::string const& account) {
    if (!account.empty())
        ++accounts_[account].running;
}

void worker::end(std::string const& account) {
    if (account.empty())
        return;
    --accounts_[account].running;
    leave(account);
}

void worker::leave(std::string const& account) {
    auto const own = accounts_.find(account);
    if (own != accounts_.end() && --own->second.in_all == 0)
        accounts_.erase(own);
}

void worker::serve(session& on, std::string const& name, duty has) {
    watched_thread const watched(name, has);
    std::unique_lock lock(mutex_);
    for (;;) {
        auto next = jobs_.end();
        changed_.wait(lock, [&] {
            next = next_job();
            return stopping_ || next != jobs_.end();
        });
        if (next == jobs_.end())
            return;
        auto job = std::move(*next);
        jobs_.erase(next);
        begin(job.account);
        lock.unlock();
        {
            thread_does const now(doing::work);
            job.run(on);
            job.run = nullptr; // what it holds goes before the wait, not at the next job
        }
        lock.lock();
        end(job.account);
    }
}

} // namespace klen::webhooks::store
