#include "klen/webhooks/base/log.hpp"

#include "klen/webhooks/base/result.hpp"
#include "klen/webhooks/base/version.hpp"

#include "base/log_line.hpp"
#include "base/log_sink.hpp"

#include <cerrno>
#include <cmath>
#include <cstdlib>
#include <mutex>
#include <vector>

#include <spdlog/logger.h>
#include <unistd.h>

namespace klen::webhooks {

namespace log {

namespace {

constexpr std::size_t buffer_bytes_max = std::size_t{16} << 20;

spdlog::level::level_enum spdlog_level(level at) {
    switch (at) {
    case level::trace:
        return spdlog::level::trace;
    case level::debug:
        return spdlog::level::debug;
    case level::info:
        return spdlog::level::info;
    case level::warn:
        return spdlog::level::warn;
    case level::error:
        return spdlog::level::err;
    case level::off:
        break;
    }
    return spdlog::level::off;
}

/// Everything a line passes through after `start`.
class pipeline {
  public:
    explicit pipeline(options const& how)
        : as_(how.as),
          service_(service_members(how.service_version.empty() ? version() : how.service_version, ::getpid())),
          sink_(std::make_shared<buffered_sink>(how.file, buffer_bytes_max, make_reports())), logger_("klen", sink_) {
        logger_.set_level(spdlog::level::trace); // `least` has decided already
    }

    void write(line const& what) {
        thread_local std::string text;
        text.clear();
        append(text, what);
        logger_.log(spdlog_level(what.severity), spdlog::string_view_t(text.data(), text.size()));
    }

    buffered_sink& sink() { return *sink_; }

  private:
    void append(std::string& out, line const& what) const {
        if (as_ == format::json)
            append_json_line(out, what, service_);
        else
            append_text_line(out, what);
    }

    std::string one_line(level severity, std::string_view message, fields what) const {
        std::string out;
        append(out, {std::chrono::system_clock::now(), severity, message, what});
        return out;
    }

    buffered_sink::reports make_reports() const {
        return {.lost =
                    [this](std::uint64_t n) {
                        return one_line(level::warn, "log lines lost", {{"lines", n}});
                    },
                .reopen_failed =
                    [this](std::string const& why) {
                        return one_line(level::error, "log file not reopened", {{"error.message", why}});
                    }};
    }

    format as_;
    std::string service_;
    std::shared_ptr<buffered_sink> sink_;
    spdlog::logger logger_;
};

std::atomic<level> least{level::warn};
std::atomic<pipeline*> current{nullptr};

/// Pipelines are never freed: another thread may be inside one, and lines are written until the very end of the
/// process. There is one, except in tests.
std::vector<pipeline*>& all_pipelines() {
    static auto* const kept = new std::vector<pipeline*>;
    return *kept;
}

void stop_at_exit() {
    if (pipeline* p = current.load())
        p->sink().stop();
}

void write_to_stderr(line const& what) {
    std::string text;
    append_text_line(text, what);
    std::string_view rest = text;
    while (!rest.empty()) {
        ssize_t const n = ::write(STDERR_FILENO, rest.data(), rest.size());
        if (n <= 0 && errno != EINTR)
            return;
        rest.remove_prefix(n > 0 ? static_cast<std::size_t>(n) : 0);
    }
}

void write_line(level at, std::string_view message, fields what) noexcept {
    pipeline* const p = current.load(std::memory_order_acquire);
    try {
        line const whole{std::chrono::system_clock::now(), at, message, what};
        if (p != nullptr)
            p->write(whole);
        else
            write_to_stderr(whole);
    } catch (...) { // out of memory: a log line must not change what is logged
        if (p != nullptr)
            p->sink().count_lost();
    }
}

} // namespace

field::field(std::string_view name, double value) : name_(name), raw_(std::isfinite(value)) {
    auto const done = std::to_chars(made_.data(), made_.data() + made_.size(), value);
    made_size_ = static_cast<std::uint8_t>(done.ptr - made_.data());
}

field::field(std::string_view name, uuid const& id) : name_(name), made_size_(36) { id.put_text(made_.data()); }

void start(options const& how) {
    static std::mutex starting;
    std::lock_guard lock(starting);
    auto fresh = std::make_unique<pipeline>(how);
    if (all_pipelines().empty())
        std::atexit(stop_at_exit);
    all_pipelines().push_back(fresh.get());
    pipeline* const before = current.exchange(fresh.release(), std::memory_order_acq_rel);
    least.store(how.min, std::memory_order_relaxed);
    if (before != nullptr)
        before->sink().stop();
}

void set_level(level min) { least.store(min, std::memory_order_relaxed); }

void reopen() {
    if (pipeline* p = current.load(std::memory_order_acquire))
        p->sink().reopen();
}

void flush() {
    if (pipeline* p = current.load(std::memory_order_acquire))
        p->sink().flush();
}

std::uint64_t lost_lines() {
    pipeline* const p = current.load(std::memory_order_acquire);
    return p == nullptr ? 0 : p->sink().lost_lines();
}

bool enabled(level at) { return at >= least.load(std::memory_order_relaxed); }

void write(level at, std::string_view message, fields what) noexcept {
    if (enabled(at) && at != level::off)
        write_line(at, message, what);
}

throttle::verdict throttle::allow() {
    auto const ns = [](auto d) { return std::chrono::duration_cast<std::chrono::nanoseconds>(d).count(); };
    std::int64_t const now = ns(std::chrono::steady_clock::now().time_since_epoch());
    std::int64_t next = next_ns_.load(std::memory_order_relaxed);
    if (now < next || !next_ns_.compare_exchange_strong(next, now + ns(every_), std::memory_order_relaxed)) {
        held_back_.fetch_add(1, std::memory_order_relaxed);
        return {};
    }
    return {true, held_back_.exchange(0, std::memory_order_relaxed)};
}

} // namespace log

void bug(std::string_view what, log::fields context) {
    log::write_line(log::level::error, what, context); // whatever the level: these are the last words
    log::flush();
    std::abort();
}

} // namespace klen::webhooks
