// The management API on the shipped binary: what a dashboard and a support team do.
#include "e2e/daemon.hpp"

#include "app/api_client.hpp"

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <gtest/gtest.h>

namespace klen::webhooks::e2e {
namespace {

namespace json = boost::json;

std::string const of_account = std::string("account_id=") + daemon::account;
std::string hook_at(std::uint16_t port) { return "http://127.0.0.1:" + std::to_string(port) + "/hook"; }

daemon::settings quick(daemon::settings more = {}) {
    more.emplace("KLEN_WEBHOOKS_DELIVERY_RETRY_SCHEDULE_SECONDS", "1");
    more.emplace("KLEN_WEBHOOKS_DELIVERY_STATISTICS_INTERVAL_MS", "100");
    return more;
}

struct management : testing::Test {
    json::value get(std::string const& path) const {
        auto const got = it->call("GET", "/api/v1" + path + (path.find('?') == path.npos ? "?" : "&") + of_account);
        EXPECT_EQ(got.status, 200) << path << " " << json::serialize(got.body);
        return got.body;
    }
    json::value post(std::string const& path, int expected, std::string const& body = {}) const {
        auto const got = it->call("POST", "/api/v1" + path + "?" + of_account, body);
        EXPECT_EQ(got.status, expected) << path << " " << json::serialize(got.body);
        return got.body;
    }
    void start(daemon::settings with = quick()) {
        it = std::make_unique<daemon>(std::move(with));
        it->start();
        port = free_port();
        webhook = it->create_webhook(hook_at(port));
    }
    receiver& receive(std::vector<std::string> options = {}) {
        at.reset();
        at = std::make_unique<receiver>(webhook.secret, std::move(options), port);
        return *at;
    }
    std::vector<std::string> failed() const {
        auto const found = get("/webhooks/" + webhook.id + "/deliveries?status=failed");
        std::vector<std::string> out;
        for (auto const& one : found.at("deliveries").as_array())
            out.emplace_back(one.at("id").as_string());
        return out;
    }
    json::value health() const { return get("/webhooks/" + webhook.id).at("health"); }

    std::unique_ptr<daemon> it;
    std::unique_ptr<receiver> at;
    std::uint16_t port = 0;
    daemon::made_webhook webhook;
};

TEST_F(management, what_failed_is_found_looked_at_and_sent_again) {
    start();
    receive({"--status", "500,500,200"}); // a resend succeeds
    auto const event = it->publish();
    ASSERT_TRUE(it->reaches(event, "failed"));
    auto const ids = failed();
    ASSERT_EQ(ids.size(), 1U);

    auto const shown = get("/deliveries/" + ids[0]);
    EXPECT_EQ(shown.at("event").at("id").as_string(), event);
    auto const& attempts = shown.at("attempts").as_array();
    ASSERT_EQ(attempts.size(), 2U);
    EXPECT_EQ(attempts[1].at("decision"), "failed");
    auto const received = at->deliveries();
    std::map<std::string, std::string> sent;
    for (auto const& line : attempts[1].at("request_headers").as_array())
        sent.emplace(line.at(0).as_string(), line.at(1).as_string());
    EXPECT_EQ(sent["X-Klen-Delivery-ID"], ids[0]);
    EXPECT_EQ(sent["X-Klen-Attempt"], "2");
    EXPECT_FALSE(sent["X-Klen-Signature"].empty());

    EXPECT_EQ(post("/deliveries/" + ids[0] + "/resend", 202).at("status"), "pending");
    ASSERT_TRUE(it->reaches(event, "delivered"));
    EXPECT_EQ(at->deliveries().back().at("attempt"), 3);
    EXPECT_EQ(at->deliveries().back().at("delivery_id").as_string(), ids[0]);
    EXPECT_TRUE(at->deliveries().back().at("verified").as_bool());
    EXPECT_EQ(get("/deliveries/" + ids[0]).at("last_attempt").at("trigger"), "manual");
    EXPECT_TRUE(failed().empty());
}

TEST_F(management, after_an_outage_everything_that_failed_is_recovered) {
    start();
    std::vector<std::string> events;
    for (int i = 0; i < 5; ++i)
        events.push_back(it->publish());
    for (auto const& event : events)
        ASSERT_TRUE(it->reaches(event, "failed"));
    receive();
    auto const job = post("/webhooks/" + webhook.id + "/recover", 202, R"({"since":"2020-01-01T00:00:00Z"})");
    std::string const path = "/jobs/" + std::string(job.at("id").as_string());
    ASSERT_TRUE(eventually([&] { return get(path).at("state") == "done"; }));
    EXPECT_EQ(get(path).at("changed"), 5);
    for (auto const& event : events)
        EXPECT_TRUE(it->reaches(event, "delivered"));
    EXPECT_EQ(at->deliveries().size(), 5U);
    EXPECT_TRUE(failed().empty());
}

TEST_F(management, what_waits_is_cancelled_by_one_call) {
    start({{"KLEN_WEBHOOKS_DELIVERY_RETRY_SCHEDULE_SECONDS", "3600"}});
    auto const event = it->publish();
    auto const waits = [&] {
        auto const all = get("/events/" + event + "/deliveries?status=pending").at("deliveries").as_array();
        return all.size() == 1 && all.front().at("attempts_made") == 1;
    };
    ASSERT_TRUE(eventually(waits));
    post("/webhooks/" + webhook.id + "/cancel-pending", 202);
    EXPECT_TRUE(it->reaches(event, "cancelled"));
}

TEST_F(management, a_webhook_that_is_gone_is_disabled_and_the_platform_is_told) {
    start();
    auto const platform_port = free_port();
    auto const made = it->call("POST", "/api/v1/webhooks?account_id=platform",
                               R"({"name":"ops","url":")" + hook_at(platform_port) +
                                   R"(","subscribed_events":["webhook.disabled"]})");
    ASSERT_EQ(made.status, 201) << json::serialize(made.body);
    receiver platform(std::string(made.body.at("secret").as_string()), {}, platform_port);
    receive({"--status", "410"});
    it->publish();
    ASSERT_TRUE(platform.receives(1));
    auto const told = platform.deliveries().front();
    EXPECT_TRUE(told.at("verified").as_bool());
    EXPECT_EQ(told.at("event_type"), "webhook.disabled");
    auto const& about = told.at("body").at("webhook");
    EXPECT_EQ(about.at("id").as_string(), webhook.id);
    EXPECT_EQ(about.at("account_id").as_string(), daemon::account);
    EXPECT_EQ(about.at("disabled_reason"), "gone");
    auto const shown = get("/webhooks/" + webhook.id);
    EXPECT_EQ(shown.at("enabled"), false);
    EXPECT_EQ(shown.at("disabled_reason"), "gone");
}

