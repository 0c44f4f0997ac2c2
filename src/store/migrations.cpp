#include "klen/webhooks/store/migrations.hpp"

#include "embedded_migrations.hpp"
#include "session.hpp"

#include "klen/webhooks/base/encoding.hpp"
#include "klen/webhooks/base/log.hpp"

#include <openssl/evp.h>

#include <algorithm>
#include <map>
#include <thread>

namespace klen::webhooks::store {

namespace {

/// One number for every klen-webhooks: who holds it migrates, the others wait.
constexpr char const* take_turn = "SELECT pg_advisory_lock(7236284118011)";
/// Who waits for a table has everybody who comes later wait behind it, publishers too: so it waits for a moment, gives
/// way, and tries again. Shorter than publishers' patience (intake.hang_timeout_ms), but longer than the second after
/// which PostgreSQL ends an autovacuum that is in somebody's way (deadlock_timeout).
constexpr milliseconds lock_timeout{1'200};
constexpr milliseconds lock_pause{700};
constexpr int lock_tries = 30;

constexpr statement list_applied{"list_applied_migrations",
                                 "SELECT number, name, checksum FROM schema_migrations ORDER BY number"};
constexpr statement note_applied{
    "note_applied_migration",
    "INSERT INTO schema_migrations (number, name, checksum) VALUES ($1::integer, $2::text, $3::text)"};

constexpr char const* make_table = R"sql(
CREATE TABLE IF NOT EXISTS schema_migrations (
    number     integer     PRIMARY KEY,
    name       text        NOT NULL,
    checksum   text        NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE  schema_migrations IS 'Which files of migrations/ were applied to this database.';
COMMENT ON COLUMN schema_migrations.number IS 'The number that the file''s name begins with.';
COMMENT ON COLUMN schema_migrations.name IS 'The file''s name.';
COMMENT ON COLUMN schema_migrations.checksum IS 'SHA-256 of the file as it was applied: an edited file is refused.';
COMMENT ON COLUMN schema_migrations.applied_at IS 'When.')sql";

std::string sha256_hex(std::string_view text) {
    std::array<std::uint8_t, EVP_MAX_MD_SIZE> digest{};
    unsigned int length = 0;
    if (EVP_Digest(text.data(), text.size(), digest.data(), &length, EVP_sha256(), nullptr) != 1)
        bug("SHA-256 failed");
    return hex_encode(std::span(digest).first(length));
}

/// 0001_core.sql → 1; 0: not such a name.
int number_of(std::string_view name) {
    int number = 0;
    std::size_t digits = 0;
    for (; digits < name.size() && name[digits] >= '0' && name[digits] <= '9' && digits < 9; ++digits)
        number = number * 10 + (name[digits] - '0');
    return digits == 4 && name.substr(digits).starts_with('_') ? number : 0;
}

std::vector<migration> read_embedded() {
    std::vector<migration> out;
    for (auto const& file : embedded_files()) {
        auto const number = number_of(file.name);
        if (number != static_cast<int>(out.size()) + 1)
            bug("migrations must be numbered 0001, 0002, … without a gap", {{"file", file.name}});
        out.push_back({number, file.name, file.text, sha256_hex(file.text)});
    }
    return out;
}

struct applied_migration {
    std::string name;
    std::string checksum;
};
using applied_set = std::map<int, applied_migration>;

result<applied_set> read_applied(session& link) {
    auto const exists = link.run_text("SELECT to_regclass('schema_migrations') IS NOT NULL");
    if (!exists)
        return exists.error();
    applied_set out;
    if (!exists->boolean(0, 0))
        return out;
    auto const listed = link.run(list_applied);
    if (!listed)
        return listed.error();
    for (std::size_t i = 0; i < listed->size(); ++i)
        out[static_cast<int>(listed->int8(i, 0))] = {std::string(listed->text(i, 1)), std::string(listed->text(i, 2))};
    return out;
}

/// What the database has must be a beginning of what this binary knows, byte for byte.
result<schema_state> compare(applied_set const& applied, std::span<migration const> known) {
    schema_state out;
    out.known = known.empty() ? 0 : known.back().number;
    for (auto const& [number, what] : applied) {
        if (number > out.known)
            return failure{fault::conflict, "the database is newer than this program: it has migration " + what.name +
                                                ", the program knows up to number " + std::to_string(out.known) +
                                                "; start the newer version"};
        if (number != out.applied + 1)
            return failure{fault::conflict, "the database lacks migration number " + std::to_string(out.applied + 1) +
                                                " but has " + what.name + "; restore its table schema_migrations"};
        auto const& same = known[static_cast<std::size_t>(number - 1)];
        if (same.checksum != what.checksum)
            return failure{fault::conflict, "migration " + std::string(same.name) +
                                                " was edited after it was applied to this database; undo the edit and "
                                                "make the change in a new migration"};
        out.applied = number;
    }
    return out;
}

result<void> apply_once(session& link, migration const& what) {
    return link.transact([&](session::work& in) -> result<void> {
        if (auto done = in.run_text(std::string(what.sql)); !done)
            return failure{done.error().kind, "migration " + std::string(what.name) + ": " + done.error().message};
        auto const noted = in.run(note_applied, parameters().int4(what.number).text(what.name).text(what.checksum));
        if (!noted)
            return noted.error();
        return {};
    });
}

/// As a whole or not at all: what did not get its locks is begun again from its start.
result<void> apply(session& link, migration const& what) {
    for (int tries = 1;; ++tries) {
        auto done = apply_once(link, what);
        if (done || !is_lock_failure(done.error()) || tries == lock_tries)
            return done;
        if (tries == 1)
            log::info("a migration waits for a table that is in use",
                      {{"migration", what.name}, {"error.message", done.error().message}});
        std::this_thread::sleep_for(lock_pause);
    }
}

} // namespace

std::span<migration const> embedded_migrations() {
    static std::vector<migration> const all = read_embedded();
    return all;
}

result<schema_state> schema_status(connection_options const& options, std::span<migration const> migrations) {
    session link(options, {.name = "migrations", .statement_timeout = options.statement_timeout});
    auto const applied = read_applied(link);
    if (!applied)
        return applied.error();
    return compare(*applied, migrations);
}

result<schema_state> schema_status(connection_options const& options) {
    return schema_status(options, embedded_migrations());
}

result<std::vector<std::string>> migrate(connection_options const& options, std::span<migration const> migrations) {
    // Waiting for one's turn may take as long as another daemon migrates: no timeout but that of a table's lock.
    session waiting(options, {.name = "migrations turn"});
    if (auto turn = waiting.run_text(take_turn); !turn)
        return turn.error();
    session link(options, {.name = "migrations", .lock_timeout = lock_timeout});
    if (auto made = link.run_text(make_table); !made)
        return made.error();
    auto const applied = read_applied(link);
    if (!applied)
        return applied.error();
    auto const state = compare(*applied, migrations);
    if (!state)
        return state.error();
    std::vector<std::string> names;
    for (auto const& what : migrations.subspan(static_cast<std::size_t>(state->applied))) {
        if (auto done = apply(link, what); !done)
            return done.error();
        log::info("migration applied", {{"migration", what.name}});
        names.emplace_back(what.name);
    }
    return names;
}

result<std::vector<std::string>> migrate(connection_options const& options) {
    return migrate(options, embedded_migrations());
}

} // namespace klen::webhooks::store
