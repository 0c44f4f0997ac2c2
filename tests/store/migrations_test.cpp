#include "klen/webhooks/store/migrations.hpp"

#include "store/session.hpp"
#include "store/store_support.hpp"

#include "support/test_database.hpp"

#include <gtest/gtest.h>

#include <fstream>
#include <future>
#include <map>
#include <regex>
#include <sstream>

namespace klen::webhooks::store {
namespace {

using test::eventually;
using test::test_database;

std::vector<migration> two_migrations() {
    return {{1, "0001_first.sql", "CREATE TABLE first (a int); INSERT INTO first VALUES (1);", "c1"},
            {2, "0002_second.sql", "CREATE TABLE second AS SELECT a + 1 AS b FROM first;", "c2"}};
}

TEST(migrations, are_applied_in_order_and_once) {
    test_database db(test_database::kind::empty);
    auto const set = two_migrations();
    EXPECT_EQ(schema_status(db.options(), set)->applied, 0);
    EXPECT_EQ(*migrate(db.options(), set), (std::vector<std::string>{"0001_first.sql", "0002_second.sql"}));
    EXPECT_EQ(db.number("SELECT b FROM second"), 2);
    EXPECT_TRUE(migrate(db.options(), set)->empty());
    EXPECT_TRUE(schema_status(db.options(), set)->complete());
}

TEST(migrations, only_the_missing_ones_are_applied) {
    test_database db(test_database::kind::empty);
    auto const set = two_migrations();
    ASSERT_TRUE(migrate(db.options(), std::span(set).first(1)));
    auto const between = schema_status(db.options(), set);
    EXPECT_EQ(between->applied, 1);
    EXPECT_FALSE(between->complete());
    EXPECT_EQ(*migrate(db.options(), set), std::vector<std::string>{"0002_second.sql"});
}

// Somebody reads the table for a long time: whoever comes after the migration must not have to wait for that as well.
TEST(migrations, one_that_waits_for_a_table_holds_up_nobody) {
    test_database db(test_database::kind::empty);
    auto set = two_migrations();
    ASSERT_TRUE(migrate(db.options(), std::span(set).first(1)));
    set[1].sql = "ALTER TABLE first ADD COLUMN c integer";
    session reader(db.options(), {.name = "reader"});
    ASSERT_TRUE(reader.run_text("BEGIN; SELECT FROM first"));
    auto migrating = std::async(std::launch::async, [&] { return migrate(db.options(), set); });
    session other(db.options(), {.name = "other", .lock_timeout = milliseconds(10'000)});
    for (int seen = 0; seen < 2; ++seen) {
        // Seen twice, because it gave way and came again.
        auto const waits = [&] {
            return db.number("SELECT count(*) FROM pg_locks WHERE NOT granted AND mode = 'AccessExclusiveLock'"
                             " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())") == 1;
        };
        ASSERT_TRUE(eventually(waits));
        ASSERT_TRUE(other.run_text("SELECT FROM first")) << "waited behind the migration";
    }
    ASSERT_TRUE(reader.run_text("COMMIT"));
    EXPECT_TRUE(migrating.get());
    EXPECT_EQ(db.number("SELECT count(c) FROM first"), 0);
}

// A sequence is not rolled back: the first try fails, the next one does not.
TEST(migrations, the_victim_of_a_deadlock_is_tried_again) {
    test_database db(test_database::kind::empty);
    db.query("CREATE SEQUENCE tries");
    auto set = two_migrations();
    set[1].sql = "CREATE TABLE second (b int); DO $$ BEGIN IF nextval('tries') = 1 THEN"
                 " RAISE EXCEPTION 'planted' USING ERRCODE = '40P01'; END IF; END $$";
    auto const done = migrate(db.options(), set);
    ASSERT_TRUE(done) << done.error().message;
    EXPECT_EQ(db.number("SELECT last_value FROM tries"), 2) << "it has failed once";
    EXPECT_EQ(db.value("SELECT to_regclass('second') IS NOT NULL"), "t");
}

TEST(migrations, an_edited_one_is_refused) {
    test_database db(test_database::kind::empty);
    auto set = two_migrations();
    ASSERT_TRUE(migrate(db.options(), set));
    set[0].checksum = "other";
    auto const refused = migrate(db.options(), set);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().kind, fault::conflict);
    EXPECT_NE(refused.error().message.find("0001_first.sql was edited"), std::string::npos) << refused.error().message;
    EXPECT_FALSE(schema_status(db.options(), set));
}

TEST(migrations, a_newer_database_is_refused) {
    test_database db(test_database::kind::empty);
    auto const set = two_migrations();
    ASSERT_TRUE(migrate(db.options(), set));
    auto const refused = migrate(db.options(), std::span(set).first(1));
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().kind, fault::conflict);
    EXPECT_NE(refused.error().message.find("newer"), std::string::npos) << refused.error().message;
}

TEST(migrations, one_that_fails_leaves_no_trace_of_itself) {
    test_database db(test_database::kind::empty);
    auto set = two_migrations();
    set[1].sql = "CREATE TABLE third (a int); SELECT 1/0;";
    auto const failed = migrate(db.options(), set);
    ASSERT_FALSE(failed);
    EXPECT_NE(failed.error().message.find("0002_second.sql"), std::string::npos) << failed.error().message;
    EXPECT_EQ(schema_status(db.options(), set)->applied, 1);
    EXPECT_EQ(db.value("SELECT to_regclass('third') IS NULL"), "t");
}

TEST(migrations, two_daemons_may_start_at_once) {
    test_database db(test_database::kind::empty);
    auto const run = [&] { return migrate(db.options()); };
    auto one = std::async(std::launch::async, run);
    auto two = std::async(std::launch::async, run);
    auto const first = one.get();
    auto const second = two.get();
    ASSERT_TRUE(first) << first.error().message;
    ASSERT_TRUE(second) << second.error().message;
    EXPECT_EQ(first->size() + second->size(), embedded_migrations().size());
    EXPECT_TRUE(schema_status(db.options())->complete());
}

TEST(migrations, the_embedded_ones_are_the_files) {
    ASSERT_FALSE(embedded_migrations().empty());
    for (auto const& one : embedded_migrations()) {
        std::ifstream in(std::string(KLEN_SOURCE_DIR "/migrations/") + std::string(one.name), std::ios::binary);
        std::ostringstream text;
        text << in.rdbuf();
        EXPECT_EQ(one.sql, text.str()) << one.name;
        EXPECT_EQ(one.checksum.size(), 64U);
    }
}

// Each of these has cost somebody's queue its throughput, or a body its bytes.
TEST(migrations, the_tables_that_grow_are_as_a_delivery_needs_them) {
    test_database db;
    std::string const growing = "('events'::regclass, 'deliveries'::regclass, 'attempts'::regclass,"
                                " 'idempotency_keys'::regclass)";
    EXPECT_EQ(db.number("SELECT count(*) FROM pg_constraint WHERE contype = 'f' AND conrelid IN " + growing), 0)
        << "a foreign key";
    EXPECT_EQ(db.number("SELECT count(*) FROM pg_trigger WHERE tgrelid IN " + growing), 0) << "a trigger";
    EXPECT_EQ(
        db.number("SELECT count(*) FROM pg_attribute WHERE atttypid = 'jsonb'::regtype AND attrelid IN " + growing), 0)
        << "jsonb changes the bytes of what it stores";
    EXPECT_EQ(db.value("SELECT relkind FROM pg_class WHERE oid = 'deliveries'::regclass"), "r")
        << "the queue has no partitions: its rows move";
    auto const due = db.value("SELECT pg_get_indexdef('deliveries_due'::regclass)");
    EXPECT_NE(due.find("lease_owner IS NULL"), std::string::npos)
        << "what is leased lies in the way of claims: " << due;
    auto const options = db.value("SELECT reloptions::text FROM pg_class WHERE oid = 'deliveries'::regclass");
    for (char const* one : {"fillfactor=70", "autovacuum_vacuum_scale_factor=0.01", "autovacuum_vacuum_cost_delay=0",
                            "vacuum_truncate=off"})
        EXPECT_NE(options.find(one), std::string::npos) << one << " in " << options;
}

// A crash of PostgreSQL empties what is unlogged.
TEST(migrations, every_table_survives_a_crash) {
    test_database db;
    EXPECT_EQ(db.value("SELECT coalesce(string_agg(relname, ', '), '') FROM pg_class WHERE relpersistence <> 'p'"
                       " AND relnamespace = 'public'::regnamespace"),
              "");
}

// The daemons of the version before go on while a migration is applied, and after it: it adds, and takes nothing away.
TEST(migrations, none_takes_away_what_the_version_before_uses) {
    auto const flags = std::regex::ECMAScript | std::regex::icase;
    std::regex const comment("--[^\n]*");
    std::regex const taken_away(R"(\bDROP\s+(?!INDEX\b|CONSTRAINT\b|TRIGGER\b|NOT\s+NULL\b)\w+|\bRENAME\b|)"
                                R"(\bSET\s+NOT\s+NULL\b|\bALTER\s+(COLUMN\s+)?\w+\s+(SET\s+DATA\s+)?TYPE\b|)"
                                R"(\bALTER\s+TYPE\b)",
                                flags);
    std::map<std::string, std::string> const allowed = {
        // In drop_partitions, which the upkeep calls: days that are past their retention.
        {"0001_core.sql", "DROP TABLE"},
        {"0007_kept_by_acceptance.sql", "DROP TABLE"},
    };
    for (auto const& one : embedded_migrations()) {
        auto const sql = std::regex_replace(std::string(one.sql), comment, "");
        for (std::sregex_iterator it(sql.begin(), sql.end(), taken_away), end; it != end; ++it) {
            auto const exception = allowed.find(std::string(one.name));
            EXPECT_TRUE(exception != allowed.end() && exception->second == it->str()) << one.name << ": " << it->str();
        }
    }
}

TEST(migrations, every_table_and_column_has_a_comment) {
    test_database db;
    auto const bare = db.query(R"(
        SELECT c.relname || coalesce('.' || a.attname, '')
        FROM pg_class c
        CROSS JOIN LATERAL (SELECT 0 AS attnum, NULL::name AS attname
                            UNION ALL
                            SELECT attnum, attname FROM pg_attribute
                            WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped AND NOT c.relispartition) a
        WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND c.relname !~ '_\d{8}$'
          AND col_description(c.oid, a.attnum) IS NULL AND (a.attnum > 0 OR obj_description(c.oid, 'pg_class') IS NULL))");
    for (auto const& row : bare)
        ADD_FAILURE() << row[0] << " has no comment";
}

} // namespace
} // namespace klen::webhooks::store
