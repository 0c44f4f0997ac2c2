#include "session.hpp"

#include "klen/webhooks/base/thread_watch.hpp"

#include <pqxx/pqxx>

#include <algorithm>
#include <charconv>
#include <unordered_set>

namespace klen::webhooks::store {

namespace {

constexpr milliseconds first_delay{50};
constexpr milliseconds longest_delay{1000};
constexpr std::size_t message_bytes_max = 200;
constexpr std::string_view lock_timeout_state = "55P03";
constexpr std::string_view deadlock_state = "40P01";

/// The first line of PostgreSQL's message: what follows (DETAIL, CONTEXT) may quote row data.
std::string primary_message(std::string_view what) {
    what = what.substr(0, what.find('\n'));
    for (std::string_view prefix : {"ERROR:", "FATAL:", "PANIC:"})
        if (what.starts_with(prefix))
            what.remove_prefix(prefix.size());
    what.remove_prefix(std::min(what.find_first_not_of(' '), what.size()));
    return storable_text(what.substr(0, message_bytes_max));
}

/// How `translate_exception` ends the message.
std::string state_shown(std::string_view sqlstate) { return " (SQLSTATE " + std::string(sqlstate) + ")"; }

fault fault_of(std::string_view sqlstate) {
    // 57P0x: the server is stopping, starting or crashed; 25006: it has become a standby.
    if (sqlstate.empty() || sqlstate.starts_with("08") || sqlstate.starts_with("57P0") || sqlstate == "25006")
        return fault::connection_lost;
    // 40: serialization, deadlock; 53: no memory, disk or connections; 55P03: lock timeout; 57014: statement timeout;
    // 58: I/O error.
    if (sqlstate.starts_with("40") || sqlstate.starts_with("53") || sqlstate == lock_timeout_state ||
        sqlstate == "57014" || sqlstate.starts_with("58"))
        return fault::database_busy;
    return fault::database_refused;
}

/// The one place where libpqxx's exceptions become ours: by type and SQLSTATE, never by text. To be called inside a
/// handler.
failure translate_exception(bool link_is_open) {
    try {
        throw;
    } catch (pqxx::sql_error const& e) {
        auto const kind = link_is_open ? fault_of(e.sqlstate()) : fault::connection_lost;
        auto message = primary_message(e.what());
        if (!e.sqlstate().empty())
            message += state_shown(e.sqlstate());
        return {kind, std::move(message)};
    } catch (pqxx::broken_connection const& e) {
        return {fault::connection_lost, primary_message(e.what())};
    } catch (pqxx::in_doubt_error const&) {
        return {fault::connection_lost, "the connection to the database was lost during a commit"};
    } catch (pqxx::deadlock_detected const& e) {
        // Not an sql_error in libpqxx 6, nor are serialization failures.
        return {link_is_open ? fault::database_busy : fault::connection_lost,
                primary_message(e.what()) + state_shown(deadlock_state)};
    } catch (pqxx::transaction_rollback const& e) {
        return {link_is_open ? fault::database_busy : fault::connection_lost, primary_message(e.what())};
    } catch (std::bad_alloc const&) {
        return {fault::database_busy, "out of memory"};
    } catch (pqxx::failure const& e) {
        // Not the server's word (that has an SQLSTATE): libpq could not do its part, for lack of memory, say.
        return {link_is_open ? fault::database_busy : fault::connection_lost, primary_message(e.what())};
    } catch (std::exception const& e) {
        return {link_is_open ? fault::database_refused : fault::connection_lost, primary_message(e.what())};
    }
}

#if PQXX_VERSION_MAJOR >= 7
using binary_value = std::basic_string<std::byte>;
binary_value to_binary(std::string const& value) {
    return {reinterpret_cast<std::byte const*>(value.data()), value.size()};
}
#else
using binary_value = pqxx::binarystring;
binary_value to_binary(std::string const& value) { return binary_value(value.data(), value.size()); }
#endif

pqxx::result execute(pqxx::transaction_base& in, statement const& what, parameters const& with) {
    std::vector<binary_value> values;
    values.reserve(with.values().size());
    for (auto const& value : with.values())
        values.push_back(to_binary(value));
#if PQXX_VERSION_MAJOR >= 7
    pqxx::params all;
    for (auto const& value : values)
        all.append(value);
    return in.exec_prepared(what.name, all);
#else
    return in.exec_prepared(what.name, pqxx::prepare::make_dynamic_params(values.begin(), values.end()));
#endif
}

} // namespace

// --- rows -----------------------------------------------------------------------------------------------------------

struct rows::impl {
    pqxx::result from;

