#pragma once

#include "api/management_fixture.hpp"

#include "klen/webhooks/store/delivery_store.hpp"

#include <boost/json/serialize.hpp>

#include <set>
#include <string>
#include <vector>

namespace klen::webhooks::testing_support {

/// The API as it is served, with deliveries that come into being as they do in the daemon. Nothing dispatches: a test
/// claims deliveries and says how their attempts went.
class history_fixture : public management_fixture {
  public:
    history_fixture() {
        settings.egress.allow_http = true;
        settings.egress.allowed_ranges = {"127.0.0.0/8"};
        with.egress = egress::make_client_context(settings.egress, settings.delivery).value();
        me = run_task(queue->register_instance("test")).value();
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
    static answer answer_of(raw_response raw) {
        answer out{raw.status, nullptr, std::move(raw)};
        if (!out.raw.body.empty())
            out.body = boost::json::parse(out.raw.body);
        return out;
    }
    /// `path`: under /api/v1.
    answer get(std::string const& path) { return get(path, own_key()); }
    answer get(std::string const& path, std::string const& key) {
        return answer_of(call_as(key, "GET", "/api/v1" + path));
    }
    answer post(std::string const& path, std::string const& body = {}, std::string const& fields = {}) {
        return answer_of(call("POST", "/api/v1" + path, body, fields));
    }
    answer post_as(std::string const& key, std::string const& path, std::string const& body = {}) {
        return answer_of(call_as(key, "POST", "/api/v1" + path, body));
    }

    std::string create_webhook(std::string const& more = "") {
        auto const made =
            post("/webhooks", R"({"name":"n","url":"http://127.0.0.1:9999/hook","subscribed_events":["*"])" +
                                  (more.empty() ? "" : "," + more) + "}");
        EXPECT_EQ(made.status, 201) << made.raw.body;
        return made.text("id");
    }
    std::string publish(std::string const& event_type = "call.ended",
                        std::string const& payload = R"({"n":12345678901234567890})") {
        auto const made = post("/events", R"({"event_type":")" + event_type + R"(","payload":)" + payload + "}");
        EXPECT_EQ(made.status, 202) << made.raw.body;
        return made.text("id");
    }

    /// Leases what is due.
    std::vector<store::claimed_delivery> claim() {
        return run_task(queue->claim_due({me, 1000, {}})).value().deliveries;
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
        run_task(queue->record(me, {out})).value();
    }
    /// One attempt of everything that is due.
    void attempt_all(outcome const& how) {
        for (auto const& one : claim())
            record(one, how);
    }
    /// The id of the only delivery of an event.
    std::string delivery_of(std::string const& event) {
        auto const shown = get("/events/" + event + "/deliveries");
        EXPECT_EQ(shown.status, 200) << shown.raw.body;
        auto const& all = shown.body.at("deliveries").as_array();
        EXPECT_EQ(all.size(), 1U);
        return std::string(all.at(0).at("id").as_string());
    }
    /// An event whose delivery failed for good; the delivery's id.
    std::string failed_delivery(std::string const& payload = R"({"n":12345678901234567890})") {
        auto const event = publish("call.ended", payload);
        attempt_all({});
        return delivery_of(event);
    }

    static std::vector<std::string> ids_of(answer const& list, char const* plural) {
        std::vector<std::string> out;
        for (auto const& item : list.body.at(plural).as_array())
            out.emplace_back(item.at("id").as_string());
        return out;
    }

    std::unique_ptr<store::delivery_store> queue = store::make_delivery_store(db.options(), settings.delivery);
    instance_id me;
};

} // namespace klen::webhooks::testing_support
