#include "klen/webhooks/base/thread_watch.hpp"

#include <atomic>
#include <cstdint>
#include <list>
#include <mutex>
#include <set>

#include <pthread.h>

namespace klen::webhooks {

namespace {

constexpr std::int64_t waits = 0;

struct entry {
    std::string name;
    std::atomic<std::int64_t> works_since{waits}; ///< nanoseconds of the steady clock
};

struct registry {
    std::mutex mutex;
    std::list<entry> threads;
};

/// Never destroyed: threads may end after the statics of this file.
registry& all() {
    static auto& known = *new registry;
    return known;
}

thread_local entry* own = nullptr;

std::int64_t now() {
    auto const since = std::chrono::steady_clock::now().time_since_epoch();
    return std::chrono::duration_cast<std::chrono::nanoseconds>(since).count();
}

void begin(doing what) {
    if (own)
        own->works_since.store(what == doing::work ? now() : waits, std::memory_order_relaxed);
}

} // namespace

thread_does::thread_does(doing what)
    : before_(own && own->works_since.load(std::memory_order_relaxed) != waits ? doing::work : doing::wait) {
    begin(what);
}

thread_does::~thread_does() { begin(before_); }

watched_thread::watched_thread(std::string name) {
    pthread_setname_np(pthread_self(), name.substr(0, 15).c_str());
    std::lock_guard lock(all().mutex);
    own = &all().threads.emplace_back();
    own->name = std::move(name);
}

watched_thread::~watched_thread() {
    std::lock_guard lock(all().mutex);
    all().threads.remove_if([](entry const& one) { return &one == own; });
    own = nullptr;
}

void work_goes_on() { begin(doing::work); }

std::string hung_threads(std::chrono::nanoseconds bound) {
    auto const oldest = now() - bound.count();
    std::set<std::string> names;
    {
        std::lock_guard lock(all().mutex);
        for (auto const& one : all().threads) {
            auto const since = one.works_since.load(std::memory_order_relaxed);
            if (since != waits && since < oldest)
                names.insert(one.name);
        }
    }
    std::string out;
    for (auto const& name : names)
        out += (out.empty() ? "" : ", ") + name;
    return out;
}

} // namespace klen::webhooks
