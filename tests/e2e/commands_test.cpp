#include "app/api_client.hpp"
#include "e2e/daemon.hpp"

#include <boost/json/parse.hpp>
#include <gtest/gtest.h>

#include <algorithm>

#include <sys/stat.h>
#include <unistd.h>

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

/// Command lines for the test's account, against a running daemon.
class line {
  public:
    explicit line(daemon const& of, std::string const& key = {})
        : way_{{"KLEN_WEBHOOKS_URL", of.url()}, {"KLEN_WEBHOOKS_KEY", key.empty() ? of.key() : key}} {}

    finished run(std::vector<std::string> words) const { return run_command(std::move(words), way_); }
    /// Standard output of a command that must succeed.
    std::string text(std::vector<std::string> words) const {
        words.insert(words.end(), {"--account", daemon::account});
        return plain_text(words);
    }
    std::string plain_text(std::vector<std::string> const& words) const {
        auto const done = run(words);
        EXPECT_EQ(done.code, 0) << testing::PrintToString(words) << done.err << done.out;
        return done.out;
    }
    json::value json(std::vector<std::string> words) const {
        words.emplace_back("--json");
        return json::parse(text(std::move(words)));
    }

  private:
    std::map<std::string, std::string> way_;
};

bool has(std::string const& text, std::string const& part) { return text.find(part) != std::string::npos; }

std::string id_of(json::value const& object) { return std::string(object.at("id").as_string()); }

/// Where nobody listens.
std::string nobody() { return "http://127.0.0.1:" + std::to_string(free_port()) + "/"; }

std::string first_line(std::string const& file) {
    auto const text = file_text(file);
    return text.substr(0, text.find('\n'));
}

daemon::settings quick_retries() { return {{"KLEN_WEBHOOKS_DELIVERY_RETRY_SCHEDULE_SECONDS", "1"}}; }

TEST(commands, a_webhook_is_changed_tested_and_switched_off_and_on) {
    daemon it;
    it.start();
    line const klen(it);
    auto const secret = it.folder() + "/secret";
    klen.text({"webhook", "create", nobody(), "--name", "mine", "--event", "call.*", "--secret-file", secret,
               "--metadata", R"({"n":12345678901234567890})"});
    receiver at(first_line(secret));
    auto const id = id_of(klen.json({"webhook", "list"}).at("webhooks").at(0));
    auto const shown = klen.text({"webhook", "update", id, "--endpoint", at.url(), "--event", "call.ended", "--header",
                                  "X-Team: blue", "--max-concurrency", "3"});
    for (char const* part : {"X-Team: blue", "call.ended", "12345678901234567890"})
        EXPECT_TRUE(has(shown, part)) << part << " in\n" << shown;
    auto const tested = klen.text({"webhook", "test", id, "--event-type", "call.ended"});
    EXPECT_TRUE(has(tested, "HTTP 200")) << tested;
    EXPECT_TRUE(at.receives(1));
    EXPECT_TRUE(has(klen.text({"webhook", "disable", id, "--note", "moving house"}), "moving house"));
    EXPECT_TRUE(has(klen.text({"webhook", "list", "--disabled"}), "disabled (requested)"));
    EXPECT_EQ(klen.json({"webhook", "list", "--enabled"}).at("count"), 0);
    EXPECT_TRUE(has(klen.text({"webhook", "enable", id}), "enabled"));
    EXPECT_EQ(klen.json({"webhook", "list", "--search", "MIN", "--event-type", "call.ended"}).at("count"), 1);
    EXPECT_EQ(klen.json({"webhook", "list", "--search", "nothing"}).at("count"), 0);
    at.stop();
    auto const failed = klen.run({"webhook", "test", id, "--account", daemon::account});
    EXPECT_EQ(failed.code, 1);
    EXPECT_TRUE(has(failed.out, "connect_refused")) << failed.out;
}

