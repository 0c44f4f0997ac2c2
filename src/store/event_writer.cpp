#include "klen/webhooks/store/event_writer.hpp"

#include "doubt.hpp"
#include "event_batch.hpp"
#include "event_queue.hpp"

#include "klen/webhooks/base/encoding.hpp"
#include "klen/webhooks/base/log.hpp"
#include "klen/webhooks/base/thread_watch.hpp"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <set>
#include <string_view>
#include <thread>
#include <unordered_map>

namespace klen::webhooks::store {

namespace {

using std::chrono::steady_clock;

std::vector<std::string_view> accounts_of(std::span<waiting_event const> batch) {
    std::set<std::string_view> out;
    for (auto const& one : batch)
        out.insert(one.event().account_id);
    return {out.begin(), out.end()};
}

constexpr milliseconds settle_time{900}; ///< publishers learn within a second that the database is gone
constexpr milliseconds settle_pause{25};
constexpr int busy_repeats = 6;
constexpr milliseconds busy_pause{10}; ///< doubled each time

failure const gone{fault::connection_lost, "the database is not reachable; nothing was stored"};
failure const in_doubt{fault::connection_lost,
                       "the database went away during the commit; publish again with the same id"};

class writer final : public event_writer {
  public:
    writer(connection_options const& options, intake_config const& limits, lane_gate& gate)
        : gate_(gate), link_(options, {.name = "intake", .index_plans = true}), queue_(limits),
          thread_([this] { serve(); }) {}
    ~writer() override { end(true); }

    void submit(new_event event, done finished) override;
    bool available() const override { return available_; }
    std::size_t waiting() const override {
        std::lock_guard lock(mutex_);
        return queue_.events();
    }
    std::chrono::nanoseconds busy_for() const override {
        auto const since = busy_since_.load(std::memory_order_relaxed);
        return since == idle ? std::chrono::nanoseconds(0) : steady_clock::now().time_since_epoch() - since;
    }
    void stop() override { end(false); }

  private:
    static constexpr std::chrono::nanoseconds idle{0};
    using batch = std::vector<waiting_event>;
    using part = std::span<waiting_event>;

    /// A batch whose commit was cut off, to be settled when the database is back.
    struct doubt {
        backend_identity backend;
        instance_id owner;
        std::vector<event_ptr> events;
    };
    enum class fate { committed, not_committed, unknown };

    void end(bool at_once);
    void serve();
    batch next_batch();
    bool reconnect();
    void refuse_waiting(failure const& why);

    void write(part what);
    result<void> write_once(part what);
    struct finding {
        fate is{};
        std::set<event_id> stored;
    };
    fate settle(part what, doubt const& about);
    result<finding> ask(doubt const& about);
    void note_gone();
    void finish(part what, batch_outcome const& outcome, instance_id owner);
    void answer_repeated(part what, std::set<event_id> const& repeated);
    void hand_over(batch_outcome const& born, std::vector<event_ptr> const& events, instance_id owner);
    void learn(part what, batch_outcome const& outcome);
    static void answer_all(part what, failure const& why);

    lane_gate& gate_;
    session link_;
    std::optional<doubt> left_in_doubt_;
    std::atomic<bool> available_{true};
    std::atomic<std::chrono::nanoseconds> busy_since_{idle};

