#include "e2e/daemon.hpp"

#include <boost/json/serialize.hpp>
#include <gtest/gtest.h>

#include <set>

namespace klen::webhooks::e2e {
namespace {

std::map<std::string, std::string> const quick_retries{{"KLEN_WEBHOOKS_DELIVERY_RETRY_SCHEDULE_SECONDS", "1,1,1"}};

/// A daemon, a webhook, and a receiver that knows its secret: the port is chosen before the webhook exists.
struct scene {
    daemon it;
    std::unique_ptr<receiver> at;
    daemon::made_webhook webhook;

    explicit scene(std::map<std::string, std::string> settings = {}, std::vector<std::string> const& options = {})
        : it(std::move(settings)) {
        it.start();
        auto const port = free_port();
        webhook = it.create_webhook("http://127.0.0.1:" + std::to_string(port) + "/hook");
        at = std::make_unique<receiver>(webhook.secret, options, port);
    }
};

TEST(delivery, a_sample_of_each_type_arrives_verified_and_nothing_secret_is_logged) {
    scene s({}, {"--count", "11", "--timeout", "60s"});
    auto const published = run_command({"publish", "--all-samples", "--account", daemon::account, "--url", s.it.url()},
                                       {{"KLEN_WEBHOOKS_KEY", s.it.key()}});
    EXPECT_EQ(published.code, 0) << published.out << published.err;
    EXPECT_EQ(s.at->process().wait(60s), 0) << s.at->process().output() << s.at->process().errors();
    std::set<std::string> types;
    std::set<std::string> ids;
    for (auto const& one : s.at->deliveries()) {
        EXPECT_TRUE(one.at("verified").as_bool());
        EXPECT_EQ(one.at("attempt"), 1);
        EXPECT_EQ(one.at("body").at("event_type"), one.at("event_type"));
        types.emplace(one.at("event_type").as_string());
        ids.emplace(one.at("delivery_id").as_string());
    }
    EXPECT_EQ(types.size(), 11U);
    EXPECT_EQ(ids.size(), 11U);
    EXPECT_EQ(s.it.stop(), 0);

    EXPECT_GT(s.it.log_lines().size(), 11U); // each line parses
    auto const logged = s.it.log() + s.it.process().errors();
    for (std::string const& hidden :
         {s.webhook.secret, s.webhook.secret.substr(6, 20), s.it.key(), std::string("zoe@example.com"),
          std::string("+4915112345678"), std::string("Reception")})
        EXPECT_EQ(logged.find(hidden), std::string::npos) << hidden.substr(0, 6);
}

TEST(delivery, a_failed_attempt_is_retried_until_one_succeeds) {
    scene s(quick_retries, {"--status", "500,503,200", "--count", "1", "--timeout", "60s"});
    auto const event = s.it.publish();
    EXPECT_EQ(s.at->process().wait(60s), 0) << s.at->process().errors();
    auto const got = s.at->deliveries();
    ASSERT_EQ(got.size(), 3U);
    for (std::size_t i = 0; i < got.size(); ++i) {
        EXPECT_EQ(got[i].at("attempt"), static_cast<int>(i) + 1);
        EXPECT_EQ(got[i].at("delivery_id"), got[0].at("delivery_id"));
        EXPECT_EQ(got[i].at("body"), got[0].at("body"));
        EXPECT_TRUE(got[i].at("verified").as_bool());
    }
    ASSERT_TRUE(s.it.reaches(event, "delivered"));
    auto const delivery = s.it.delivery_of(event);
    auto const& attempts = delivery.at("attempts").as_array();
    ASSERT_EQ(attempts.size(), 3U) << boost::json::serialize(delivery);
    EXPECT_EQ(attempts[0].at("status"), 500);
    EXPECT_EQ(attempts[1].at("status"), 503);
    EXPECT_EQ(attempts[2].at("status"), 200);
}

TEST(delivery, after_the_last_attempt_it_is_failed_and_none_follows) {
    scene s(quick_retries, {"--status", "500"});
    auto const event = s.it.publish();
    ASSERT_TRUE(s.it.reaches(event, "failed"));
    EXPECT_EQ(s.it.delivery_of(event).at("attempts").as_array().size(), 4U);
    // A later event passes through the same lane and queue: had a fifth attempt been due, it would be here by then.
    auto const later = s.it.publish();
    ASSERT_TRUE(s.it.reaches(later, "failed"));
    EXPECT_EQ(s.at->deliveries().size(), 8U);
}

TEST(delivery, a_reset_connection_and_a_closed_port_have_error_classes_of_their_own) {
    scene s(quick_retries, {"--reset"});
    auto const event = s.it.publish();
    ASSERT_TRUE(s.at->receives(1));
    ASSERT_TRUE(eventually([&] { return !s.it.delivery_of(event).at("attempts").as_array().empty(); }));
    s.at->process().signal(SIGTERM);
    s.at->process().wait(10s);
    ASSERT_TRUE(s.it.reaches(event, "failed"));
    auto const delivery = s.it.delivery_of(event);
    std::set<std::string> classes;
    for (auto const& attempt : delivery.at("attempts").as_array())
        if (attempt.at("error_class").is_string())
            classes.emplace(attempt.at("error_class").as_string());
    EXPECT_TRUE(classes.contains("connection_reset")) << boost::json::serialize(delivery);
    EXPECT_TRUE(classes.contains("connect_refused")) << boost::json::serialize(delivery);
}

} // namespace
} // namespace klen::webhooks::e2e
