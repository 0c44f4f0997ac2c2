#include "app/api_client.hpp"
#include "e2e/daemon.hpp"

#include <boost/json/parse.hpp>
#include <gtest/gtest.h>

#include <sys/stat.h>

namespace klen::webhooks::e2e {
namespace {

namespace json = boost::json;

TEST(commands, webhooks_are_created_listed_shown_and_deleted) {
    daemon it;
    it.start();
    std::map<std::string, std::string> const way{{"KLEN_WEBHOOKS_URL", it.url()}, {"KLEN_WEBHOOKS_KEY", it.key()}};
    auto const with_account = [](std::vector<std::string> words) {
        words.insert(words.end(), {"--account", daemon::account, "--json"});
        return words;
    };
    auto const secret_file = it.folder() + "/secret";
    auto const made = run_command(
        with_account({"webhook", "create", "http://127.0.0.1:9000/hook?x=1", "--name", "mine", "--event", "call.*",
                      "--event", "calendar.created", "--header", "X-Team: blue", "--secret-file", secret_file}),
        way);
    ASSERT_EQ(made.code, 0) << made.err;
    EXPECT_EQ(made.out.find("whsec_"), std::string::npos);
    EXPECT_TRUE(file_text(secret_file).starts_with("whsec_"));
    struct stat info {};
    ASSERT_EQ(::stat(secret_file.c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 07777, 0600U);
    std::string const id(json::parse(made.out).at("id").as_string());

    auto const listed = run_command(with_account({"webhook", "list"}), way);
    ASSERT_EQ(listed.code, 0) << listed.err;
    EXPECT_EQ(json::parse(listed.out).at("count"), 1);
    EXPECT_EQ(listed.out.find("whsec_"), std::string::npos);

    auto const shown = run_command(with_account({"webhook", "show", id}), way);
    ASSERT_EQ(shown.code, 0) << shown.err;
    EXPECT_EQ(json::parse(shown.out).at("name"), "mine");

    EXPECT_EQ(run_command(with_account({"webhook", "delete", id}), way).code, 0);
    auto const gone = run_command(with_account({"webhook", "show", id}), way);
    EXPECT_EQ(gone.code, 1);
    EXPECT_NE(gone.err.find("not_found"), std::string::npos) << gone.err;
    auto const other = run_command({"webhook", "list", "--account", "acct_other", "--json"}, way);
    EXPECT_EQ(json::parse(other.out).at("count"), 0);
}

TEST(commands, keys_are_made_while_the_daemon_runs_and_bound_to_their_account) {
    daemon it;
    it.start();
    auto settings = it.environment();
    auto const made = run_command({"key", "create", "--account", "acct_a", "--name", "for a"}, settings);
    ASSERT_EQ(made.code, 0) << made.err;
    auto const key = made.out.substr(0, made.out.find('\n'));
    EXPECT_TRUE(key.starts_with("klen_"));
    // The daemon sees it within its watch interval.
    ASSERT_TRUE(eventually([&] { return it.call("GET", "/api/v1/webhooks", {}, key).status == 200; }, 10s));
    auto const own = it.call("POST", "/api/v1/events", R"({"event_type":"call.ended","payload":{"call":{}}})", key);
    EXPECT_EQ(own.status, 202);
    auto const foreign = it.call("POST", "/api/v1/events",
                                 R"({"account_id":"acct_b","event_type":"call.ended","payload":{"call":{}}})", key);
    EXPECT_GE(foreign.status, 400);
    auto const listed = run_command({"key", "list"}, settings);
    EXPECT_EQ(listed.code, 0) << listed.err;
    EXPECT_EQ(listed.out.find(key), std::string::npos);
    EXPECT_NE(listed.out.find("acct_a"), std::string::npos);
    EXPECT_EQ(it.stop(), 0);
    // Without the daemon the command starts the private database for itself.
    auto const later = run_command({"key", "create", "--platform", "--name", "later"}, settings);
    EXPECT_EQ(later.code, 0) << later.err;
}

TEST(commands, a_refused_event_is_exit_code_1_with_the_reason) {
    daemon it;
    it.start();
    auto const event = it.folder() + "/event.json";
    write_file(event, R"({"account_id":"acct_e2e","event_type":"call.ended","payload":{"a":1,"a":2}})");
    std::map<std::string, std::string> const way{{"KLEN_WEBHOOKS_URL", it.url()}, {"KLEN_WEBHOOKS_KEY", it.key()}};
    auto const done = run_command({"publish", event}, way);
    EXPECT_EQ(done.code, 1);
    EXPECT_NE(done.err.find("validation_error"), std::string::npos) << done.err;
    auto const wrong_key =
        run_command({"publish", event}, {{"KLEN_WEBHOOKS_URL", it.url()}, {"KLEN_WEBHOOKS_KEY", "klen_x"}});
    EXPECT_EQ(wrong_key.code, 1);
    EXPECT_NE(wrong_key.err.find("invalid_key"), std::string::npos) << wrong_key.err;
}

TEST(commands, health_and_metrics_tell_of_a_running_daemon) {
    daemon it(
        {{"KLEN_WEBHOOKS_SERVER_OPERATIONS_ADDRESS", "127.0.0.1"}, {"KLEN_WEBHOOKS_SERVER_OPERATIONS_PORT", "0"}});
    it.start();
    int port = 0;
    for (auto const& line : it.log_lines())
        if (line.at("message") == "ready")
            port = line.at("operations.port").to_number<int>();
    auto const operations = "http://127.0.0.1:" + std::to_string(port);
    EXPECT_EQ(run_command({"health", "--url", operations}).code, 0);
    EXPECT_EQ(run_command({"health", "--ready", "--url", operations}).code, 0);
    auto const client = app::api_client::create(operations, {}).value();
    auto const metrics = client.call("GET", "/metrics").value();
    EXPECT_EQ(metrics.status, 200);
    EXPECT_NE(metrics.body.find("klen_webhooks_build_info"), std::string::npos);
    EXPECT_EQ(client.call("GET", "/api/v1/webhooks").value().status, 404) << "the API is on its own listener only";
}

TEST(commands, check_config_shows_what_is_in_force_and_no_secret) {
    auto const done = run_command(
        {"check-config"}, {{"KLEN_WEBHOOKS_SERVER_LISTEN_PORT", "8099"},
                           {"KLEN_WEBHOOKS_DATABASE_URL", "postgresql://u:hush@h/d"},
                           {"KLEN_WEBHOOKS_SECRETS_MASTER_KEY", "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="}});
    EXPECT_EQ(done.code, 0) << done.err;
    EXPECT_NE(done.out.find("server.listen_port"), std::string::npos);
    EXPECT_NE(done.out.find("8099"), std::string::npos);
    EXPECT_EQ(done.out.find("hush"), std::string::npos);
    EXPECT_EQ(done.out.find("MDEyMz"), std::string::npos);
    EXPECT_NE(run_command({"check-config", "--defaults"}).out.find("[server]"), std::string::npos);
}

} // namespace
} // namespace klen::webhooks::e2e
