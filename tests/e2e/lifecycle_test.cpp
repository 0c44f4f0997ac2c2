#include "app/api_client.hpp"
#include "e2e/daemon.hpp"

#include <boost/json/serialize.hpp>
#include <gtest/gtest.h>

#include <csignal>
#include <filesystem>
#include <functional>
#include <optional>

namespace klen::webhooks::e2e {
namespace {

std::string hook_at(std::uint16_t port) { return "http://127.0.0.1:" + std::to_string(port) + "/hook"; }

std::map<std::string, std::string> const quick_leases{{"KLEN_WEBHOOKS_DISPATCH_HEARTBEAT_INTERVAL_MS", "300"},
                                                      {"KLEN_WEBHOOKS_DISPATCH_LEASE_TIMEOUT_MS", "2000"}};

TEST(lifecycle, a_retry_survives_a_restart) {
    daemon it(daemon::settings{{"KLEN_WEBHOOKS_DELIVERY_RETRY_SCHEDULE_SECONDS", "2,2"}});
    it.start();
    auto const port = free_port();
    auto const webhook = it.create_webhook(hook_at(port));
    receiver at(webhook.secret, {"--status", "500,200"}, port);
    auto const event = it.publish();
    ASSERT_TRUE(at.receives(1));
    EXPECT_EQ(it.stop(), 0);
    EXPECT_EQ(at.deliveries().size(), 1U);
    it.start();
    ASSERT_TRUE(it.reaches(event, "delivered"));
    auto const got = at.deliveries();
    ASSERT_EQ(got.size(), 2U);
    EXPECT_EQ(got[0].at("delivery_id"), got[1].at("delivery_id"));
    EXPECT_EQ(got[1].at("attempt"), 2);
    EXPECT_TRUE(got[1].at("verified").as_bool());
}

TEST(lifecycle, a_killed_daemon_delivers_after_its_next_start) {
    daemon it(quick_leases);
    it.start();
    auto const port = free_port();
    auto const webhook = it.create_webhook(hook_at(port));
    auto hanging = std::make_unique<receiver>(webhook.secret, std::vector<std::string>{"--hang"}, port);
    auto const event = it.publish();
    ASSERT_TRUE(hanging->receives(1));
    auto const first = hanging->deliveries().front();
    it.kill();
    hanging.reset();
    receiver at(webhook.secret, {}, port);
    it.start();
    ASSERT_TRUE(it.reaches(event, "delivered", 60s));
    auto const got = at.deliveries();
    ASSERT_EQ(got.size(), 1U);
    EXPECT_EQ(got[0].at("delivery_id"), first.at("delivery_id"));
    EXPECT_EQ(got[0].at("body"), first.at("body"));
    EXPECT_EQ(got[0].at("attempt"), 1) << "an attempt that was never recorded uses up no number";
}

/// Every process of the private PostgreSQL: the postmaster and its children.
std::vector<pid_t> postgres_of(daemon const& it) {
    std::vector<pid_t> out{std::stoi(file_text(it.private_dir() + "/data/postmaster.pid"))};
    for (auto const& entry : std::filesystem::directory_iterator("/proc")) {
        auto const status = file_text(entry.path().string() + "/status");
        auto const at = status.find("PPid:");
        if (at != std::string::npos && std::stoi(status.substr(at + 5)) == out.front())
            out.push_back(std::stoi(entry.path().filename()));
    }
    return out;
}

/// Processes that stand still until it ends, whatever becomes of the test.
class frozen {
  public:
    explicit frozen(std::vector<pid_t> which) : which_(std::move(which)) { signal(SIGSTOP); }
    ~frozen() { signal(SIGCONT); }
    frozen(frozen const&) = delete;
    frozen& operator=(frozen const&) = delete;