    pqxx::field at(std::size_t row, int column) const {
        return from[static_cast<pqxx::result::size_type>(row)][static_cast<pqxx::row::size_type>(column)];
    }
};

rows::rows() = default;

std::size_t rows::size() const { return impl_ ? static_cast<std::size_t>(impl_->from.size()) : 0; }
int rows::columns() const { return impl_ ? static_cast<int>(impl_->from.columns()) : 0; }
std::size_t rows::affected() const { return impl_ ? static_cast<std::size_t>(impl_->from.affected_rows()) : 0; }
bool rows::is_null(std::size_t row, int column) const { return impl_->at(row, column).is_null(); }

std::string_view rows::text(std::size_t row, int column) const {
    auto const field = impl_->at(row, column);
    return {field.c_str(), static_cast<std::size_t>(field.size())};
}

std::int64_t rows::int8(std::size_t row, int column) const {
    auto const from = text(row, column);
    std::int64_t out = 0;
    auto const [end, error] = std::from_chars(from.data(), from.data() + from.size(), out);
    if (error != std::errc{} || end != from.data() + from.size())
        throw failure_error({fault::corrupt, "a number in the database's answer cannot be read"});
    return out;
}

bool rows::boolean(std::size_t row, int column) const { return text(row, column) == "t"; }

std::string rows::bytes(std::size_t row, int column) const {
    auto const hex = text(row, column);
    auto const digit = [](char c) { return c <= '9' ? c - '0' : c - 'a' + 10; };
    std::string out;
    if (!hex.starts_with("\\x"))
        return out;
    out.reserve(hex.size() / 2);
    for (std::size_t i = 2; i + 1 < hex.size(); i += 2)
        out.push_back(static_cast<char>((digit(hex[i]) << 4) | digit(hex[i + 1])));
    return out;
}

uuid rows::uuid_value(std::size_t row, int column) const {
    auto const parsed = uuid::parse(text(row, column));
    if (!parsed)
        throw failure_error({fault::corrupt, "an id in the database's answer cannot be read"});
    return *parsed;
}

// --- session --------------------------------------------------------------------------------------------------------

struct session::impl {
    explicit impl(std::string const& how) : link(how) {
#if PQXX_VERSION_MAJOR < 7
        // libpqxx 6 would otherwise reconnect silently, in the middle of anything.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
        link.inhibit_reactivation(true);
#pragma GCC diagnostic pop
#endif
    }

