#pragma once

#include <string>

/// Which threads of this process hang. Known process-wide, as the log is: a thread tells what it does from within
/// itself, and whoever probes the process need not know them all. Thread-safe.
///
/// Time is counted in looks, which one thread takes about once a second: one that stands still with all the others
/// (stopped by a signal, a debugger or the machine's pause) has not been seen to hang.
namespace klen::webhooks {

enum class doing {
    wait, ///< for something to do, or for somebody outside the process: that may take for ever
    work, ///< which ends soon
};

enum class duty {
    deliveries, ///< while it hangs, deliveries that this process has leased may stand still
    other,
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
    watched_thread(std::string name, duty what);
    ~watched_thread();
    watched_thread(watched_thread const&) = delete;
    watched_thread& operator=(watched_thread const&) = delete;
};

/// A thread hangs that was at the same piece of work in so many looks, one after the other. Work beside the deliveries
/// may be long, and may have to leave the processors to them.
inline constexpr int looks_until_hung = 10;
inline constexpr int looks_until_hung_beside = 60;

void look_at_threads();

/// The names of those that hang, sorted, with commas; empty: none.
std::string hung_threads();
/// The same, of those on which deliveries depend.
std::string hung_delivery_threads();

} // namespace klen::webhooks
