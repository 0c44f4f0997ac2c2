#include "e2e/daemon.hpp"
#include "support/sanitized.hpp"
#include "support/test_database.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <gtest/gtest.h>

#include <sys/resource.h>

#include <filesystem>
#include <regex>

namespace klen::webhooks::e2e {
namespace {

/// What the daemon says to a person when it cannot start: its lines on standard error.
std::vector<std::string> refusal(finished const& done) { return lines_of(done.err); }

TEST(start, a_wrong_configuration_is_told_all_at_once_and_starts_nothing) {
    temporary_folder folder;
    write_file(folder / "bad.toml", "[server]\nlisten_port = 99999\nlisten_adress = \"127.0.0.1\"\n"
                                    "[log]\nformat = \"xml\"\n");
    for (char const* command : {"serve", "check-config"}) {
        auto const done =
            run_command({command, "--config", folder / "bad.toml"}, {{"KLEN_WEBHOOKS_DISPATCH_IO_THREADS", "many"}});
        EXPECT_EQ(done.code, 3) << done.err;
        for (char const* part : {"bad.toml:2: server.listen_port", "bad.toml:3: server.listen_adress", "listen_address",
                                 "bad.toml:5: log.format", "KLEN_WEBHOOKS_DISPATCH_IO_THREADS"})
            EXPECT_NE(done.err.find(part), std::string::npos) << part << " in\n" << done.err;
    }
}

TEST(start, a_port_that_is_taken_is_exit_code_4_and_one_line) {
    boost::asio::io_context context;
    boost::asio::ip::tcp::acceptor taken(context, {boost::asio::ip::make_address("127.0.0.1"), 0});
    test::test_database database;
    auto const port = std::to_string(taken.local_endpoint().port());
    auto const done = run_command({"serve"}, {{"KLEN_WEBHOOKS_DATABASE_URL", url_of(database)},
                                              {"KLEN_WEBHOOKS_SECRETS_MASTER_KEY", master_key},
                                              {"KLEN_WEBHOOKS_LOG_LEVEL", "error"},
                                              {"KLEN_WEBHOOKS_SERVER_LISTEN_PORT", port}});
    EXPECT_EQ(done.code, 4) << done.err;
    ASSERT_EQ(refusal(done).size(), 1U) << done.err;
    EXPECT_NE(done.err.find("server.listen_port: cannot listen on 127.0.0.1 port " + port), std::string::npos)
        << done.err;
}

TEST(start, a_port_that_is_taken_is_found_out_before_a_database_is_made) {
    boost::asio::io_context context;
    boost::asio::ip::tcp::acceptor taken(context, {boost::asio::ip::make_address("127.0.0.1"), 0});
    temporary_folder const home;
    auto const port = std::to_string(taken.local_endpoint().port());
    auto const done = run_command({"serve"}, {{"KLEN_WEBHOOKS_DATABASE_PRIVATE_DIR", home / "data"},
                                              {"KLEN_WEBHOOKS_SERVER_OPERATIONS_ADDRESS", "127.0.0.1"},
                                              {"KLEN_WEBHOOKS_SERVER_OPERATIONS_PORT", port},
                                              {"KLEN_WEBHOOKS_SERVER_LISTEN_PORT", "0"}});
    EXPECT_EQ(done.code, 4) << done.err;
    EXPECT_NE(done.err.find("server.operations_port: cannot listen"), std::string::npos) << done.err;
    EXPECT_FALSE(std::filesystem::exists(home / "data"));
}

TEST(start, a_database_that_is_not_there_is_exit_code_4_after_the_configured_wait) {
    auto const begun = std::chrono::steady_clock::now();
    auto const done = run_command({"serve"}, {{"KLEN_WEBHOOKS_DATABASE_URL", "postgresql://u:hush@127.0.0.1:1/d"},
                                              {"KLEN_WEBHOOKS_SECRETS_MASTER_KEY", master_key},
                                              {"KLEN_WEBHOOKS_LOG_LEVEL", "error"},
                                              {"KLEN_WEBHOOKS_DATABASE_START_WAIT_MS", "1500"}});
    auto const took = std::chrono::steady_clock::now() - begun;
    EXPECT_EQ(done.code, 4) << done.err;
    EXPECT_GE(took, 1s);
    EXPECT_LT(took, 15s);
    EXPECT_EQ(refusal(done).size(), 1U) << done.err;
    EXPECT_EQ(done.err.find("hush"), std::string::npos) << "the password is in the message";
}

TEST(start, missing_migrations_are_refused_until_migrate_has_run) {
    test::test_database database(test::test_database::kind::empty);
    std::map<std::string, std::string> const settings{{"KLEN_WEBHOOKS_DATABASE_URL", url_of(database)},
                                                      {"KLEN_WEBHOOKS_SECRETS_MASTER_KEY", master_key},
                                                      {"KLEN_WEBHOOKS_LOG_LEVEL", "error"},
                                                      {"KLEN_WEBHOOKS_SERVER_LISTEN_PORT", "0"}};
    auto const refused = run_command({"serve"}, settings);
    EXPECT_EQ(refused.code, 4) << refused.err;
    ASSERT_EQ(refusal(refused).size(), 1U) << refused.err;
    EXPECT_NE(refused.err.find("klen-webhooks migrate"), std::string::npos) << refused.err;

    auto const migrated = run_command({"migrate"}, settings);
    EXPECT_EQ(migrated.code, 0) << migrated.err;
    EXPECT_NE(migrated.out.find("0001_core.sql"), std::string::npos);
    auto const again = run_command({"migrate"}, settings);
    EXPECT_EQ(again.code, 0);
    EXPECT_NE(again.out.find("nothing to apply"), std::string::npos);

    daemon it(daemon::settings{{"KLEN_WEBHOOKS_DATABASE_URL", url_of(database)},
                               {"KLEN_WEBHOOKS_SECRETS_MASTER_KEY", master_key}});
    it.start();
    EXPECT_EQ(it.stop(), 0);
}

// Private ranges are allowed here: what is the daemon's own stays refused all the same.
TEST(start, a_webhook_never_leads_to_the_daemon_itself) {
    auto const api = free_port();
    auto const operations = free_port();
    daemon it(daemon::settings{{"KLEN_WEBHOOKS_SERVER_LISTEN_PORT", std::to_string(api)},
                               {"KLEN_WEBHOOKS_SERVER_OPERATIONS_ADDRESS", "127.0.0.1"},
                               {"KLEN_WEBHOOKS_SERVER_OPERATIONS_PORT", std::to_string(operations)}});
    it.start();
    auto const create = [&](std::string const& host, std::uint16_t port) {
        return it.call("POST", "/api/v1/webhooks?account_id=acct_e2e",
                       R"({"name":"n","url":"http://)" + host + ":" + std::to_string(port) +
                           R"(/","subscribed_events":["*"]})",
                       it.key());
    };
    for (auto const port : {api, operations})
        for (char const* host : {"127.0.0.1", "localhost"})
            EXPECT_EQ(create(host, port).status, 400) << host << " " << port;
    EXPECT_EQ(create("127.0.0.1", free_port()).status, 201) << "it is not the range that is refused";
}

