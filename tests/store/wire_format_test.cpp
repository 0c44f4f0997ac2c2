#include "store/wire_format.hpp"

#include "store/connection_string.hpp"
#include "store/session.hpp"
#include "store/store_support.hpp"
#include "store/url_problem.hpp"

#include "klen/webhooks/base/settings.hpp"
#include "support/test_database.hpp"

#include <gtest/gtest.h>

namespace klen::webhooks::store {
namespace {

using test::test_database;

TEST(wire_format, text_that_postgresql_cannot_hold_is_replaced) {
    EXPECT_EQ(storable_text("plain ä €"), "plain ä €");
    EXPECT_EQ(storable_text(std::string_view("a\0b", 3)), "a\xef\xbf\xbd"
                                                          "b");
    EXPECT_EQ(storable_text("\xff\xfe"), "\xef\xbf\xbd\xef\xbf\xbd");
    EXPECT_EQ(storable_text("cut \xe2\x82"), "cut \xef\xbf\xbd\xef\xbf\xbd");
    EXPECT_EQ(storable_text(""), "");
}

TEST(wire_format, text_arrays_are_read_as_they_are_written) {
    EXPECT_EQ(parse_text_array("{}"), std::vector<std::string>{});
    EXPECT_EQ(parse_text_array("{call.*,*}"), (std::vector<std::string>{"call.*", "*"}));
    EXPECT_EQ(parse_text_array(R"({"a,b","c\"d","e\\f","","NULL",NULL})"),
              (std::vector<std::string>{"a,b", "c\"d", "e\\f", "", "NULL", ""}));
}

TEST(wire_format, places_of_rows_are_read_as_they_are_written) {
    auto const place = row_place::parse("(4294967294,291)");
    ASSERT_TRUE(place);
    EXPECT_EQ(place->block, 4294967294U);
    EXPECT_EQ(place->item, 291U);
    for (char const* text : {"", "(", "(1", "(1,", "(1,2", "(,2)", "(1,)", "1,2", "(1,2)x", "(1,70000)", "(-1,2)",
                             "(4294967296,1)", "(1 ,2)"})
        EXPECT_FALSE(row_place::parse(text)) << text;
}

TEST(wire_format, a_row_is_found_by_its_place) {
    test_database db(test_database::kind::empty);
    session link(db.options(), {.name = "test"});
    ASSERT_TRUE(link.run_text("CREATE TABLE t AS SELECT i FROM generate_series(1, 500) i"));
    auto const read = link.run_text("SELECT i, ctid FROM t WHERE i IN (3, 499) ORDER BY i");
    ASSERT_TRUE(read);
    binary_array places(pg_type::row_place);
    for (std::size_t i = 0; i < read->size(); ++i)
        places.add(row_place::parse(read->text(i, 1)).value());
    constexpr statement by_place{"by_place", "SELECT i FROM t WHERE ctid = ANY ($1::tid[]) ORDER BY i"};
    auto const found = link.run(by_place, parameters().array(places));
    ASSERT_TRUE(found) << found.error().message;
    ASSERT_EQ(found->size(), 2U);
    EXPECT_EQ(found->int8(0, 0), 3);
    EXPECT_EQ(found->int8(1, 0), 499);
}

TEST(wire_format, every_type_arrives_as_it_was_sent) {
    test_database db(test_database::kind::empty);
    session link(db.options(), {.name = "test"});
    auto const id = make_uuid_v7();
    binary_array ids(pg_type::uuid), texts(pg_type::text), bytes(pg_type::bytes), small(pg_type::int2),
        middle(pg_type::int4), big(pg_type::int8), flags(pg_type::boolean), none(pg_type::text);
    ids.add(id);
    texts.add(std::string_view("ä'\"\\,{}"));
    texts.add_null();
    bytes.add(std::string_view("\0\xff", 2));
    small.add_int2(-2);
    middle.add_int4(-70000);
    big.add_int8(std::numeric_limits<std::int64_t>::min());
    flags.add(true);
    constexpr statement ask{"ask",
                            "SELECT ($1::uuid[])[1], $2::text[], ($3::bytea[])[1], ($4::smallint[])[1],"
                            " ($5::integer[])[1], ($6::bigint[])[1], ($7::boolean[])[1], cardinality($8::text[]),"
                            " $9::bigint, $10::text, $11::integer, $12::boolean, $13::bytea, $14::uuid"};
    parameters with;
    with.array(ids).array(texts).array(bytes).array(small).array(middle).array(big).array(flags).array(none);
    with.int8(-5).text("x").int4(-6).boolean(false).bytes(std::array<std::uint8_t, 2>{0, 1}).uuid_value(id);
    auto const got = link.run(ask, with);
    ASSERT_TRUE(got) << got.error().message;
    EXPECT_EQ(got->uuid_value(0, 0), id);
    EXPECT_EQ(parse_text_array(got->text(0, 1)), (std::vector<std::string>{"ä'\"\\,{}", ""}));
    EXPECT_EQ(got->bytes(0, 2), std::string("\0\xff", 2));
    EXPECT_EQ(got->int8(0, 3), -2);
    EXPECT_EQ(got->int8(0, 4), -70000);
    EXPECT_EQ(got->int8(0, 5), std::numeric_limits<std::int64_t>::min());
    EXPECT_TRUE(got->boolean(0, 6));
    EXPECT_EQ(got->int8(0, 7), 0);
    EXPECT_EQ(got->int8(0, 8), -5);
    EXPECT_EQ(got->text(0, 9), "x");
    EXPECT_EQ(got->int8(0, 10), -6);
    EXPECT_FALSE(got->boolean(0, 11));
    EXPECT_EQ(got->bytes(0, 12), std::string("\0\1", 2));
    EXPECT_EQ(got->uuid_value(0, 13), id);
}

// --- sessions -------------------------------------------------------------------------------------------------------

TEST(session, its_settings_outlive_a_reconnect) {
    test_database db(test_database::kind::empty);
    auto options = db.options();
    options.url += " options='-c work_mem=5MB -c statement_timeout=1'";
    session link(options, {.name = "mine", .statement_timeout = milliseconds(1234)});
    auto const settings = [&] {
        auto const got = link.run_text("SELECT concat_ws(' ', current_setting('timezone'), current_setting('work_mem'),"
                                       " current_setting('statement_timeout'), current_setting('application_name'))");
        return std::string(got.value().text(0, 0));
    };
    EXPECT_EQ(settings(), "UTC 5MB 1234ms klen-webhooks mine"); // ours count over the user's
    db.cut_connections();
    EXPECT_EQ(link.run_text("SELECT 1").error().kind, fault::connection_lost);
    EXPECT_FALSE(link.connected());
    EXPECT_EQ(settings(), "UTC 5MB 1234ms klen-webhooks mine");
}

TEST(session, errors_are_told_apart_by_sqlstate_and_show_no_data) {
    test_database db(test_database::kind::empty);
    session link(db.options(), {.name = "test", .statement_timeout = milliseconds(50)});
    ASSERT_TRUE(link.run_text("CREATE TABLE t (a text PRIMARY KEY); INSERT INTO t VALUES ('hidden')"));
    auto const twice = link.run_text("INSERT INTO t VALUES ('hidden')");
    ASSERT_FALSE(twice);
    EXPECT_EQ(twice.error().kind, fault::database_refused);
    EXPECT_NE(twice.error().message.find("23505"), std::string::npos);
    EXPECT_EQ(twice.error().message.find("hidden"), std::string::npos) << twice.error().message;
    EXPECT_EQ(link.run_text("SELECT pg_sleep(5)").error().kind, fault::database_busy);
    EXPECT_EQ(link.run_text("DO $$ BEGIN RAISE SQLSTATE '40001'; END $$").error().kind, fault::database_busy);
    EXPECT_EQ(link.run_text("DO $$ BEGIN RAISE SQLSTATE '53100'; END $$").error().kind, fault::database_busy);
    EXPECT_EQ(link.run_text("DO $$ BEGIN RAISE SQLSTATE '57P01'; END $$").error().kind, fault::connection_lost);
    EXPECT_TRUE(link.run_text("SELECT 1"));
}

TEST(session, a_transaction_in_which_nobody_works_is_ended_by_the_server) {
    test_database db(test_database::kind::empty);
    session link(db.options(), {.name = "idle", .idle_transaction_timeout = milliseconds(50)});
    auto const done = link.transact([&](session::work& in) -> result<void> {
        if (auto first = in.run_text("SELECT 1"); !first)
            return first.error();
        EXPECT_TRUE(test::eventually([&] {
            return db.number("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'klen-webhooks idle'") ==
                   0;
        }));
        auto second = in.run_text("SELECT 1");
        return second ? result<void>() : result<void>(second.error());
    });
    ASSERT_FALSE(done);
    EXPECT_EQ(done.error().kind, fault::connection_lost);
    EXPECT_TRUE(link.run_text("SELECT 1")) << "the next one has a new connection";
}

TEST(session, a_transaction_that_fails_leaves_nothing) {
    test_database db(test_database::kind::empty);
    session link(db.options(), {.name = "test"});
    auto const done = link.transact([](session::work& in) -> result<void> {
        EXPECT_TRUE(in.run_text("CREATE TABLE t (a int)"));
        return failure{fault::conflict, "changed my mind"};
    });
    EXPECT_EQ(done.error().kind, fault::conflict);
    EXPECT_EQ(db.value("SELECT to_regclass('t') IS NULL"), "t");
}

TEST(session, waits_a_little_longer_after_each_failure_to_connect) {
    session link({.url = "host=/nonexistent dbname=x", .connect_timeout = seconds(2)}, {.name = "test"});
    auto const first = link.connect();
    ASSERT_FALSE(first);
    EXPECT_EQ(first.error().kind, fault::connection_lost);
    EXPECT_GT(link.next_attempt(), std::chrono::steady_clock::now());
    EXPECT_FALSE(link.run_text("SELECT 1")); // at once
}

// --- connection_options ---------------------------------------------------------------------------------------------

TEST(connection, no_message_shows_the_password) {
    connection_options const options{.url = "postgresql://user:secretword@db.example:1234/name?sslmode=require"};
    auto const shown = describe(options);
    EXPECT_EQ(shown.find("secretword"), std::string::npos);
    EXPECT_EQ(shown, "database \"name\" on db.example port 1234 as user \"user\"");
    connection_options const broken{.url = "postgresql://user:secretword@host:x y/?bad"};
    EXPECT_EQ(describe(broken).find("secretword"), std::string::npos);
    auto const refused = check_connection(broken);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().message.find("secretword"), std::string::npos) << refused.error().message;
}