    pqxx::connection link;
    std::unordered_set<char const*> prepared;
    pqxx::quiet_errorhandler quiet{link}; // notices would go to stderr; before `link` is destroyed
};

session::session(connection_options options, session_profile profile)
    : options_(std::move(options)), profile_(std::move(profile)) {}

session::~session() = default;

bool session::connected() const { return impl_ != nullptr; }

void session::drop() {
    impl_.reset();
    backend_ = {};
}

failure session::note_failure(failure what) {
    if (what.kind == fault::connection_lost || (impl_ && !impl_->link.is_open()))
        drop();
    return what;
}

bool is_lock_failure(failure const& why) {
    return why.message.ends_with(state_shown(lock_timeout_state)) || why.message.ends_with(state_shown(deadlock_state));
}

result<void> session::connect() {
    if (impl_)
        return {};
    if (std::chrono::steady_clock::now() < next_attempt_)
        return failure{fault::connection_lost, "the database is not reachable"};
    auto how = connection_string(options_, profile_);
    if (!how)
        return how.error();
    thread_does const now(doing::wait);
    try {
        auto made = std::make_unique<impl>(*how);
        pqxx::nontransaction first(made->link);
        // What was confirmed survives a crash of PostgreSQL, although its configuration, the role or the URL says
        // otherwise, or will. Not in the connection's options: a stricter value than `on` is the operator's.
        auto const answer =
            first.exec("SELECT a.pid, a.backend_start,"
                       " set_config('synchronous_commit', CASE WHEN s = 'off' THEN 'on' ELSE s END, false)"
                       " FROM current_setting('synchronous_commit') s"
                       " LEFT JOIN pg_stat_activity a ON a.pid = pg_backend_pid()");
        if (!answer.empty() && !answer[0][0].is_null())
            backend_ = {answer[0][0].as<std::int32_t>(), answer[0][1].as<std::string>()};
        impl_ = std::move(made);
        first.commit();
    } catch (...) {
        auto why = translate_exception(false);
        impl_.reset();
        delay_ = std::clamp(delay_ * 2, first_delay, longest_delay);
        next_attempt_ = std::chrono::steady_clock::now() + delay_;
        return failure{fault::connection_lost, "cannot connect to " + describe(options_) + ": " + why.message};
    }
    delay_ = {};
    next_attempt_ = {};
    return {};
}

void session::prepare(statement const& what) {
    if (impl_->prepared.contains(what.name))
        return;
    impl_->link.prepare(what.name, what.sql);
#if PQXX_VERSION_MAJOR < 7
    impl_->link.prepare_now(what.name); // 6 would do so at the first use, inside its transaction
#endif
    impl_->prepared.insert(what.name);
}

template <class F>
result<rows> session::guarded(F const& call) {
    if (auto ok = connect(); !ok)
        return ok.error();
    thread_does const now(doing::wait);
    try {
        return call();
    } catch (...) {
        return note_failure(translate_exception(impl_->link.is_open()));
    }
}

result<rows> session::run(statement const& what, parameters const& with) {
    return guarded([&] {
        prepare(what);
        pqxx::nontransaction one(impl_->link);
        auto answer = execute(one, what, with);
        one.commit();
        return rows(std::make_shared<rows::impl const>(rows::impl{answer}));
    });
}

result<rows> session::run_text(std::string const& sql) {
    return guarded([&] {
        pqxx::nontransaction one(impl_->link);
        auto answer = one.exec(sql);
        one.commit();
        return rows(std::make_shared<rows::impl const>(rows::impl{answer}));
    });
}

struct session::bound_work final : session::work {
    bound_work(session& s, pqxx::work& t) : owner(s), in(t) {}

    result<rows> run(statement const& what, parameters const& with) override {
        thread_does const now(doing::wait);
        try {
            owner.prepare(what);
            return rows(std::make_shared<rows::impl const>(rows::impl{execute(in, what, with)}));
        } catch (...) {
            return translate_exception(owner.impl_->link.is_open());
        }
    }
    result<rows> run_text(std::string const& sql) override {
        thread_does const now(doing::wait);
        try {
            return rows(std::make_shared<rows::impl const>(rows::impl{in.exec(sql)}));
        } catch (...) {
            return translate_exception(owner.impl_->link.is_open());
        }
    }

    session& owner;
    pqxx::work& in;
};

result<void> session::transact(std::function<result<void>(work&)> const& body) {
    result<void> inner;
    auto outer = guarded([&] {
        pqxx::work transaction(impl_->link);
        bound_work bound(*this, transaction);
        {
            thread_does const own(doing::work);
            inner = body(bound);
        }
        if (inner)
            transaction.commit();
        return rows();
    });
    if (!inner)
        return note_failure(inner.error());
    if (!outer)
        return outer.error();
    return {};
}

} // namespace klen::webhooks::store