    mutable std::mutex mutex_;
    std::condition_variable changed_;
    event_queue queue_;
    bool stopping_ = false;
    std::atomic<bool> discarding_{false};
    std::mutex ending_;  ///< `stop` may be called from several threads
    std::thread thread_; ///< last: it uses everything above
};

// --- handing in -----------------------------------------------------------------------------------------------------

void writer::submit(new_event event, done finished) {
    waiting_event one{std::move(event), std::move(finished), steady_clock::now()};
    std::unique_lock lock(mutex_);
    if (stopping_) {
        lock.unlock();
        return one.finished(failure{fault::shutting_down, "this instance is shutting down"});
    }
    if (!available_) {
        lock.unlock();
        return one.finished(gone);
    }
    auto const refused = queue_.put(one);
    lock.unlock();
    switch (refused) {
    case event_queue::refusal::none:
        changed_.notify_one();
        return;
    case event_queue::refusal::full:
        return one.finished(failure{fault::overloaded, "too many events wait to be stored"});
    case event_queue::refusal::share_taken:
        return one.finished(
            failure{fault::over_limit, "too many events of this account wait to be stored: try again in a moment"});
    }
}

void writer::end(bool at_once) {
    std::lock_guard one_at_a_time(ending_);
    {
        std::lock_guard lock(mutex_);
        stopping_ = true;
        discarding_ = discarding_ || at_once;
    }
    changed_.notify_all();
    if (thread_.joinable())
        thread_.join();
}

// --- the thread -----------------------------------------------------------------------------------------------------

void writer::serve() {
    watched_thread const watched("intake", duty::deliveries);
    reconnect();
    for (;;) {
        auto taken = next_batch();
        if (!taken.empty()) {
            busy_since_.store(steady_clock::now().time_since_epoch(), std::memory_order_relaxed);
            {
                thread_does const now(doing::work);
                write(taken);
            }
            busy_since_.store(idle, std::memory_order_relaxed);
            continue;
        }
        if (!available_ && reconnect())
            continue;
        if (discarding_)
            refuse_waiting({fault::shutting_down, "this instance is shutting down"});
        std::unique_lock lock(mutex_);
        if (stopping_ && queue_.events() == 0)
            return;
        auto const something = [this] { return stopping_ || queue_.events() != 0; };
        if (available_)
            changed_.wait(lock, something);
        else
            changed_.wait_until(lock, std::max(link_.next_attempt(), steady_clock::now() + settle_pause), something);
    }
}

writer::batch writer::next_batch() {
    std::lock_guard lock(mutex_);
    return discarding_ ? batch{} : queue_.take_batch(steady_clock::now());
}

/// Connects, and settles what was in doubt. Those who wait are told when it fails.
bool writer::reconnect() {
    bool back = link_.connect().has_value();
    if (back && left_in_doubt_) {
        auto const found = ask(*left_in_doubt_);
        back = found && found->is != fate::unknown;
        if (back)
            left_in_doubt_.reset();
    }
    if (back && !available_.exchange(true))
        log::info("the database is back: publishing goes on");
    if (!back) {
        note_gone();
        refuse_waiting(gone);
    }
    return back;
}

void writer::note_gone() {
    if (available_.exchange(false))
        log::error("the database is not reachable: publishing is refused");
}

void writer::refuse_waiting(failure const& why) {
    batch refused;
    {
        std::lock_guard lock(mutex_);
        refused = queue_.take_all();
    }
    for (auto& one : refused)
        one.finished(why);
}

void writer::answer_all(part what, failure const& why) {
    for (auto& one : what)
        one.finished(why);
}

// --- one batch ------------------------------------------------------------------------------------------------------

/// Answers every event of `what`, whatever happens.
void writer::write(part what) {
    auto const written = write_once(what);
    if (written)
        return;
    if (written.error().kind == fault::database_refused && what.size() > 1) {
        // One event that the database does not take must not fail its neighbours.
        write(what.first(what.size() / 2));
        write(what.subspan(what.size() / 2));
        return;
    }
    if (written.error().kind == fault::database_refused)
        log::error("the database refused an event",
                   {{"event_id", what.front().event().id}, {"error.message", written.error().message}});
    answer_all(what, written.error());
}

/// Success: everybody was answered. A failure: nobody was, and nothing is stored, except that of a commit in doubt it
/// is not known.
result<void> writer::write_once(part what) {
    auto wait = busy_pause;
    int busy = 0;
    int cut_off = 0;
    for (;;) {
        if ((!link_.connected() || left_in_doubt_) && !reconnect())
            return gone;
        auto const backend = link_.backend();
        auto const grant = gate_.current_grant(accounts_of(what));
        auto const outcome = write_batch(link_, what, grant);
        if (outcome) {
            finish(what, *outcome, grant.owner);
            gate_.publishers_waited(steady_clock::now() -
                                    std::ranges::min_element(what, {}, &waiting_event::since)->since);
            learn(what, *outcome);
            return {};
        }
        if (outcome.error().kind == fault::connection_lost) {
            doubt about{backend, grant.owner, {}};
            for (auto const& one : what)
                about.events.push_back(one.what.event);
            auto const settled = settle(what, about);
            if (settled == fate::committed)
                return {};
            if (settled == fate::unknown)
                return in_doubt;
            if (++cut_off < 2)
                continue; // nothing is stored, and the database is back: the publishers need not know
            return gone;
        }
        if (outcome.error().kind != fault::database_busy || ++busy > busy_repeats)
            return outcome.error();
        std::this_thread::sleep_for(wait);
        wait *= 2;
    }
}

/// What became of a batch whose answer was lost. Committed: everybody was answered.
writer::fate writer::settle(part what, doubt const& about) {
    auto const deadline = steady_clock::now() + settle_time;
    while (steady_clock::now() < deadline) {
        if (link_.connect()) {
            auto const found = ask(about);
            if (found && found->is == fate::not_committed)
                return fate::not_committed;
            if (found && found->is == fate::committed) {
                batch_outcome outcome;
                for (auto const& one : what)
                    if (!found->stored.contains(one.event().id))
                        outcome.repeated.insert(one.event().id);
                finish(what, outcome, about.owner);
                return fate::committed;
            }
        } else {
            note_gone();
            refuse_waiting(gone);
        }
        std::this_thread::sleep_for(settle_pause);
    }
    note_gone();
    left_in_doubt_ = about;
    return fate::unknown;
}

/// Looks the batch up by its ids, when nobody can be committing it any more. Committed: its deliveries were handed
/// over.
result<writer::finding> writer::ask(doubt const& about) {
    auto const ended = end_backend(link_, about.backend);
    if (!ended)
        return ended.error();
    if (!*ended)
        return finding{fate::unknown, {}};
    auto stored = stored_events(link_, about.events);
    if (!stored)
        return stored.error();
    if (stored->empty())
        return finding{fate::not_committed, {}};
    auto const born = born_deliveries(link_, about.events, about.owner);
    if (!born)
        return born.error();
    hand_over(*born, about.events, about.owner);
    log::info("a commit that was cut off is settled: it took place", {{"events", stored->size()}});
    return finding{fate::committed, std::move(*stored)};
}

void writer::finish(part what, batch_outcome const& outcome, instance_id owner) {
    std::vector<event_ptr> events;
    for (auto const& one : what)
        events.push_back(one.what.event);
    hand_over(outcome, events, owner);
    for (auto& one : what)
        if (!outcome.repeated.contains(one.event().id))
            one.finished(publish_receipt{one.event().id, false});
    if (!outcome.repeated.empty())
        answer_repeated(what, outcome.repeated);
}

/// Not after a commit that had to be looked up: how much of it was parked is not told then.
void writer::learn(part what, batch_outcome const& outcome) {
    std::unordered_map<event_id, std::uint32_t> deliveries = outcome.unleased;
    for (auto const& born : outcome.leased)
        ++deliveries[born.event];
    std::lock_guard lock(mutex_);
    for (auto const& one : what)
        if (!outcome.repeated.contains(one.event().id))
            queue_.count(one.event(), deliveries[one.event().id]);
    queue_.learn(steady_clock::now());
}

void writer::answer_repeated(part what, std::set<event_id> const& repeated) {
    auto const first = look_up_keys(link_, what, repeated);
    for (auto& one : what) {
        if (!repeated.contains(one.event().id))
            continue;
        if (!first) {
            one.finished(first.error());
            continue;
        }
        auto const found = first->find(one.event().id);
        auto const& hash = one.what.content_hash;
        if (found == first->end())
            one.finished(failure{fault::database_busy, "the id was in use a moment ago; publish again"});
        else if (std::ranges::equal(as_bytes(found->second.content_hash), hash))
            one.finished(publish_receipt{found->second.event, true});
        else
            one.finished(failure{fault::conflict, "this id was used before for an event with other content"});
    }
}

void writer::hand_over(batch_outcome const& born, std::vector<event_ptr> const& events, instance_id owner) {
    if (!born.parked.empty())
        gate_.note_parked(born.parked);
    if (born.leased.empty())
        return;
    std::unordered_map<event_id, event_ptr> by_id;
    for (auto const& event : events)
        by_id.emplace(event->id, event);
    std::vector<claimed_delivery> out;
    out.reserve(born.leased.size());
    for (auto const& one : born.leased) {
        auto const& event = by_id.at(one.event);
        out.push_back({one.id, one.webhook, event, one.event, event->account_id, 0, false});
    }
    gate_.take(owner, std::move(out));
}

} // namespace

std::unique_ptr<event_writer> event_writer::create(connection_options const& options, intake_config const& limits,
                                                   lane_gate& gate) {
    return std::make_unique<writer>(options, limits, gate);
}

} // namespace klen::webhooks::store
