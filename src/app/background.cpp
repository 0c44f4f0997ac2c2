#include "app/background.hpp"

#include "klen/webhooks/base/log.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/redirect_error.hpp>

namespace klen::webhooks::app {

namespace {

/// Webhooks whose health is written in one statement.
constexpr std::size_t health_batch_webhooks = 1000;
/// Webhooks whose health is remembered while it cannot be written; some 400 bytes each.
constexpr std::size_t health_webhooks_max = 100'000;
/// Deliveries that one step of a job looks at: its transaction takes milliseconds, and holds up no outcome.
constexpr std::uint32_t job_step_max = 500;
/// Jobs whose steps failed that are remembered; some 100 bytes each.
constexpr std::size_t troubled_jobs_max = 1000;
/// A job that fails with the smallest of steps rests so many times longer in the end.
constexpr int job_rest_growth = 60;
/// After so many looks at the queue that failed, or that the database has not answered, nobody is told what the last
/// one saw.
constexpr int looks_missed_max = 3;

} // namespace

background::background(executor ex, background_parts parts, background_times times, std::string operational_account)
    : ex_(ex), parts_(parts),
      times_(times), watching_{"watch for changes", times.watch, &background::watch, asio::steady_timer(ex)},
      catalogue_{"read the event types", times.catalogue, &background::read_catalogue, asio::steady_timer(ex)},
      maintenance_{"maintain the partitions", times.maintenance, &background::maintain, asio::steady_timer(ex)},
      jobs_{"work at the jobs", times.jobs, &background::work_at_jobs, asio::steady_timer(ex)},
      health_{"write the webhooks' health", times.health, &background::write_health, asio::steady_timer(ex)},
      key_use_{"write the keys' use", times.key_use, &background::write_key_use, asio::steady_timer(ex)},
      operational_{"publish operational events", times.operational, &background::publish_operational,
                   asio::steady_timer(ex)},
      queue_{"look at the queue", times.queue, &background::look_at_queue, asio::steady_timer(ex)},
      unwritten_health_(make_uuid_v7(), health_webhooks_max),
      outbox_(*parts.history, *parts.events, std::move(operational_account)),
      turns_({job_step_max, troubled_jobs_max, times.jobs, times.jobs * job_rest_growth}), group_(ex, "background") {}

task<result<void>> background::first_round() {
    auto const maintained = co_await maintain();
    if (maintained.has_error())
        co_return maintained.error();
    auto const known = co_await read_catalogue();
    if (known.has_error())
        co_return known.error();
    auto const watched = co_await watch();
    if (watched.has_error())
        co_return watched.error();
    co_return result<void>{};
}

void background::start() {
    for (auto* which : {&watching_, &catalogue_, &maintenance_, &jobs_, &health_, &key_use_, &operational_, &queue_})
        begin(*which);
}

task<void> background::stop() {
    group_.cancel();
    co_await group_.wait_empty();
}

task<void> background::write_rest(milliseconds bound) {
    one_shot<bool> ended;
    auto const set = ended.set();
    asio::steady_timer timer(ex_, bound);
    timer.async_wait([set](boost::system::error_code) { set(false); });
    auto rest = [this]() -> task<void> {
        auto const health = co_await write_health();
        auto const use = co_await write_key_use();
        if (health.has_error() || use.has_error())
            log::warn("what was last known of the webhooks' health and the keys' use could not be written");
    };
    asio::co_spawn(ex_, std::move(rest), [set](std::exception_ptr) { set(true); });
    bool const written = co_await ended.wait();
    if (!written)
        log::warn("the database takes too long: stopping without what was last known of the webhooks' health");
}

void background::job_begun() {
    asio::post(ex_, [this] { ask_for(jobs_); });
}

background_stats background::stats() const {
    background_stats out{job_steps_.load(std::memory_order_relaxed), job_under_way_.load(std::memory_order_relaxed),
                         outbox_.published(), outbox_.waiting(), std::nullopt};
    std::lock_guard lock(queue_mutex_);
    if (std::chrono::steady_clock::now() - queue_seen_at_ < times_.queue * looks_missed_max)
        out.queue = queue_seen_;
    return out;
}

// --- chores --------------------------------------------------------------------------------------------------------

void background::begin(chore& which) {
    group_.spawn([this, &which] { return repeat(which); });
}

void background::ask_for(chore& which) {
    which.asked = true;
    which.timer.cancel();
}

/// A failure is logged and the step tried again next time.
task<void> background::repeat(chore& which) {
    log::throttle complaints(std::chrono::seconds(30));
    while (!group_.cancelled()) {
        if (!which.asked) {
            boost::system::error_code interrupted;
            which.timer.expires_after(which.every);
            co_await which.timer.async_wait(asio::redirect_error(use_task, interrupted));
        }
        if (group_.cancelled())
            co_return;
        which.asked = false;
        auto const done = co_await (this->*which.what)();
        if (!done.has_error())
            continue;
        if (auto const say = complaints.allow(); say.write)
            log::warn("background work failed",
                      {{"task", which.name}, {"error.message", done.error().message}, {"repeats", say.held_back}});
    }
}

task<result<void>> background::watch() {
    auto cursor = cursor_;
    auto const changed = co_await parts_.store->changes_since(std::move(cursor));
    if (changed.has_error())
        co_return changed.error();
    parts_.keys->apply(changed->api_keys);
    std::unordered_map<webhook_id, std::int64_t> shown;
    for (auto const& [id, revision] : changed->webhooks) {
        auto const before = revisions_.find(id);
        if (before == revisions_.end() || before->second != revision)
            parts_.dispatcher->webhook_changed(id);
        shown.emplace(id, revision);
    }
    revisions_ = std::move(shown);
    cursor_ = changed->cursor;
    co_return result<void>{};
}

task<result<void>> background::read_catalogue() {
    auto const as_of = parts_.catalogue->change_count();
    auto const types = co_await parts_.store->event_types();
    if (types.has_error())
        co_return types.error();
    std::vector<std::string> names;
    for (auto const& type : *types)
        names.push_back(type.event_type);
    parts_.catalogue->replace(std::move(names), as_of);
    co_return result<void>{};
}

task<result<void>> background::maintain() {
    auto const done = co_await parts_.store->maintain(times_.events_kept, times_.idempotency_window);
    if (done.has_error())
        co_return done.error();
    for (auto const& what : *done)
        log::info("database maintained", {{"action", what}});
    co_return result<void>{};
}

/// Step by step until there is none left, of whichever daemon's job. What a step put into the queue is told at once:
/// deliveries begin while the job goes on. A job whose step failed rests, and the others go on.
task<result<void>> background::work_at_jobs() {
    while (!group_.cancelled()) {
        auto plan = turns_.plan(std::chrono::steady_clock::now());
        auto const done = co_await parts_.history->step_job(std::move(plan));
        bool const worked = done.has_value() && done->has_value();
        job_under_way_.store(worked && (*done)->job.state == "running", std::memory_order_relaxed);
        if (done.has_error())
            co_return done.error();
        if (!worked)
            break;
        auto const& [job, parked, failed] = **done;
        if (failed) {
            step_failed(job, *failed);
            continue;
        }
        job_steps_.fetch_add(1, std::memory_order_relaxed);
        turns_.succeeded(job.id);
        if (parked)
            parts_.dispatcher->note_parked({job.webhook});
        if (job.state != "running") {
            turns_.ended(job.id);
            log::info("job ended", {{"job_id", job.id},
                                    {"webhook_id", job.webhook},
                                    {"kind", store::to_string(job.kind)},
                                    {"state", job.state},
                                    {"examined", job.examined},
                                    {"changed", job.changed}});
        }
    }
    job_under_way_.store(false, std::memory_order_relaxed);
    co_return result<void>{};
}

void background::step_failed(store::webhook_job const& job, failure const& why) {
    turns_.failed(job.id, std::chrono::steady_clock::now());
    if (auto const say = failed_steps_.allow(); say.write)
        log::warn("a step of a job failed; it is taken again, smaller", {{"job_id", job.id},
                                                                         {"webhook_id", job.webhook},
                                                                         {"error.message", why.message},
                                                                         {"repeats", say.held_back}});
}

void background::gather_health() {
    if (auto const lost = unwritten_health_.add(parts_.dispatcher->take_health()); lost > 0)
        log::warn("the health of some webhooks is not remembered: too many wait to be written", {{"webhooks", lost}});
}

task<result<void>> background::write_health() {
    gather_health();
    while (!unwritten_health_.empty()) {
        // Still known while it is written: this may be asked to end at any co_await.
        auto batch = unwritten_health_.next(health_batch_webhooks);
        auto const written = co_await parts_.history->add_health(std::move(batch));
        if (written.has_error())
            co_return written.error();
        unwritten_health_.forget();
    }
    co_return result<void>{};
}

task<result<void>> background::write_key_use() {
    for (auto const& [key, at] : parts_.keys->take_uses()) {
        auto& last = unwritten_uses_[key];
        last = std::max(last, at);
    }
    if (unwritten_uses_.empty())
        co_return result<void>{};
    std::vector<std::pair<api_key_id, wall_time>> uses(unwritten_uses_.begin(), unwritten_uses_.end());
    auto const written = co_await parts_.store->note_key_use(std::move(uses));
    if (written.has_error())
        co_return written.error();
    unwritten_uses_.clear();
    co_return result<void>{};
}

task<result<void>> background::publish_operational() {
    for (std::size_t done = operational_events::batch; done == operational_events::batch && !group_.cancelled();) {
        auto const published = co_await outbox_.publish_some();
        if (published.has_error())
            co_return published.error();
        done = *published;
    }
    co_return result<void>{};
}

task<result<void>> background::look_at_queue() {
    auto const seen = co_await parts_.store->look_at_queue();
    if (seen.has_error())
        co_return seen.error();
    std::lock_guard lock(queue_mutex_);
    queue_seen_ = *seen;
    queue_seen_at_ = std::chrono::steady_clock::now();
    co_return result<void>{};
}

} // namespace klen::webhooks::app
