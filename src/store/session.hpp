#pragma once

#include "connection_string.hpp"
#include "wire_format.hpp"

#include "klen/webhooks/base/clock.hpp"
#include "klen/webhooks/base/result.hpp"
#include "klen/webhooks/store/connection.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

/// The only door to libpqxx: no other source includes it, so its version matters in session.cpp alone.
namespace klen::webhooks::store {

/// A statement of the store: the name it is prepared under and its text. Both live for ever.
struct statement {
    char const* name;
    char const* sql;
};

/// The rows of an answer. Cheap to copy; outlives its session.
class rows {
  public:
    rows();
    std::size_t size() const;
    bool empty() const { return size() == 0; }
    int columns() const;
    std::size_t affected() const;
    bool is_null(std::size_t row, int column) const;
    std::string_view text(std::size_t row, int column) const; ///< "" for null
    std::int64_t int8(std::size_t row, int column) const;
    bool boolean(std::size_t row, int column) const;
    std::string bytes(std::size_t row, int column) const; ///< of a bytea
    template <class Id>
    Id id(std::size_t row, int column) const {
        return Id{uuid_value(row, column)};
    }
    uuid uuid_value(std::size_t row, int column) const;

    struct impl;
    explicit rows(std::shared_ptr<impl const> from) : impl_(std::move(from)) {}

  private:
    std::shared_ptr<impl const> impl_;
};

/// Whether a statement was given up for a lock: somebody else held it for longer than the session's lock timeout, or
/// the two waited for each other.
bool is_lock_failure(failure const& why);

/// One backend, told from every other for ever: what a commit in doubt is settled with.
struct backend_identity {
    std::int32_t pid = 0;
    std::string started; ///< backend_start as text
};

/// One connection to the database, for one thread. Connects by itself when it is first used and again after it was
/// lost, but never under a statement that has begun: that one fails with `connection_lost`, and what became of it is
/// for the caller to find out. Between attempts to connect passes a growing time (50 ms to 1 s) in which every call
/// fails at once.
class session {
  public:
    session(connection_options options, session_profile profile);
    ~session();
    session(session const&) = delete;
    session& operator=(session const&) = delete;

    /// Connects when it is not connected.
    result<void> connect();
    bool connected() const;
    /// Forgets the connection, so that the next call makes a new one.
    void drop();
    /// When the next attempt to connect is allowed.
    steady_time next_attempt() const { return next_attempt_; }
    /// Who serves this session; empty pid when not connected.
    backend_identity const& backend() const { return backend_; }

    /// One statement in a transaction of its own: one round trip.
    result<rows> run(statement const& what, parameters const& with = {});
    /// SQL that is not worth preparing, without parameters; may be several statements.
    result<rows> run_text(std::string const& sql);

    /// Inside `transact`.
    class work {
      public:
        virtual ~work() = default;
        virtual result<rows> run(statement const& what, parameters const& with = {}) = 0;
        virtual result<rows> run_text(std::string const& sql) = 0;
    };
    /// BEGIN, `body`, COMMIT; rolled back when `body` fails.
    result<void> transact(std::function<result<void>(work&)> const& body);

  private:
    struct impl;
    struct bound_work;
    template <class F>
    result<rows> guarded(F const& call);
    void prepare(statement const& what);
    failure note_failure(failure what);

    connection_options options_;
    session_profile profile_;
    std::unique_ptr<impl> impl_;
    backend_identity backend_;
    steady_time next_attempt_{};
    milliseconds delay_{};
};

} // namespace klen::webhooks::store
