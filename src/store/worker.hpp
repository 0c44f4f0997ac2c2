#pragma once

#include "session.hpp"

#include "klen/webhooks/base/async.hpp"
#include "klen/webhooks/base/thread_watch.hpp"

#include <boost/asio/basic_waitable_timer.hpp>

#include <atomic>
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

/// What becomes of a job, for itself to look at.
struct job_fate {
    std::atomic<bool> nobody_waits{false}; ///< whoever asked for it was told `unanswered`
};

/// Whose job it is, and how long whoever asked for it waits.
struct job_terms {
    std::string account{}; ///< empty: nobody's
    admission is = admission::asked;
    milliseconds patience{0};         ///< 0: as long as it takes
    std::shared_ptr<job_fate> fate{}; ///< where the job wants to know
};

/// Threads that run jobs against the database, each with a session of its own. libpqxx blocks, so nothing of it may
/// run on an io thread: a coroutine hands over a job and is resumed on its own executor. The threads are watched
/// (thread_watch.hpp), under the name of the profile.
///
/// No account keeps the others waiting: of those jobs that name one, an account's never run on all threads at once
/// (unless there is but one), later ones of other accounts pass them by, and an eighth of `jobs_max` of them at most
/// are under way or wait; more are answered `over_limit`.
class worker {
  public:
    /// `jobs_max`: how many may wait; more are answered `overloaded`. `has`: what depends on the threads.
    worker(connection_options const& options, session_profile const& profile, std::size_t threads, std::size_t jobs_max,
           duty has = duty::other);
    /// Finishes what was handed over.
    ~worker();
    worker(worker const&) = delete;
    worker& operator=(worker const&) = delete;

    /// Every job must be repeatable: one that met a connection which had died since its last use is run once more on a
    /// new one.
    ///
    /// A database that hangs answers nobody, and no job can be taken back from it: after `patience` the caller is told
    /// `unanswered`, and goes. A job that has not begun by then never does, unless it ends something that was let in.
    template <class T>
    task<result<T>> call(std::function<result<T>(session&)> job, job_terms terms = {}) {
        one_shot<result<T>> answer;
        auto const set = answer.set();
        auto finished = [set](result<T> got) { set(std::move(got)); };
        auto const patience = terms.patience;
        auto const fate = terms.fate = terms.fate ? terms.fate : std::make_shared<job_fate>();
        auto const ex = co_await asio::this_coro::executor;
        asio::basic_waitable_timer<std::chrono::steady_clock, asio::wait_traits<std::chrono::steady_clock>, executor>
            limit(ex);
        if (patience > milliseconds::zero()) {
            limit.expires_after(patience);
            limit.async_wait([this, set, fate](boost::system::error_code stopped) {
                if (stopped)
                    return;
                fate->nobody_waits = true;
                set(failure{fault::unanswered, "the database has not answered in time"});
                take_back(fate);
            });
        }
        post<T>(std::move(job), std::move(finished), std::move(terms));
        auto waiting = answer.wait();
        auto got = co_await std::move(waiting);
        co_return got;
    }
    /// `finished` is called on the worker's thread, or at once when too much waits.
    template <class T>
    void post(std::function<result<T>(session&)> job, std::function<void(result<T>)> finished, job_terms terms = {}) {
        auto run = [job = std::move(job), finished](session& on) { finished(attempt<T>(job, on)); };
        if (auto no = push({std::move(terms.account), std::move(run), terms.is, std::move(terms.fate)}))
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
        admission is = admission::asked;
        std::shared_ptr<job_fate> fate;
    };
    struct load {
        std::size_t running = 0;
        std::size_t in_all = 0; ///< those that wait, too
    };

    /// Why not; nothing: it was taken.
    std::optional<failure> push(owned_job job);
    /// Out of the queue, if it waits there and need not be done.
    void take_back(std::shared_ptr<job_fate> const& which);
    void serve(session& on, std::string const& name, duty has);
    std::deque<owned_job>::iterator next_job();
    void begin(std::string const& account);
    void end(std::string const& account);
    void leave(std::string const& account);

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