TEST(start, a_daemon_leaves_core_dumps_only_where_that_is_allowed) {
    if (testing::sanitized)
        GTEST_SKIP() << "sanitizers forbid core dumps themselves: their shadow memory makes them huge";
    rlimit before{};
    ASSERT_EQ(::getrlimit(RLIMIT_CORE, &before), 0);
    rlimit const allowed{before.rlim_max, before.rlim_max};
    ASSERT_EQ(::setrlimit(RLIMIT_CORE, &allowed), 0);
    for (bool const wanted : {false, true}) {
        daemon it(daemon::settings{{"KLEN_WEBHOOKS_SECRETS_CORE_DUMPS", wanted ? "true" : "false"}});
        it.start();
        auto const limits = file_text("/proc/" + std::to_string(it.process().pid()) + "/limits");
        bool const none = std::regex_search(limits, std::regex("Max core file size +0 "));
        EXPECT_EQ(none, !wanted || before.rlim_max == 0) << limits;
        EXPECT_EQ(it.stop(), 0);
    }
    EXPECT_EQ(::setrlimit(RLIMIT_CORE, &before), 0);
}

TEST(start, another_master_key_under_a_known_id_is_exit_code_3) {
    constexpr char const* other_key = "OTg3NjU0MzIxMDk4NzY1NDMyMTA5ODc2NTQzMjEwOTg=";
    test::test_database database;
    std::map<std::string, std::string> settings{{"KLEN_WEBHOOKS_DATABASE_URL", url_of(database)},
                                                {"KLEN_WEBHOOKS_SECRETS_MASTER_KEY", master_key}};
    {
        daemon first(settings);
        first.start();
        EXPECT_EQ(first.stop(), 0);
    }
    settings["KLEN_WEBHOOKS_SECRETS_MASTER_KEY"] = other_key;
    settings["KLEN_WEBHOOKS_LOG_LEVEL"] = "error";
    settings["KLEN_WEBHOOKS_SERVER_LISTEN_PORT"] = "0";
    for (char const* command : {"serve", "reseal"}) {
        auto const refused = run_command({command}, settings);
        EXPECT_EQ(refused.code, 3) << command << refused.err;
        for (char const* part : {"secrets.master_key: ", "k1", "secrets.master_key_id"})
            EXPECT_NE(refused.err.find(part), std::string::npos) << part << " in\n" << refused.err;
        EXPECT_EQ(refused.err.find(other_key), std::string::npos);
    }
    // A change of the key: the new one has an id of its own, and the one before must be that one.
    settings["KLEN_WEBHOOKS_SECRETS_MASTER_KEY_ID"] = "k2";
    settings["KLEN_WEBHOOKS_SECRETS_PREVIOUS_MASTER_KEYS"] = std::string("k1:") + other_key;
    auto const wrong = run_command({"serve"}, settings);
    EXPECT_EQ(wrong.code, 3) << wrong.err;
    EXPECT_NE(wrong.err.find("secrets.previous_master_keys"), std::string::npos) << wrong.err;
    settings["KLEN_WEBHOOKS_SECRETS_PREVIOUS_MASTER_KEYS"] = std::string("k1:") + master_key;
    settings.erase("KLEN_WEBHOOKS_LOG_LEVEL"); // whoever starts a daemon waits for a line of it
    daemon changed(settings);
    changed.start();
    EXPECT_EQ(changed.stop(), 0);
}

