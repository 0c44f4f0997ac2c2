#pragma once

#include "klen/webhooks/base/ids.hpp"

#include <array>
#include <atomic>
#include <charconv>
#include <chrono>
#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>

/// Structured logging for operators: one line an occurrence, a fixed message, everything that varies in fields.
/// JSON with ECS names or text for people (`[log] format`). Never a secret, never a payload: fields are ids, numbers,
/// names from closed sets, and messages that this program made itself. Strings from outside are escaped and cut.
namespace klen::webhooks::log {

enum class level { trace, debug, info, warn, error, off };
enum class format { text, json };

/// One field. The name is one of the project's terms (`event_id`, `delivery_id`, `webhook_id`, `account_id`,
/// `attempt`, …) or an ECS name (`http.response.status_code`, `error.message`, `event.duration`). Refers to its name
/// and text, which must live for the call.
class field {
  public:
    field(std::string_view name, std::string_view text) : name_(name), text_(text) {}
    field(std::string_view name, char const* text) : name_(name), text_(text) {}
    field(std::string_view name, std::string const& text) : name_(name), text_(text) {}
    field(std::string_view name, bool value) : name_(name), text_(value ? "true" : "false"), raw_(true) {}
    template <std::integral I>
    field(std::string_view name, I value) : name_(name), raw_(true) {
        auto const done = std::to_chars(made_.data(), made_.data() + made_.size(), value);
        made_size_ = static_cast<std::uint8_t>(done.ptr - made_.data());
    }
    /// Infinity and NaN become text: JSON has no number for them.
    field(std::string_view name, double value);
    field(std::string_view name, std::chrono::milliseconds value) : field(name, value.count()) {}
    field(std::string_view name, uuid const& id);
    template <class Tag>
    field(std::string_view name, strong_uuid<Tag> const& id) : field(name, id.value) {}
    field(std::string_view name, instance_id id) : field(name, id.value) {}

    std::string_view name() const { return name_; }
    std::string_view text() const { return made_size_ == 0 ? text_ : std::string_view(made_.data(), made_size_); }
    /// Written without quotes in JSON (a number, true, false).
    bool raw() const { return raw_; }

  private:
    std::string_view name_;
    std::string_view text_;
    std::array<char, 40> made_{}; ///< a number or an id, in place: a line costs no allocation
    std::uint8_t made_size_ = 0;
    bool raw_ = false;
};

using fields = std::initializer_list<field>;

/// Where lines go and how. Before `start`, lines of level warn and above go to stderr as text. All calls are
/// thread-safe.
struct options {
    level min = level::info;
    format as = format::text;
    std::string file{};            ///< empty: stderr. Otherwise appended to; opened anew by `reopen()` (log rotation).
    std::string service_version{}; ///< empty: this build's
};

/// Lines are gathered in memory (16 MiB at most) and written by a thread of its own, so a stalled disk or pipe never
/// blocks a caller. What does not fit, or cannot be written, is lost, counted, and reported by a line once writing
/// works again. Throws `failure_error` (fault::io) when the file cannot be opened. A second call replaces the first.
void start(options const& how);
void set_level(level min);
/// Opens the file by its name again, soon. If that fails, the old file stays in use and a line says so.
void reopen();
/// Writes out what is gathered; waits for that, two seconds at most. Called on exit and before an abort.
void flush();
/// Lines lost since `start`.
std::uint64_t lost_lines();

bool enabled(level at);
/// `message` is fixed text: a reader can search the source for it. One call is exactly one line. Never throws: a line
/// that cannot be made is counted as lost.
void write(level at, std::string_view message, fields what = {}) noexcept;

inline void debug(std::string_view message, fields what = {}) { write(level::debug, message, what); }
inline void info(std::string_view message, fields what = {}) { write(level::info, message, what); }
inline void warn(std::string_view message, fields what = {}) { write(level::warn, message, what); }
inline void error(std::string_view message, fields what = {}) { write(level::error, message, what); }

/// Sums up repeats: `allow()` is true at most once per `every` for one object, and tells how many were held back
/// since. Thread-safe.
class throttle {
  public:
    explicit throttle(std::chrono::milliseconds every) : every_(every) {}
    struct verdict {
        bool write = false;
        std::uint64_t held_back = 0;
    };
    verdict allow();

  private:
    std::chrono::milliseconds every_;
    std::atomic<std::int64_t> next_ns_{0};
    std::atomic<std::uint64_t> held_back_{0};
};

} // namespace klen::webhooks::log

namespace klen::webhooks {

/// For invariants that protect data; on in release builds too. Logs what, where and the fields, flushes and aborts:
/// the leases make a crash safe, a wrong write is not.
[[noreturn]] void bug(std::string_view what, log::fields context = {});

} // namespace klen::webhooks
