#include "app/operational_events.hpp"

#include "store/store_support.hpp"

#include "klen/webhooks/base/settings.hpp"

#include <boost/json/parse.hpp>
#include <gtest/gtest.h>

namespace klen::webhooks::app {
namespace {

using namespace test;

/// The outbox of a real database, published by real intake and writer.
class operational_events_test : public testing::Test {
  protected:
    ~operational_events_test() override { writer->stop(); }

    void add(std::string const& type = "webhook.disabled", std::string const& payload = R"({"webhook":{"id":"w"}})") {
        db.query("INSERT INTO operational_outbox (event_type, payload) VALUES ('" + type + "', '" + payload + "')");
    }
    operational_events publisher(std::string account = "platform") { return {*history, events, std::move(account)}; }
    std::int64_t count(std::string const& table) { return db.number("SELECT count(*) FROM " + table); }

    test_database db;
    config settings = default_config();
    intake::event_catalogue catalogue{{}};
    fake_gate gate;
    std::unique_ptr<store::history_store> history = store::make_history_store(db.options(), 1);
    std::unique_ptr<store::event_writer> writer = store::event_writer::create(db.options(), settings.intake, gate);
    intake::intake events{settings.intake, *writer, catalogue};
};

TEST_F(operational_events_test, what_waits_is_published_once_and_forgotten) {
    auto const hook = add_webhook(db, "platform", {"webhook.*"});
    add();
    add("webhook.failing");
    auto out = publisher();
    EXPECT_EQ(run(out.publish_some()).value(), 2U);
    EXPECT_EQ(run(out.publish_some()).value(), 0U);
    EXPECT_EQ(count("operational_outbox"), 0);
    EXPECT_EQ(count("deliveries WHERE webhook_id = '" + hook.text() + "'"), 2);
    EXPECT_EQ(count("events WHERE account_id = 'platform'"), 2);
    EXPECT_EQ(out.published(), 2U);
    EXPECT_EQ(out.waiting(), 0U);
    auto const body = boost::json::parse(db.value("SELECT convert_from(body, 'UTF8') FROM events WHERE event_type ="
                                                  " 'webhook.disabled'"));
    EXPECT_EQ(body.at("webhook").at("id"), "w");
}

TEST_F(operational_events_test, two_daemons_or_one_that_died_before_forgetting_publish_it_once) {
    add();
    auto const row = db.query("SELECT outbox_id, event_type, payload, created_at FROM operational_outbox").at(0);
    auto first = publisher();
    EXPECT_EQ(run(first.publish_some()).value(), 1U);
    db.query("INSERT INTO operational_outbox (outbox_id, event_type, payload, created_at) VALUES ('" + row[0] + "', '" +
             row[1] + "', '" + row[2] + "', '" + row[3] + "')");
    auto second = publisher();
    EXPECT_EQ(run(second.publish_some()).value(), 1U);
    EXPECT_EQ(count("events"), 1);
    EXPECT_EQ(count("operational_outbox"), 0);
}

TEST_F(operational_events_test, one_that_cannot_be_published_holds_up_no_other) {
    add("no type");
    add();
    auto out = publisher();
    EXPECT_EQ(run(out.publish_some()).value(), 2U);
    EXPECT_EQ(count("operational_outbox"), 0);
    EXPECT_EQ(count("events"), 1);
    EXPECT_EQ(out.published(), 1U);
}

TEST_F(operational_events_test, while_nothing_can_be_published_all_wait) {
    add();
    writer->stop();
    auto out = publisher();
    EXPECT_EQ(run(out.publish_some()).value(), 0U);
    EXPECT_EQ(count("operational_outbox"), 1);
    EXPECT_EQ(out.waiting(), 1U);
}

TEST_F(operational_events_test, without_an_account_that_wants_them_they_are_dropped) {
    add();
    auto out = publisher("");
    EXPECT_EQ(run(out.publish_some()).value(), 1U);
    EXPECT_EQ(count("operational_outbox"), 0);
    EXPECT_EQ(count("events"), 0);
    EXPECT_EQ(out.published(), 0U);
}

TEST(operational_event_text, has_the_row_s_id_and_time) {
    store::operational_event const event{"id-1", "webhook.failing", R"({"webhook":{}})", wall_time(seconds(1))};
    EXPECT_EQ(publish_text(event), R"({"event_type":"webhook.failing","payload":{"webhook":{}},"id":"id-1",)"
                                   R"("timestamp":"1970-01-01T00:00:01.000Z"})");
}

} // namespace
} // namespace klen::webhooks::app
