#include "klen/webhooks/base/thread_watch.hpp"

#include <atomic>
#include <cstdint>
#include <functional>
#include <list>
#include <mutex>
#include <set>

#include <pthread.h>

namespace klen::webhooks {

namespace {

struct entry {
    std::string name;
    duty has{};
    std::atomic<bool> works{false};
    std::atomic<std::uint64_t> piece{0}; ///< of work: which one

    // The registry's mutex guards these.
    std::uint64_t seen_piece = 0;
    int looks = 0; ///< that found it at `seen_piece`

    bool hangs() const { return looks >= (has == duty::deliveries ? looks_until_hung : looks_until_hung_beside); }
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

void begin(doing what) {
    if (!own)
        return;
    own->piece.fetch_add(1, std::memory_order_relaxed);
    own->works.store(what == doing::work, std::memory_order_relaxed);
}

std::string names_of(std::function<bool(entry const&)> const& which) {
    std::set<std::string> names;
    {
        std::lock_guard lock(all().mutex);
        for (auto const& one : all().threads)
            if (which(one))
                names.insert(one.name);
    }
    std::string out;
    for (auto const& name : names)
        out += (out.empty() ? "" : ", ") + name;
    return out;
}

} // namespace

thread_does::thread_does(doing what)
    : before_(own && own->works.load(std::memory_order_relaxed) ? doing::work : doing::wait) {
    begin(what);
}

thread_does::~thread_does() { begin(before_); }

void work_goes_on() { begin(doing::work); }

watched_thread::watched_thread(std::string name, duty what) {
    pthread_setname_np(pthread_self(), name.substr(0, 15).c_str());
    std::lock_guard lock(all().mutex);
    own = &all().threads.emplace_back();
    own->name = std::move(name);
    own->has = what;
}

watched_thread::~watched_thread() {
    std::lock_guard lock(all().mutex);
    all().threads.remove_if([](entry const& one) { return &one == own; });
    own = nullptr;
}

void look_at_threads() {
    std::lock_guard lock(all().mutex);
    for (auto& one : all().threads) {
        auto const piece = one.piece.load(std::memory_order_relaxed);
        bool const same = one.works.load(std::memory_order_relaxed) && piece == one.seen_piece;
        one.looks = same ? one.looks + 1 : 0;
        one.seen_piece = piece;
    }
}

std::string hung_threads() { return names_of(&entry::hangs); }

std::string hung_delivery_threads() {
    return names_of([](entry const& one) { return one.has == duty::deliveries && one.hangs(); });
}

} // namespace klen::webhooks
