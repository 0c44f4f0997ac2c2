#pragma once

#include <boost/system/result.hpp>

#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

namespace klen::webhooks {

/// What kind of operating error happened. An *outcome* of an attempt (HTTP 500, a timeout at the receiver) is
/// never one of these: it is a value (`policy/attempt_result.hpp`).
enum class fault {
    invalid_argument, ///< what the caller gave cannot be used; the message names the field and the mend
    not_found,        ///< no such thing, or not this account's
    conflict,         ///< the thing exists already, with other content
    too_large,        ///< over a limit of the configuration
    overloaded,       ///< a bounded queue is full; try again later
    over_limit,       ///< whoever asks has as much under way as it may; the message is for them; try again later
    connection_lost,  ///< the link to the database is gone; what was being done may or may not have happened
    unanswered,       ///< the database has not answered in time; what was asked may still happen
    database_refused, ///< the database answered with an error that a repeat would meet again
    database_busy,    ///< serialization failure, deadlock, out of resources: a repeat may succeed
    shutting_down,    ///< this instance takes no more work
    lease_lost,       ///< this instance no longer owns what it wanted to change
    io,               ///< a file or a process could not be used
    corrupt,          ///< stored data does not have the form it must have (a seal that does not open, …)
};

/// Name of a fault for logs, e.g. "connection_lost".
std::string_view to_string(fault what);

/// An operating error: its kind for programs, its message for people. Messages hold no secret and no payload.
struct failure {
    fault kind{};
    std::string message;
};

/// Thrown by `result::value()` on a failure; used at start-up and in tests only, never across modules at run time.
class failure_error : public std::runtime_error {
  public:
    explicit failure_error(failure const& f) : std::runtime_error(f.message), kind_(f.kind) {}
    fault kind() const noexcept { return kind_; }

  private:
    fault kind_;
};

[[noreturn]] inline void throw_exception_from_error(failure const& f, boost::source_location const&) {
    throw failure_error(f);
}

template <class T>
using result = boost::system::result<T, failure>;

} // namespace klen::webhooks
