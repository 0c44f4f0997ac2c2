#pragma once

#include <chrono>
#include <string>

/// Which threads of this process hang. Known process-wide, as the log is: a thread tells what it does from within
/// itself, and whoever probes the process need not know them all. Thread-safe.
namespace klen::webhooks {

enum class doing {
    wait, ///< for something to do, or for somebody outside the process: that may take for ever
    work, ///< which ends soon
};

/// What the thread that makes it does, for as long as it lives; afterwards what it did before, begun anew. Nothing in a
/// thread that is not watched.
class thread_does {
  public:
    explicit thread_does(doing what);
    ~thread_does();
    thread_does(thread_does const&) = delete;
    thread_does& operator=(thread_does const&) = delete;

  private:
    doing before_;
};

/// The thread that calls it has ended one piece of work and begins the next.
void work_goes_on();

/// Has the thread that makes it watched, for as long as it lives; it is to be destroyed by the same thread. At first it
/// waits. One a thread.
class watched_thread {
  public:
    /// `name`: what the thread is called here, in ps and in debuggers (there without what is beyond 15 characters).
    explicit watched_thread(std::string name);
    ~watched_thread();
    watched_thread(watched_thread const&) = delete;
    watched_thread& operator=(watched_thread const&) = delete;
};

/// No piece of work takes this long, on a machine that has anything left for it.
constexpr std::chrono::seconds hung_after{10};

/// The names of those that have been at one piece of work for longer than `bound`, sorted, with commas; empty: none.
std::string hung_threads(std::chrono::nanoseconds bound = hung_after);

} // namespace klen::webhooks