TEST(connection, what_is_wrong_with_a_url_is_named_and_no_password) {
    struct wrong {
        char const* url;
        char const* told;
    };
    for (auto const& [url, told] :
         {wrong{"postgresql://u:secret@h/d?sslmod=require", "no option \"sslmod\"; did you mean sslmode?"},
          wrong{"postgresql://u:secret@h/d?sslmode=require&zzzzzz=1", "no option \"zzzzzz\""},
          wrong{"postgresql://u:secret@h:99999/d", "a number from 1 to 65535, not \"99999\""},
          wrong{"postgresql://u:secret@h,i:0/d", "a number from 1 to 65535"},
          wrong{"postgresql://u:secret@h/d?sslmode=on", "sslmode must be disable"},
          wrong{"postgresql://u:secret/x@h/d", "must be written %2F"},
          wrong{"postgresql://u:x/?secret=1@h/d", "with %XX"}, wrong{"postgresql://u:secret%zz@h/d", "with %XX"}}) {
        auto const problem = url_problem(url);
        EXPECT_NE(problem.find(told), std::string::npos) << url << ": " << problem;
        EXPECT_EQ(problem.find("secret"), std::string::npos) << problem;
    }
    for (char const* url : {"postgresql://u:p@h:5432/d?sslmode=verify-full", "postgresql:///d?host=/run/postgresql",
                            "postgresql://a:5433,b/d", "postgresql://h/d?ssl=true"})
        EXPECT_EQ(url_problem(url), "");
}