TEST(commands, a_secret_is_rotated_with_a_grace_period_into_a_file) {
    daemon it;
    it.start();
    line const klen(it);
    auto const hook = it.create_webhook(nobody());
    auto const file = it.folder() + "/fresh";
    auto const said = klen.text({"webhook", "rotate-secret", hook.id, "--grace", "2", "--secret-file", file});
    EXPECT_FALSE(has(said, "whsec_")) << said;
    EXPECT_TRUE(has(said, "signs until")) << said;
    auto const fresh = first_line(file);
    EXPECT_NE(fresh, hook.secret);
    auto const both = klen.text({"webhook", "secret", hook.id});
    EXPECT_LT(both.find(fresh), both.find(hook.secret)) << both;
    klen.text(
        {"webhook", "rotate-secret", hook.id, "--grace", "0", "--use-secret-file", file, "--idempotency-key", "x"});
    auto const one = klen.json({"webhook", "secret", hook.id, "--secret-file", it.folder() + "/newest"});
    EXPECT_TRUE(one.at("secret").is_null());
    EXPECT_EQ(first_line(it.folder() + "/newest"), fresh);
}

TEST(commands, what_failed_is_found_looked_at_resent_and_recovered) {
    daemon it(quick_retries());
    it.start();
    line const klen(it);
    auto const port = free_port();
    auto const hook = it.create_webhook("http://127.0.0.1:" + std::to_string(port) + "/");
    auto const sent = klen.text({"event", "publish", "--type", "call.ended", "--sample"});
    ASSERT_TRUE(sent.starts_with("event ")) << sent;
    auto const event = sent.substr(6, 36);
    ASSERT_TRUE(it.reaches(event, "failed"));
    std::vector<std::string> const failed{"delivery", "list",          "--webhook",       hook.id,   "--status",
                                          "failed",   "--error-class", "connect_refused", "--since", "1h"};
    auto const delivery = id_of(klen.json(failed).at("deliveries").at(0));
    EXPECT_TRUE(has(klen.text(failed), delivery));
    EXPECT_TRUE(has(klen.text({"delivery", "list", "--event", event}), hook.id));
    auto const shown = klen.text({"delivery", "show", delivery, "--full"});
    EXPECT_TRUE(has(shown, "connect_refused")) << shown;
    EXPECT_TRUE(has(shown, "\"event_type\": \"call.ended\"")) << shown;
    EXPECT_TRUE(has(klen.text({"event", "list", "--event-type", "call.ended"}), event));
    EXPECT_TRUE(has(klen.text({"event", "show", event}), "connect_refused"));

    receiver at(hook.secret, {}, port);
    klen.text({"delivery", "resend", delivery});
    ASSERT_TRUE(at.receives(1));
    ASSERT_TRUE(it.reaches(event, "delivered"));
    EXPECT_TRUE(has(klen.text({"delivery", "show", delivery}), "manual"));
    at.stop();

    auto const again = klen.text({"publish", "--type", "call.ended", "--sample"}).substr(6, 36);
    ASSERT_TRUE(it.reaches(again, "failed"));
    receiver back(hook.secret, {}, port);
    auto const job = klen.json({"webhook", "recover", hook.id, "--since", "1h", "--wait"});
    EXPECT_EQ(job.at("state"), "done");
    EXPECT_EQ(job.at("changed"), 1);
    ASSERT_TRUE(back.receives(1));
    EXPECT_TRUE(has(klen.text({"webhook", "jobs", hook.id}), id_of(job)));
    EXPECT_TRUE(has(klen.text({"job", "show", id_of(job), "--wait"}), "done"));
}

TEST(commands, what_waits_is_cancelled_one_by_one_and_all_at_once) {
    daemon it;
    it.start();
    line const klen(it);
    auto const hook = it.create_webhook(nobody());
    for (int i = 0; i < 3; ++i)
        it.publish();
    // Each has failed once and waits a minute for its next attempt.
    json::value waiting;
    auto const all_wait = [&] {
        waiting = klen.json({"delivery", "list", "--webhook", hook.id, "--status", "pending"}).at("deliveries");
        return waiting.as_array().size() == 3 && std::ranges::all_of(waiting.as_array(), [](json::value const& one) {
                   return one.at("attempts_made") == 1;
               });
    };
    ASSERT_TRUE(eventually(all_wait));
    EXPECT_TRUE(has(klen.text({"delivery", "cancel", id_of(waiting.at(0))}), "cancelled"));
    auto const job = klen.text({"webhook", "cancel-pending", hook.id, "--wait"});
    EXPECT_TRUE(has(job, "done")) << job;
    EXPECT_EQ(lines_of(klen.text({"delivery", "list", "--webhook", hook.id, "--status", "cancelled", "--limit", "1",
                                  "--all", "--json"}))
                  .size(),
              3U);
}