  private:
    void signal(int number) const {
        for (auto const pid : which_)
            ::kill(pid, number);
    }
    std::vector<pid_t> which_;
};

/// How a stop ended, and how long that took.
struct stopped {
    int code = -1;
    std::chrono::steady_clock::duration took{};
};
stopped stop(daemon& it) {
    auto const begun = std::chrono::steady_clock::now();
    auto const code = it.stop(20s);
    return {code, std::chrono::steady_clock::now() - begun};
}

TEST(lifecycle, a_database_that_hangs_keeps_neither_callers_nor_a_stop_waiting) {
    daemon it(daemon::settings{{"KLEN_WEBHOOKS_INTAKE_ANSWER_TIMEOUT_MS", "500"},
                               {"KLEN_WEBHOOKS_DATABASE_ANSWER_TIMEOUT_MS", "500"},
                               {"KLEN_WEBHOOKS_DELIVERY_ATTEMPT_TIMEOUT_MS", "1000"},
                               {"KLEN_WEBHOOKS_DISPATCH_SHUTDOWN_TIMEOUT_MS", "1500"}});
    it.start();
    std::optional<frozen> postgres(postgres_of(it));
    auto const answer = it.call("POST", "/api/v1/events",
                                R"({"account_id":"acct_e2e","event_type":"call.ended","payload":{}})", it.key());
    auto const listed = it.call("GET", "/api/v1/webhooks?account_id=acct_e2e", "", it.key());
    auto const created = it.call("POST", "/api/v1/webhooks?account_id=acct_e2e",
                                 R"({"name":"n","url":"https://example.com/","subscribed_events":["*"]})", it.key());
    auto const [code, took] = stop(it);
    postgres.reset(); // it has been told to end and can hear it now
    EXPECT_EQ(answer.status, 503);
    EXPECT_EQ(listed.status, 503);
    EXPECT_EQ(created.status, 503);
    EXPECT_EQ(code, 1);
    EXPECT_GE(took, 1500ms) << "not without the time that is configured";
    EXPECT_LT(took, 10s) << "1.5 s, as much for the rest, three for its own PostgreSQL";
    EXPECT_NE(it.log().find("stopping takes too long"), std::string::npos);
    it.start();
    EXPECT_FALSE(it.publish().empty()) << "the next start is in order";
    EXPECT_EQ(it.stop(), 0);
}

TEST(lifecycle, a_database_that_hangs_is_told_in_the_log_and_by_the_metric_until_it_answers_again) {
    daemon it(daemon::settings{{"KLEN_WEBHOOKS_DISPATCH_HEARTBEAT_INTERVAL_MS", "300"},
                               {"KLEN_WEBHOOKS_INTAKE_HANG_TIMEOUT_MS", "300"}});
    it.start();
    auto const client = app::api_client::create(it.url(), {}).value();
    std::function<bool()> const available = [&] {
        auto const text = client.call("GET", "/metrics").value().body;
        return text.find("klen_webhooks_database_available 1\n") != std::string::npos;
    };
    auto const in_log = [&](std::string const& what) { return it.log().find(what) != std::string::npos; };
    EXPECT_TRUE(available());
    EXPECT_FALSE(in_log("no heartbeat is committed"));
    {
        frozen const postgres(postgres_of(it));
        EXPECT_EQ(it.call("POST", "/api/v1/events",
                          R"({"account_id":"acct_e2e","event_type":"call.ended","payload":{}})", it.key())
                      .status,
                  503);
        EXPECT_FALSE(available());
        EXPECT_TRUE(eventually([&] { return in_log("no heartbeat is committed"); }));
        EXPECT_EQ(client.call("GET", "/livez").value().status, 200) << "no thread of ours hangs";
    }
    EXPECT_TRUE(eventually([&] { return in_log("heartbeats are committed again"); }));
    EXPECT_TRUE(eventually(available));
    EXPECT_EQ(it.stop(), 0);
}

// With the usual settings that is 12 s: 10.5 and this second and a half.
TEST(lifecycle, a_stop_is_done_a_second_and_a_half_after_the_time_for_deliveries_whatever_hangs) {
    test::test_database database;
    daemon it(daemon::settings{{"KLEN_WEBHOOKS_DATABASE_URL", url_of(database)},
                               {"KLEN_WEBHOOKS_SECRETS_MASTER_KEY", master_key},
                               {"KLEN_WEBHOOKS_DATABASE_ANSWER_TIMEOUT_MS", "500"},
                               {"KLEN_WEBHOOKS_DELIVERY_ATTEMPT_TIMEOUT_MS", "1000"},
                               {"KLEN_WEBHOOKS_DISPATCH_SHUTDOWN_TIMEOUT_MS", "1500"}});
    it.start();
    std::vector<pid_t> backends;
    for (auto const& row : database.query("SELECT pid FROM pg_stat_activity WHERE datname = current_database()"
                                          " AND pid <> pg_backend_pid()"))
        backends.push_back(std::stoi(row[0]));
    ASSERT_FALSE(backends.empty());
    frozen const they(backends);
    auto const [code, took] = stop(it);
    EXPECT_EQ(code, 1);
    EXPECT_GE(took, 1500ms);
    EXPECT_LT(took, 5s);
}

TEST(lifecycle, sigterm_lets_the_attempt_end_records_it_and_repeats_nothing) {
    daemon it;
    it.start();
    auto const port = free_port();
    auto const webhook = it.create_webhook(hook_at(port));
    receiver at(webhook.secret, {"--delay", "1s"}, port);
    auto const event = it.publish();
    ASSERT_TRUE(at.receives(1));
    auto const begun = std::chrono::steady_clock::now();
    EXPECT_EQ(it.stop(), 0);
    EXPECT_LT(std::chrono::steady_clock::now() - begun, 12s);
    it.start();
    EXPECT_TRUE(it.reaches(event, "delivered"));
    auto const later = it.publish();
    ASSERT_TRUE(it.reaches(later, "delivered"));
    EXPECT_EQ(at.deliveries().size(), 2U);
}

TEST(lifecycle, a_second_signal_ends_it_at_once) {
    daemon it;
    it.start();
    auto const port = free_port();
    auto const webhook = it.create_webhook(hook_at(port));
    receiver at(webhook.secret, {"--hang"}, port);
    it.publish();
    ASSERT_TRUE(at.receives(1));
    it.process().signal(SIGTERM);
    ASSERT_TRUE(eventually([&] { return it.log().find("\"stopping\"") != std::string::npos; }));
    it.process().signal(SIGINT);
    auto const begun = std::chrono::steady_clock::now();
    EXPECT_EQ(it.process().wait(10s), 1);
    EXPECT_LT(std::chrono::steady_clock::now() - begun, 3s);
    it.start(); // what it left behind is recovered
    EXPECT_EQ(it.call("GET", "/livez").status, 200);
}

TEST(lifecycle, sighup_opens_the_log_anew) {
    daemon it;
    it.start();
    auto const old = it.folder() + "/daemon.log.1";
    ASSERT_EQ(std::rename((it.folder() + "/daemon.log").c_str(), old.c_str()), 0);
    it.process().signal(SIGHUP);
    EXPECT_EQ(it.stop(), 0);
    EXPECT_NE(it.log().find("\"stopped\""), std::string::npos);
    EXPECT_EQ(file_text(old).find("\"stopped\""), std::string::npos);
}

TEST(lifecycle, keys_and_webhooks_survive_and_the_first_key_is_made_once) {
    daemon it;
    it.start();
    auto const key = it.key();
    auto const webhook = it.create_webhook("http://127.0.0.1:9000/hook");
    EXPECT_EQ(it.stop(), 0);
    it.start();
    EXPECT_EQ(it.key(), key);
    EXPECT_EQ(it.call("GET", "/api/v1/webhooks/" + webhook.id + "?account_id=" + daemon::account).status, 200);
    EXPECT_EQ(it.log().find(key), std::string::npos);
    EXPECT_EQ(it.process().errors().find(key), std::string::npos) << "no terminal, no key";
}

} // namespace
} // namespace klen::webhooks::e2e