TEST(connection, a_url_keeps_its_options_and_gets_ours) {
    auto const text =
        connection_string({.url = "postgresql://u:p'\\@h/d?sslmode=verify-full&connect_timeout=9"}, {.name = "n"})
            .value();
    EXPECT_NE(text.find("sslmode='verify-full'"), std::string::npos);
    EXPECT_NE(text.find("connect_timeout='9'"), std::string::npos);
    EXPECT_NE(text.find("password='p\\'\\\\'"), std::string::npos);
    EXPECT_NE(text.find("tcp_user_timeout='8000'"), std::string::npos);
}

// Who waits for an answer and has sent nothing that could go unacknowledged hears of a dead network by these alone:
// after 3 s without a byte, two probes of 2 s.
TEST(connection, an_unreachable_database_frees_its_thread_within_eight_seconds) {
    std::string const url = "postgresql://h/d";
    for (auto const& options :
         {connection_options{.url = url}, connection_options_of(default_config().database, url)}) {
        auto const text = connection_string(options, {.name = "n"}).value();
        for (char const* ours : {"keepalives='1'", "keepalives_idle='3'", "keepalives_interval='2'",
                                 "keepalives_count='2'", "tcp_user_timeout='8000'", "connect_timeout='5'"})
            EXPECT_NE(text.find(ours), std::string::npos) << ours << " in " << text;
    }
}

