#include "klen/webhooks/base/log.hpp"

#include "klen/webhooks/base/clock.hpp"

#include <cstdio>
#include <cstdlib>
#include <string>

namespace klen::webhooks {

namespace log {

namespace {
std::atomic<level> least{level::warn};
} // namespace

field::field(std::string_view name, double value) : name_(name), owned_(std::to_string(value)), raw_(true) {}

void start(options const& how) { least = how.min; }
void set_level(level min) { least = min; }
void reopen() {}
void flush() { std::fflush(stderr); }
bool enabled(level at) { return at >= least.load(std::memory_order_relaxed); }

void write(level at, std::string_view message, fields what) {
    if (!enabled(at))
        return;
    std::string line = rfc3339_ms(std::chrono::system_clock::now()) + " " + std::string(message);
    for (field const& f : what)
        line.append(" ").append(f.name()).append("=").append(f.text());
    line += '\n';
    std::fputs(line.c_str(), stderr);
}

throttle::verdict throttle::allow() {
    std::int64_t const now = std::chrono::steady_clock::now().time_since_epoch().count();
    std::int64_t next = next_ns_.load(std::memory_order_relaxed);
    auto const pause = std::chrono::duration_cast<std::chrono::nanoseconds>(every_).count();
    if (now < next || !next_ns_.compare_exchange_strong(next, now + pause, std::memory_order_relaxed)) {
        held_back_.fetch_add(1, std::memory_order_relaxed);
        return {};
    }
    return {true, held_back_.exchange(0, std::memory_order_relaxed)};
}

} // namespace log

void bug(std::string_view what, log::fields context) {
    log::write(log::level::error, what, context);
    log::flush();
    std::abort();
}

} // namespace klen::webhooks