TEST(commands, the_catalogue_is_extended_and_looked_at) {
    daemon it;
    it.start();
    line const klen(it);
    write_file(it.folder() + "/sample.json", R"({"order":{"id":7}})");
    klen.plain_text({"event-type", "create", "order.paid", "--description", "An order was paid.", "--sample-file",
                     it.folder() + "/sample.json"});
    EXPECT_TRUE(has(klen.plain_text({"event-type", "list", "--all"}), "An order was paid."));
    EXPECT_TRUE(has(klen.plain_text({"event-type", "show", "order.paid"}), "\"order\": {"));
    EXPECT_TRUE(has(klen.plain_text({"event-type", "update", "order.paid", "--description", "Paid."}), "Paid."));
    EXPECT_EQ(klen.run({"event-type", "delete", "call.ended"}).code, 1) << "it is built in";
    klen.plain_text({"event-type", "delete", "order.paid"});
    EXPECT_EQ(klen.run({"event-type", "show", "order.paid"}).code, 1);
}

TEST(commands, keys_are_managed_through_the_daemon) {
    daemon it;
    it.start();
    line const klen(it);
    auto const file = it.folder() + "/key";
    auto const made = klen.text({"key", "create", "--name", "crm", "--permission", "read", "--permission", "publish",
                                 "--max-requests", "50", "--secret-file", file});
    EXPECT_FALSE(has(made, "klen_")) << made;
    auto const key = first_line(file);
    auto const listed = klen.text({"key", "list"});
    EXPECT_TRUE(has(listed, "crm")) << listed;
    EXPECT_FALSE(has(listed, key)) << listed;
    line const own(it, key);
    auto const who = own.plain_text({"whoami"});
    EXPECT_TRUE(has(who, std::string("account ") + daemon::account)) << who;
    EXPECT_EQ(own.run({"webhook", "list"}).code, 0);
    EXPECT_EQ(own.run({"key", "list"}).code, 1) << "it may not manage keys";
    auto const id = id_of(klen.json({"key", "list"}).at("keys").at(0));
    EXPECT_TRUE(has(klen.text({"key", "show", id}), "crm"));
    EXPECT_TRUE(has(klen.text({"key", "revoke", id}), "revoked"));
    EXPECT_EQ(own.run({"whoami"}).code, 1);
}

TEST(commands, samples_are_of_the_keys_account_and_those_of_another_are_refused_item_by_item) {
    daemon it;
    it.start();
    auto const key = line(it).text({"key", "create", "--name", "own"});
    line const own(it, key.substr(0, key.find('\n')));
    auto const refused = own.run({"publish", "--all-samples", "--account", "acct_another"});
    EXPECT_EQ(refused.code, 1);
    EXPECT_TRUE(has(refused.err, "(call.started): permission_denied: ")) << refused.err;
    EXPECT_TRUE(has(refused.err, "11 of 11 events were not accepted")) << refused.err;
    EXPECT_EQ(own.run({"publish", "--all-samples"}).code, 0);
}