TEST(connection, what_is_committed_is_durable_whatever_the_database_is_set_to) {
    test_database db(test_database::kind::empty);
    auto options = db.options();
    options.url +=
        std::string(options.url.find("://") == std::string::npos ? " " : "?") + "options='-c synchronous_commit=off'";
    auto const setting = [](std::string const& url) {
        session link({.url = url}, {.name = "n"});
        return std::string(link.run_text("SHOW synchronous_commit").value().text(0, 0));
    };
    EXPECT_EQ(setting(options.url), "on");
    auto const own = options.url.find("commit=off");
    options.url.replace(own, 10, "commit=remote_apply");
    EXPECT_EQ(setting(options.url), "remote_apply") << "a stricter one is the operator's";
}

TEST(connection, a_database_that_may_lose_what_it_has_confirmed_is_warned_of) {
    test_database db(test_database::kind::empty); // set to be quick
    testing::internal::CaptureStderr();
    auto const checked = check_connection(db.options());
    auto const logged = testing::internal::GetCapturedStderr();
    EXPECT_TRUE(checked);
    for (char const* setting : {"setting=fsync", "setting=full_page_writes"}) {
        auto const line = logged.find(setting);
        ASSERT_NE(line, std::string::npos) << setting << " in " << logged;
        EXPECT_LT(logged.rfind("a setting is unsafe", line), line) << logged;
    }
}

TEST(connection, tells_where_the_database_is_dialled) {
    auto const hosts = [](std::string const& url) {
        std::string out;
        for (auto const& [host, port] : tcp_hosts({.url = url}))
            out += host + "=" + std::to_string(port) + " ";
        return out;
    };
    EXPECT_EQ(hosts("postgresql://u:p@db.example/d"), "db.example=5432 ");
    EXPECT_EQ(hosts("postgresql://a:5433,b:5434/d"), "a=5433 b=5434 ");
    EXPECT_EQ(hosts("host=a,b hostaddr=10.0.0.1, port=6000"), "10.0.0.1=6000 b=6000 ");
    EXPECT_EQ(hosts("hostaddr=10.0.0.1"), "10.0.0.1=5432 ");
    EXPECT_EQ(hosts("host=/run/postgresql,@abstract port=5432"), "");
    EXPECT_EQ(hosts("no url at all"), "");
}

TEST(connection, waiting_for_the_database_ends) {
    test_database db(test_database::kind::empty);
    EXPECT_TRUE(check_connection(db.options()));
    EXPECT_TRUE(wait_for_database(db.options(), milliseconds(0)));
    auto const began = std::chrono::steady_clock::now();
    auto const never = wait_for_database({.url = "host=/nonexistent dbname=x"}, milliseconds(300));
    EXPECT_EQ(never.error().kind, fault::connection_lost);
    EXPECT_GE(std::chrono::steady_clock::now() - began, milliseconds(300));
    EXPECT_EQ(wait_for_database({.url = "nonsense=1"}, seconds(60)).error().kind, fault::invalid_argument);
}

} // namespace
} // namespace klen::webhooks::store
