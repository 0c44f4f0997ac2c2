#pragma once

#include "session.hpp"

#include "klen/webhooks/base/async.hpp"

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace klen::webhooks::store {

/// Threads that run jobs against the database, each with a session of its own. libpqxx blocks, so nothing of it may
/// run on an io thread: a coroutine hands over a job and is resumed on its own executor.
class worker {
  public:
    /// `jobs_max`: how many may wait; more are answered `overloaded`.
    worker(connection_options const& options, session_profile const& profile, std::size_t threads,
           std::size_t jobs_max);
    /// Finishes what was handed over.
    ~worker();
    worker(worker const&) = delete;
    worker& operator=(worker const&) = delete;

    /// Every job must be repeatable: one that met a connection which had died since its last use is run once more on a
    /// new one.
    template <class T>
    task<result<T>> call(std::function<result<T>(session&)> job) {
        one_shot<result<T>> answer;
        auto set = answer.set();
        post<T>(std::move(job), [set](result<T> got) { set(std::move(got)); });
        auto waiting = answer.wait();
        auto got = co_await std::move(waiting);
        co_return got;
    }
    /// `finished` is called on the worker's thread, or at once when too much waits.
    template <class T>
    void post(std::function<result<T>(session&)> job, std::function<void(result<T>)> finished) {
        if (!push([job = std::move(job), finished](session& on) { finished(attempt<T>(job, on)); }))
            finished(failure{fault::overloaded, "too many calls wait for the database"});
    }

  private:
    template <class T>
    static result<T> attempt(std::function<result<T>(session&)> const& job, session& on) {
        bool const was_connected = on.connected();
        auto first = attempt_once<T>(job, on);
        if (!first && first.error().kind == fault::connection_lost && was_connected)
            return attempt_once<T>(job, on);
        return first;
    }
    /// What cannot be read in an answer is thrown inside the store only.
    template <class T>
    static result<T> attempt_once(std::function<result<T>(session&)> const& job, session& on) {
        try {
            return job(on);
        } catch (failure_error const& e) {
            return failure{e.kind(), e.what()};
        } catch (std::exception const& e) {
            return failure{fault::database_refused, e.what()};
        }
    }

    bool push(std::function<void(session&)> job);
    void serve(session& on);

    std::mutex mutex_;
    std::condition_variable changed_;
    std::deque<std::function<void(session&)>> jobs_;
    std::size_t jobs_max_;
    bool stopping_ = false;
    std::vector<std::unique_ptr<session>> sessions_;
    std::vector<std::thread> threads_;
};

} // namespace klen::webhooks::store