TEST_F(management, the_platform_is_told_when_a_delivery_is_exhausted_and_a_webhook_fails_and_is_disabled) {
    start();
    auto const platform_port = free_port();
    auto const made = it->call("POST", "/api/v1/webhooks?account_id=platform",
                               R"({"name":"ops","url":")" + hook_at(platform_port) +
                                   R"(","subscribed_events":["webhook.*","delivery.exhausted"]})");
    ASSERT_EQ(made.status, 201) << json::serialize(made.body);
    receiver platform(std::string(made.body.at("secret").as_string()), {}, platform_port);
    std::map<std::string, json::value> told;
    auto const is_told = [&](std::string const& type) {
        return eventually([&] {
            for (auto const& one : platform.deliveries()) {
                EXPECT_TRUE(one.at("verified").as_bool());
                told[std::string(one.at("event_type").as_string())] = one.at("body");
            }
            return told.count(type) == 1;
        });
    };
    auto const fail_since = [&](std::string const& time) {
        it->sql("UPDATE webhooks SET failing_since = failing_since - interval '" + time + "' WHERE webhook_id = '" +
                webhook.id + "'");
    };

    auto const exhausted = it->publish(); // nobody listens
    ASSERT_TRUE(it->reaches(exhausted, "failed"));
    ASSERT_TRUE(is_told("delivery.exhausted"));
    auto const& delivery = told["delivery.exhausted"].at("delivery");
    EXPECT_EQ(delivery.at("event_id").as_string(), exhausted);
    EXPECT_EQ(delivery.at("webhook_id").as_string(), webhook.id);
    EXPECT_EQ(told.size(), 1U) << "it fails for a second only";

    fail_since("61 minutes");
    ASSERT_TRUE(it->reaches(it->publish(), "failed"));
    ASSERT_TRUE(is_told("webhook.failing"));
    EXPECT_EQ(told["webhook.failing"].at("webhook").at("id").as_string(), webhook.id);
    EXPECT_EQ(told["webhook.failing"].at("webhook").at("account_id").as_string(), daemon::account);
    EXPECT_EQ(get("/webhooks/" + webhook.id).at("enabled"), true);

    fail_since("5 days");
    it->publish();
    ASSERT_TRUE(is_told("webhook.disabled"));
    EXPECT_EQ(told["webhook.disabled"].at("webhook").at("disabled_reason"), "failing");
    EXPECT_EQ(get("/webhooks/" + webhook.id).at("disabled_reason"), "failing");
    auto const all = platform.deliveries();
    EXPECT_EQ(
        std::ranges::count(all, json::value("webhook.failing"), [](auto const& one) { return one.at("event_type"); }),
        1)
        << "once for a series of failures";
}

