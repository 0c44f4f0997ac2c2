#pragma once

#include "api/raw_client.hpp"
#include "api/running_server.hpp"
#include "store/store_support.hpp"

#include "klen/webhooks/api/handlers.hpp"
#include "klen/webhooks/store/delivery_store.hpp"

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <gtest/gtest.h>

#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace klen::webhooks::testing_support {

/// The API over HTTP on a real database. Nothing dispatches: a test claims deliveries and says how their attempts went.
class history_fixture : public testing::Test {
  public:
    history_fixture() {
        settings.egress.allow_http = true;
        settings.egress.allowed_ranges = {"127.0.0.0/8"};
        with.settings = &settings;
        with.events = &events;
        with.catalogue = &catalogue;
        with.store = store.get();
        with.history = history.get();
        with.seals = &seals;
        with.egress = egress::make_client_context(settings.egress, settings.delivery).value();
        with.webhook_changed = [](webhook_id) {};
        with.deliveries_parked = [this](webhook_id id) {
            std::lock_guard lock(mutex);
            told.push_back(id);
        };
        with.job_begun = [this] {
            std::lock_guard lock(mutex);
            ++jobs_begun;
        };
        with.catalogue_changed = [] {};
        with.key_changed = [](store::api_key_row const&) {};
        with.judge_address = [](std::string, egress::target) -> task<result<std::optional<std::string>>> {
            co_return std::optional<std::string>();
        };
        with.send_test = [](dispatch::test_request) -> task<result<dispatch::test_outcome>> {
            co_return dispatch::test_outcome();
        };
        server.emplace(api::api_routes(with));
        server->keys.known["of-a"] = caller_of("a");
        server->keys.known["of-b"] = caller_of("b");
        server->keys.known["platform"] = caller_of(std::nullopt);
        me = test::run(queue->register_instance("test")).value();
    }
    ~history_fixture() override {
        server.reset();
        writer->stop();
    }

    static api::caller caller_of(std::optional<std::string> account) {
        return {.key_id = make_uuid_v7().text(),
                .account_id = std::move(account),
                .permissions = {"publish", "read", "manage_webhooks", "manage_keys"}};
    }

    struct answer {
        int status = 0;
        boost::json::value body;
        raw_response raw;

        std::string text(char const* member) const { return std::string(body.at(member).as_string()); }
        std::string error() const {
            return body.is_object() && body.as_object().contains("error") ? text("error") : "";
        }
    };
    answer call(std::string const& method, std::string const& path, std::string const& body = {},
                std::string const& fields = {}, std::string const& key = "of-a") const {
        raw_client client(server->port());
        std::string bytes =
            method + " /api/v1" + path + " HTTP/1.1\r\nHost: test\r\nX-API-Key: " + key + "\r\n" + fields;
        if (!body.empty())
            bytes += "Content-Type: application/json\r\n";
        if (method == "POST" || !body.empty())
            bytes += "Content-Length: " + std::to_string(body.size()) + "\r\n";
        answer out;
        out.raw = client.exchange(bytes + "\r\n" + body);
        out.status = out.raw.status;
        if (!out.raw.body.empty())
            out.body = boost::json::parse(out.raw.body);
        return out;
    }
    answer get(std::string const& path, std::string const& key = "of-a") const {
        return call("GET", path, {}, {}, key);
    }
    answer post(std::string const& path, std::string const& body = {}, std::string const& fields = {}) const {
        return call("POST", path, body, fields);
    }

    std::string create_webhook(std::string const& more = "") const {
        auto const made =
            post("/webhooks", R"({"name":"n","url":"http://127.0.0.1:9999/hook","subscribed_events":["*"])" +
                                  (more.empty() ? "" : "," + more) + "}");
        EXPECT_EQ(made.status, 201) << made.raw.body;
        return made.text("id");
    }
    std::string publish(std::string const& event_type = "call.ended",
                        std::string const& payload = R"({"n":12345678901234567890})") const {
        auto const made = post("/events", R"({"event_type":")" + event_type + R"(","payload":)" + payload + "}");
        EXPECT_EQ(made.status, 202) << made.raw.body;
        return made.text("id");
    }

    /// Leases what is due.
    std::vector<store::claimed_delivery> claim() {
        return test::run(queue->claim_due({me, 1000, {}})).value().deliveries;
    }
    /// How an attempt went: a status, or none and an error.
    struct outcome {
        policy::decision decision = policy::decision::failed;
        int status = 500;
        policy::error_class error = policy::error_class::http_status;
        std::string response_headers = "Content-Type: text/plain\r\n";
        std::string response_body = "no";
    };
    static outcome delivered() { return {policy::decision::delivered, 200, policy::error_class::none}; }
    void record(store::claimed_delivery const& one, outcome const& how) {
        store::attempt_record out;
        out.delivery = one.id;
        out.event = one.event_of;
        out.webhook = one.webhook;
        out.account_id = one.account_id;
        out.attempt = one.attempts_made + 1;
        out.ended = std::chrono::steady_clock::now();
        out.started = out.ended - milliseconds(100);
        out.result.error = how.error;
        out.result.status = how.status;
        out.result.message = how.error == policy::error_class::none ? "" : "it went wrong";
        out.result.response_headers = how.response_headers;
        out.result.response_body = how.response_body;
        out.result.remote_address = "127.0.0.1:9999";
        out.result.duration = milliseconds(100);
        out.verdict.what = how.decision;
        out.verdict.wait = seconds(3600);
        out.event_type = one.event ? one.event->event_type : "";
        out.manual = one.manual;
        out.signed_at = 1'700'000'000;
        out.webhook_revision =
            std::stoll(db.value("SELECT revision FROM webhooks WHERE webhook_id = '" + one.webhook.text() + "'"));
        test::run(queue->record(me, {out})).value();
    }
    /// One attempt of everything that is due.
    void attempt_all(outcome const& how) {
        for (auto const& one : claim())
            record(one, how);
    }
    /// The id of the only delivery of an event.
    std::string delivery_of(std::string const& event) const {
        auto const shown = get("/events/" + event + "/deliveries");
        EXPECT_EQ(shown.status, 200) << shown.raw.body;
        auto const& all = shown.body.at("deliveries").as_array();
        EXPECT_EQ(all.size(), 1U);
        return std::string(all.at(0).at("id").as_string());
    }
    /// An event whose delivery failed for good; the delivery's id.
    std::string failed_delivery() {
        auto const event = publish();
        attempt_all({});
        return delivery_of(event);
    }

    static std::vector<std::string> ids_of(answer const& list, char const* plural) {
        std::vector<std::string> out;
        for (auto const& item : list.body.at(plural).as_array())
            out.emplace_back(item.at("id").as_string());
        return out;
    }

    std::mutex mutex;
    std::vector<webhook_id> told; ///< of which something was put into the queue
    int jobs_begun = 0;

    test::test_database db;
    config settings = default_config();
    intake::event_catalogue catalogue{{}};
    test::fake_gate gate;
    std::unique_ptr<store::api_store> store = store::make_api_store(db.options(), 2);
    std::unique_ptr<store::history_store> history = store::make_history_store(db.options(), 2);
    std::unique_ptr<store::delivery_store> queue = store::make_delivery_store(db.options(), settings.delivery);
    std::unique_ptr<store::event_writer> writer = store::event_writer::create(db.options(), settings.intake, gate);
    intake::intake events{settings.intake, *writer, catalogue};
    signing::sealer seals = signing::sealer::create(signing::generate_master_key(), "k1").value();
    api::services with;
    std::optional<running_server> server;
    instance_id me;
};

} // namespace klen::webhooks::testing_support
