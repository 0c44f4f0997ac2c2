#pragma once

#include "session.hpp"

#include "klen/webhooks/base/async.hpp"

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

namespace klen::webhooks::store {

/// Whether a job may be refused because its account has enough of them: not when it ends something that was let in.
enum class admission { asked, had };

/// Threads that run jobs against the database, each with a session of its own. libpqxx blocks, so nothing of it may
/// run on an io thread: a coroutine hands over a job and is resumed on its own executor.
///
/// No account keeps the others waiting: of those jobs that name one, an account's never run on all threads at once
/// (unless there is but one), later ones of other accounts pass them by, and an eighth of `jobs_max` of them at most
/// are under way or wait; more are answered `over_limit`.
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
    task<result<T>> call(std::function<result<T>(session&)> job, std::string account = {},
                         admission is = admission::asked) {
        one_shot<result<T>> answer;
        auto set = answer.set();
        auto finished = [set](result<T> got) { set(std::move(got)); };
        post<T>(std::move(job), std::move(finished), std::move(account), is);
        auto waiting = answer.wait();
        auto got = co_await std::move(waiting);
        co_return got;
    }
    /// `finished` is called on the worker's thread, or at once when too much waits. `account`: whose job it is; empty:
    /// nobody's.
    template <class T>
    void post(std::function<result<T>(session&)> job, std::function<void(result<T>)> finished, std::string account = {},
              admission is = admission::asked) {
        auto run = [job = std::move(job), finished](session& on) { finished(attempt<T>(job, on)); };
        if (auto no = push({std::move(account), std::move(run)}, is))
            finished(std::move(*no));
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

    struct owned_job {
        std::string account;
        std::function<void(session&)> run;
    };
    struct load {
        std::size_t running = 0;
        std::size_t in_all = 0; ///< those that wait, too
    };

    /// Why not; nothing: it was taken.
    std::optional<failure> push(owned_job job, admission is);
    void serve(session& on);
    std::deque<owned_job>::iterator next_job();
    void begin(std::string const& account);
    void end(std::string const& account);

    std::mutex mutex_;
    std::condition_variable changed_;
    std::deque<owned_job> jobs_;
    std::unordered_map<std::string, load> accounts_; ///< those that have a job here
    std::size_t jobs_max_;
    std::size_t account_jobs_max_;
    std::size_t account_threads_max_;
    bool stopping_ = false;
    std::vector<std::unique_ptr<session>> sessions_;
    std::vector<std::thread> threads_;
};

} // namespace klen::webhooks::store
