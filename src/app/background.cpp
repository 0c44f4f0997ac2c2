#include "app/background.hpp"

#include "klen/webhooks/base/log.hpp"

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>

namespace klen::webhooks::app {

background::background(executor ex, background_parts parts, background_times times)
    : ex_(ex), parts_(parts), times_(times), group_(ex, "background") {}

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
    group_.spawn([this] { return repeat(times_.watch, "watch for changes", &background::watch); });
    group_.spawn([this] { return repeat(times_.catalogue, "read the event types", &background::read_catalogue); });
    group_.spawn([this] { return repeat(times_.maintenance, "maintain the partitions", &background::maintain); });
}

task<void> background::stop() {
    group_.cancel();
    co_await group_.wait_empty();
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
    auto types = co_await parts_.store->event_types();
    if (types.has_error())
        co_return types.error();
    parts_.catalogue->replace(std::move(*types));
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

task<void> background::repeat(milliseconds every, std::string name, task<result<void>> (background::*step)()) {
    log::throttle complaints(std::chrono::seconds(30));
    asio::steady_timer timer(ex_);
    for (;;) {
        timer.expires_after(every);
        co_await timer.async_wait(use_task); // throws when it is cancelled: that ends the loop
        auto const done = co_await (this->*step)();
        if (!done.has_error())
            continue;
        if (auto const say = complaints.allow(); say.write)
            log::warn("background work failed",
                      {{"task", name}, {"error.message", done.error().message}, {"held_back", say.held_back}});
    }
}

} // namespace klen::webhooks::app