TEST(commands, keys_are_revoked_in_the_database_and_a_wrong_folder_is_left_alone) {
    daemon it;
    it.start();
    auto settings = it.environment();
    EXPECT_TRUE(first_line(it.private_dir() + "/database-url").starts_with("postgresql://klen@/"));
    auto const made = run_command({"key", "create", "--platform", "--name", "later", "--json"}, settings);
    ASSERT_EQ(made.code, 0) << made.err;
    auto const key = json::parse(made.out);
    std::string const text(key.at("key").as_string());
    auto const answers = [&](int status) {
        return eventually([&] { return it.call("GET", "/api/v1/whoami", {}, text).status == status; }, 10s);
    };
    ASSERT_TRUE(answers(200)) << "the daemon hears of what another process made";
    auto const revoked = run_command({"key", "revoke", id_of(key)}, settings);
    EXPECT_EQ(revoked.code, 0) << revoked.err;
    EXPECT_TRUE(has(revoked.out, "revoked:")) << revoked.out;
    EXPECT_TRUE(answers(401)) << "and of what it did to that";
    EXPECT_EQ(run_command({"key", "show", "0198f3c2-0000-7000-8000-000000000000"}, settings).code, 1);
    settings["KLEN_WEBHOOKS_DATABASE_PRIVATE_DIR"] = it.folder() + "/elsewhere";
    auto const wrong = run_command({"key", "list"}, settings);
    EXPECT_EQ(wrong.code, 4);
    EXPECT_TRUE(has(wrong.err, "there is no private PostgreSQL in")) << wrong.err;
    EXPECT_NE(::access((it.folder() + "/elsewhere").c_str(), F_OK), 0);
}

TEST(commands, secrets_are_sealed_anew_under_another_master_key_while_the_daemon_runs) {
    daemon first;
    first.start();
    auto const hook = first.create_webhook(nobody());
    ASSERT_EQ(first.stop(), 0);
    auto settings = first.environment();
    settings.erase("KLEN_WEBHOOKS_LOG_FILE"); // each daemon's own
    std::string const fresh = master_key;
    settings["KLEN_WEBHOOKS_SECRETS_MASTER_KEY"] = fresh;
    settings["KLEN_WEBHOOKS_SECRETS_MASTER_KEY_ID"] = "k2";
    // Without the key before, nothing opens: told, and nothing is lost.
    auto const blind = run_command({"reseal"}, settings);
    EXPECT_EQ(blind.code, 1) << blind.out;
    EXPECT_TRUE(has(blind.err, "webhook " + hook.id + ": ")) << blind.err;
    EXPECT_TRUE(has(blind.out, "0 secrets sealed anew")) << blind.out;

    settings["KLEN_WEBHOOKS_SECRETS_PREVIOUS_MASTER_KEYS"] = "k1:" + first_line(first.private_dir() + "/master.key");
    {
        daemon both(settings);
        both.start();
        auto const done = run_command({"reseal"}, settings);
        EXPECT_EQ(done.code, 0) << done.err;
        EXPECT_TRUE(has(done.out, "1 secret sealed anew under the key k2")) << done.out;
        EXPECT_TRUE(has(done.out, "secrets.previous_master_keys for 24 hours more")) << done.out;
        EXPECT_TRUE(has(run_command({"reseal"}, settings).out, "0 secrets sealed anew"));
        EXPECT_EQ(both.stop(), 0);
    }
    settings.erase("KLEN_WEBHOOKS_SECRETS_PREVIOUS_MASTER_KEYS");
    daemon after(settings);
    after.start();
    auto const shown =
        line(after, first_line(first.private_dir() + "/platform-key")).json({"webhook", "secret", hook.id});
    EXPECT_EQ(std::string(shown.at("secret").as_string()), hook.secret);
    EXPECT_EQ(after.stop(), 0);
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
    auto const done = run_command({"check-config"}, {{"KLEN_WEBHOOKS_SERVER_LISTEN_PORT", "8099"},
                                                     {"KLEN_WEBHOOKS_DATABASE_URL", "postgresql://u:hush@h/d"},
                                                     {"KLEN_WEBHOOKS_SECRETS_MASTER_KEY", master_key}});
    EXPECT_EQ(done.code, 0) << done.err;
    EXPECT_NE(done.out.find("server.listen_port"), std::string::npos);
    EXPECT_NE(done.out.find("8099"), std::string::npos);
    EXPECT_EQ(done.out.find("hush"), std::string::npos);
    EXPECT_EQ(done.out.find("MDEyMz"), std::string::npos);
    EXPECT_NE(run_command({"check-config", "--defaults"}).out.find("[server]"), std::string::npos);
}

} // namespace
} // namespace klen::webhooks::e2e
