#pragma once

#include "klen/webhooks/base/async.hpp"
#include "klen/webhooks/base/thread_watch.hpp"
#include "klen/webhooks/event/event.hpp"
#include "klen/webhooks/store/delivery_store.hpp"
#include "klen/webhooks/store/event_writer.hpp"

#include "intake/run_task.hpp"
#include "support/test_database.hpp"

#include <chrono>
#include <condition_variable>
#include <functional>
#include <future>
#include <map>
#include <mutex>
#include <string>
#include <thread>

#include <poll.h>

/// What the tests of the store share.
namespace klen::webhooks::test {

template <class T>
T run(task<T> what) {
    return testing_support::run_task(std::move(what));
}

/// Waits, without hoping, for something that another thread or process does: at most ten seconds.
inline bool eventually(std::function<bool()> const& condition) {
    auto const deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    while (!condition()) {
        if (std::chrono::steady_clock::now() > deadline)
            return false;
        ::poll(nullptr, 0, 2);
    }
    return true;
}

/// Looks at the threads until those that hang are these; "": none. In looks that follow upon each other at once one may
/// seem to hang that has just done its work.
inline bool come_to_hang(std::string const& names) {
    return eventually([&] {
        look_at_threads();
        return hung_threads() == names;
    });
}

/// How many sessions of this name (session_profile) have a statement under way for longer than that, waiting for a
/// lock.
inline std::int64_t waiting_for_locks(test_database& in, std::string const& session, milliseconds longer_than = {}) {
    return in.number("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'klen-webhooks " + session +
                     "' AND datname = current_database() AND wait_event_type = 'Lock'"
                     " AND clock_timestamp() - query_start > interval '" +
                     std::to_string(longer_than.count()) + " ms'");
}

inline store::new_event make_event(std::string const& account, std::string const& type = "call.ended",
                                   std::string const& body = "{}", std::optional<std::string> key = std::nullopt) {
    auto event = std::make_shared<accepted_event const>(accepted_event{make_id<event_id>(), account, type, body, ""});
    store::new_event out{std::move(event), std::move(key), {}};
    for (std::size_t i = 0; i < body.size(); ++i)
        out.content_hash[i % out.content_hash.size()] ^= static_cast<std::uint8_t>(body[i]);
    return out;
}

/// A gate that grants what the test says, keeps what it is given, and can hold the writer back.
class fake_gate final : public store::lane_gate {
  public:
    grant current_grant(std::span<std::string_view const> /*accounts*/) override {
        std::unique_lock lock(mutex_);
        ++asked_;
        changed_.notify_all();
        changed_.wait(lock, [this] { return !held_; });
        return grant_;
    }
    void take(instance_id owner, std::vector<store::claimed_delivery> deliveries) override {
        std::lock_guard lock(mutex_);
        for (auto& one : deliveries)
            taken_.emplace_back(owner, std::move(one));
        changed_.notify_all();
    }
    void note_parked(std::vector<webhook_id> webhooks) override {
        std::lock_guard lock(mutex_);
        parked_.insert(parked_.end(), webhooks.begin(), webhooks.end());
    }

    void set(grant what) {
        std::lock_guard lock(mutex_);
        grant_ = std::move(what);
    }
    /// The writer stops before its next batch. Returns when it stands there (a first event must be under way).
    void hold() {
        std::lock_guard lock(mutex_);
        held_ = true;
    }
    void wait_until_asked(int times) {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [&] { return asked_ >= times; });
    }
    int asked() {
        std::lock_guard lock(mutex_);
        return asked_;
    }
    void let_go() {
        std::lock_guard lock(mutex_);
        held_ = false;
        changed_.notify_all();
    }
    std::vector<std::pair<instance_id, store::claimed_delivery>> taken() {
        std::lock_guard lock(mutex_);
        return taken_;
    }
    std::vector<webhook_id> parked() {
        std::lock_guard lock(mutex_);
        return parked_;
    }

  private:
    std::mutex mutex_;
    std::condition_variable changed_;
    grant grant_;
    bool held_ = false;
    int asked_ = 0;
    std::vector<std::pair<instance_id, store::claimed_delivery>> taken_;
    std::vector<webhook_id> parked_;
};

using receipt = result<store::publish_receipt>;

/// Submits and gives a future of the answer.
inline std::future<receipt> submit(store::event_writer& to, store::new_event event) {
    auto promise = std::make_shared<std::promise<receipt>>();
    auto out = promise->get_future();
    to.submit(std::move(event), [promise](receipt got) { promise->set_value(std::move(got)); });
    return out;
}

/// The record of the next attempt of a leased delivery: 100 ms, ended just now. How long to wait is the caller's.
inline store::attempt_record attempt_of_delivery(store::claimed_delivery const& one, policy::decision what,
                                                 policy::error_class error) {
    store::attempt_record out;
    out.delivery = one.id;
    out.event = one.event_of;
    out.webhook = one.webhook;
    out.account_id = one.account_id;
    out.attempt = one.attempts_made + 1;
    out.ended = std::chrono::steady_clock::now();
    out.started = out.ended - milliseconds(100);
    out.result.error = error;
    out.result.status = error == policy::error_class::none ? 200 : error == policy::error_class::http_status ? 500 : 0;
    out.result.duration = milliseconds(100);
    out.verdict.what = what;
    out.manual = one.manual;
    out.signed_at = 1'700'000'000;
    return out;
}

inline instance_id add_instance(test_database& in) {
    return instance_id{in.number("INSERT INTO instances (name) VALUES ('test') RETURNING instance_id")};
}

inline intake_config intake_limits() {
    intake_config out;
    out.queue_events_max = 10'000;
    out.queue_bytes_max = 64 << 20;
    out.batch_events_max = 500;
    out.batch_deliveries_max = 2000;
    out.batch_account_events_max = 500;
    out.queue_deliveries_max = 200000;
    out.batch_bytes_max = 8 << 20;
    return out;
}

} // namespace klen::webhooks::test