TEST(start, a_master_key_that_secrets_need_and_that_is_missing_is_exit_code_3) {
    daemon first;
    first.start();
    first.create_webhook("https://example.com/hook");
    ASSERT_EQ(first.stop(), 0);
    auto settings = first.environment();
    settings.erase("KLEN_WEBHOOKS_LOG_FILE"); // each daemon's own
    settings["KLEN_WEBHOOKS_SECRETS_MASTER_KEY"] = "OTg3NjU0MzIxMDk4NzY1NDMyMTA5ODc2NTQzMjEwOTg=";
    settings["KLEN_WEBHOOKS_SECRETS_MASTER_KEY_ID"] = "k9";
    auto const refused = run_command({"serve"}, settings);
    EXPECT_EQ(refused.code, 3) << refused.err;
    for (char const* part : {"secrets.master_key: ", "k1", "secrets.previous_master_keys"})
        EXPECT_NE(refused.err.find(part), std::string::npos) << part << " in\n" << refused.err;
    // Somebody whose key is lost can go on, and the mistake before is on record nowhere.
    settings["KLEN_WEBHOOKS_SECRETS_MASTER_KEY"] = master_key;
    settings["KLEN_WEBHOOKS_SECRETS_REQUIRE_ALL_MASTER_KEYS"] = "false";
    daemon later(settings);
    later.start();
    EXPECT_EQ(later.stop(), 0);
}

TEST(start, a_second_daemon_on_the_same_folder_is_refused) {
    daemon first;
    first.start();
    auto settings = first.environment();
    settings.erase("KLEN_WEBHOOKS_LOG_FILE");
    settings["KLEN_WEBHOOKS_LOG_LEVEL"] = "error";
    auto const second = run_command({"serve"}, settings);
    EXPECT_EQ(second.code, 4) << second.err;
    EXPECT_EQ(refusal(second).size(), 1U) << second.err;
    EXPECT_NE(second.err.find(first.private_dir()), std::string::npos) << second.err;
    EXPECT_EQ(first.call("GET", "/livez").status, 200);
    EXPECT_EQ(first.stop(), 0);
}

} // namespace
} // namespace klen::webhooks::e2e