TEST_F(management, health_tells_how_a_webhook_does) {
    start();
    receive({"--status", "500,200"}); // each delivery's first attempt fails
    ASSERT_TRUE(it->reaches(it->publish(), "delivered"));
    ASSERT_TRUE(it->reaches(it->publish(), "delivered"));
    ASSERT_TRUE(eventually([&] { return health().at("last_hour").at("delivered") == 2; }));
    auto const now = health();
    EXPECT_EQ(now.at("last_hour").at("failed"), 2);
    EXPECT_EQ(now.at("last_failure_class"), "http_status");
    EXPECT_EQ(now.at("consecutive_failures"), 0);
    EXPECT_EQ(now.at("pending"), 0);
    EXPECT_TRUE(now.at("last_success_at").is_string());
    EXPECT_TRUE(now.at("last_day").at("p50_ms").is_number());
    EXPECT_EQ(it->stop(), 0);
    it->start();
    EXPECT_EQ(health().at("last_hour").at("delivered"), 2) << "it outlives the daemon";
}

TEST_F(management, a_creating_call_may_be_repeated) {
    start();
    auto const client = app::api_client::create(it->url(), it->key()).value();
    std::string const body = R"({"name":"once","url":"http://127.0.0.1:9999/","subscribed_events":["*"]})";
    auto const create = [&] { return client.call("POST", "/api/v1/webhooks?" + of_account, body, "key-1").value(); };
    auto const first = create();
    auto const second = create();
    EXPECT_EQ(first.status, 201) << first.body;
    EXPECT_EQ(second.status, 201);
    EXPECT_EQ(second.body, first.body) << "the secret as well";
    EXPECT_TRUE(second.replayed);
    EXPECT_EQ(get("/webhooks").at("count"), 2);
    EXPECT_EQ(it->log().find(std::string(json::parse(first.body).at("secret").as_string())), std::string::npos);
}

TEST_F(management, the_use_of_a_key_is_shown) {
    start();
    auto const made = post("/keys", 201, R"({"name":"reader","permissions":["read"]})");
    std::string const key(made.at("key").as_string());
    EXPECT_TRUE(made.at("last_used_at").is_null());
    EXPECT_EQ(it->call("GET", "/api/v1/webhooks", {}, key).status, 200) << "known at once";
    EXPECT_EQ(it->call("POST", "/api/v1/events", R"({"event_type":"call.ended","payload":{}})", key).status, 403);
    EXPECT_EQ(it->stop(), 0); // what was noted is written at the latest now
    it->start();
    EXPECT_TRUE(get("/keys/" + std::string(made.at("id").as_string())).at("last_used_at").is_string());
}

TEST_F(management, a_test_is_answered_with_what_the_receiver_said) {
    start();
    receive({"--status", "503"});
    auto const outcome = post("/webhooks/" + webhook.id + "/test", 200, R"({"event_type":"call.ended"})");
    EXPECT_EQ(outcome.at("delivered"), false);
    EXPECT_EQ(outcome.at("status"), 503);
    EXPECT_EQ(outcome.at("error_class"), "http_status");
    auto const got = at->deliveries();
    ASSERT_EQ(got.size(), 1U);
    EXPECT_TRUE(got[0].at("verified").as_bool());
    EXPECT_EQ(got[0].at("delivery_id"), outcome.at("delivery_id"));
    EXPECT_TRUE(get("/webhooks/" + webhook.id + "/deliveries").at("deliveries").as_array().empty());
}

TEST_F(management, a_new_event_type_can_be_published_at_once) {
    start();
    auto const publish = [&] {
        return it
            ->call("POST", "/api/v1/events",
                   R"({"account_id":"acct_e2e","event_type":"order.paid","payload":{"order":1}})")
            .status;
    };
    EXPECT_EQ(publish(), 400);
    auto const made = it->call("POST", "/api/v1/event-types", R"({"event_type":"order.paid"})");
    ASSERT_EQ(made.status, 201) << json::serialize(made.body);
    EXPECT_TRUE(eventually([&] { return publish() == 202; }, 5s)) << "sooner than the catalogue's own interval";
}

TEST_F(management, a_daemon_that_stops_lets_go_of_jobs_and_goes_on_with_them) {
    start({{"KLEN_WEBHOOKS_DELIVERY_RETRY_SCHEDULE_SECONDS", "3600"}});
    for (int i = 0; i < 20; ++i)
        it->publish();
    auto const job = post("/webhooks/" + webhook.id + "/cancel-pending", 202);
    it->kill();
    it->start();
    std::string const path = "/jobs/" + std::string(job.at("id").as_string());
    EXPECT_TRUE(eventually([&] { return get(path).at("state") == "done"; }));
}

} // namespace
} // namespace klen::webhooks::e2e
