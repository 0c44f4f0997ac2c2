#pragma once

#include "api/raw_client.hpp"
#include "api/router.hpp"
#include "intake/run_task.hpp"
#include "support/test_database.hpp"

#include "klen/webhooks/api/handlers.hpp"
#include "klen/webhooks/base/settings.hpp"
#include "klen/webhooks/signing/api_key.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/json/parse.hpp>
#include <gtest/gtest.h>

#include <future>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

namespace klen::webhooks::testing_support {

/// The API as it is served: the real server, handlers, keys, intake and stores, on a database of its own. Only what
/// lies behind them (dispatch, the network) is told to the test instead. Settings, services and keys may be changed
/// until the first call starts the server.
class management_fixture : public ::testing::Test {
  public:
    management_fixture() {
        settings.server.batch_events_max = 10;
        with.settings = &settings;
        with.catalogue = &catalogue;
        with.store = stored.get();
        with.history = recorded.get();
        with.seals = &seals;
        with.egress = egress::make_client_context(settings.egress, settings.delivery).value();
        with.webhook_changed = [this](webhook_id id) { note(changed, id.text()); };
        with.deliveries_parked = [this](webhook_id id) { note(parked, id.text()); };
        with.job_begun = [this] { note(jobs_begun, "job"); };
        with.key_changed = [this](store::api_key_row const& row) { keys->apply({row}); };
        with.draining = [] { return false; };
        with.alive = [] { return true; };
        with.metrics = [] { return std::string("klen_up 1\n"); };
    }
    ~management_fixture() override {
        if (!server_)
            return;
        std::promise<void> stopped;
        asio::co_spawn(context_, server_->stop(std::chrono::steady_clock::now()),
                       [&](std::exception_ptr) { stopped.set_value(); });
        stopped.get_future().wait();
        guard_.reset();
        context_.stop();
        thread_.join();
    }

    static std::vector<std::string> const& all_permissions() {
        static std::vector<std::string> const all{"publish", "read", "manage_webhooks", "manage_keys"};
        return all;
    }

    /// A key that is in the database and in the server's memory; returns its text.
    std::string make_key(std::optional<std::string> account, std::vector<std::string> permissions = all_permissions(),
                         std::optional<int> per_second = {}) {
        auto const generated = signing::api_key::generate();
        store::api_key_row row;
        row.id = make_id<api_key_id>();
        row.name = "test";
        row.account_id = std::move(account);
        row.hash = generated.hash;
        row.hint = signing::api_key_hint(generated.text);
        row.permissions = std::move(permissions);
        row.max_requests_per_second = per_second;
        keys->apply({run_task(stored->create_api_key(std::move(row))).value()});
        return generated.text;
    }
    std::string const& own_key() { return made_once(own_key_, "acct_1"); }
    std::string const& other_key() { return made_once(other_key_, "acct_2"); }
    std::string const& platform_key() { return made_once(platform_key_, std::nullopt); }

    std::vector<api::route> const& routes() {
        start();
        return routes_;
    }
    std::uint16_t port() {
        start();
        return server_->port();
    }

    /// One request. `fields`: more header lines, each with CRLF.
    raw_response call_with(std::string const& key_field, std::string const& verb, std::string const& target,
                           std::string const& body = {}, std::string const& fields = {}) {
        raw_client client(port());
        std::string head = verb + " " + target + " HTTP/1.1\r\nHost: a\r\n" + key_field + fields;
        if (!body.empty())
            head += "Content-Type: application/json\r\nContent-Length: " + std::to_string(body.size()) + "\r\n";
        client.send(head + "\r\n" + body);
        return client.receive(verb == "HEAD");
    }
    raw_response call_as(std::string const& key, std::string const& verb, std::string const& target,
                         std::string const& body = {}, std::string const& fields = {}) {
        return call_with("Authorization: Bearer " + key + "\r\n", verb, target, body, fields);
    }
    /// With the key of acct_1.
    raw_response call(std::string const& verb, std::string const& target, std::string const& body = {},
                      std::string const& fields = {}) {
        return call_as(own_key(), verb, target, body, fields);
    }
    static std::string once(std::string const& key) { return "Idempotency-Key: " + key + "\r\n"; }

    static boost::json::object json(raw_response const& from) {
        boost::json::error_code ec;
        auto value = boost::json::parse(from.body, ec);
        if (ec || !value.is_object()) {
            ADD_FAILURE() << from.status << ": " << from.body;
            return {};
        }
        return value.get_object();
    }
    static std::string text(boost::json::object const& from, char const* name) {
        auto const* found = from.if_contains(name);
        return found != nullptr && found->is_string() ? std::string(found->get_string()) : "(none)";
    }
    static std::string message(raw_response const& from) { return text(json(from), "message"); }

    static std::string webhook_body(std::string const& more = "") {
        return R"({"name":"n","url":"https://example.com/h","subscribed_events":["call.*"])" +
               (more.empty() ? "" : "," + more) + "}";
    }
    /// A webhook of acct_1, made through the API.
    std::string make_webhook(std::string const& more = "") {
        auto const made = call("POST", "/api/v1/webhooks", webhook_body(more));
        EXPECT_EQ(made.status, 201) << made.body;
        return text(json(made), "id");
    }
    static std::string path_of(std::string const& webhook) { return "/api/v1/webhooks/" + webhook; }

    /// What was told to the rest of the daemon, which the list then forgets.
    std::vector<std::string> taken(std::vector<std::string>& from) {
        std::lock_guard lock(mutex_);
        return std::exchange(from, {});
    }

    config settings = default_config();
    test::test_database db;
    std::unique_ptr<store::api_store> stored = store::make_api_store(db.options(), 2);
    std::unique_ptr<store::history_store> recorded = store::make_history_store(db.options(), 1);
    intake::event_catalogue catalogue{{}};
    signing::sealer seals = signing::sealer::create(signing::generate_master_key(), "k1").value();
    std::unique_ptr<api::key_cache> keys = std::make_unique<api::key_cache>();
    api::services with;
    std::vector<std::string> changed, parked, jobs_begun;

  private:
    /// Takes no delivery: they stay in the database.
    struct no_lanes : store::lane_gate {
        grant current_grant(std::span<std::string_view const> /*accounts*/) override { return {}; }
        void take(instance_id, std::vector<store::claimed_delivery>) override {}
        void note_parked(std::vector<webhook_id>) override {}
    };

    void start() {
        if (server_)
            return;
        writer_ = store::event_writer::create(db.options(), settings.intake, lanes_);
        events_.emplace(settings.intake, *writer_, catalogue);
        with.events = &*events_;
        routes_ = api::api_routes(with);
        for (auto& r : api::operations_routes(with))
            routes_.push_back(std::move(r));
        server_ = api::server::create({&context_}, settings.server, "127.0.0.1", 0, routes_, *keys).value();
        server_->start();
        guard_.emplace(asio::make_work_guard(context_));
        thread_ = std::thread([this] { context_.run(); });
    }
    std::string const& made_once(std::string& key, std::optional<std::string> account) {
        if (key.empty())
            key = make_key(std::move(account));
        return key;
    }
    void note(std::vector<std::string>& in, std::string what) {
        std::lock_guard lock(mutex_);
        in.push_back(std::move(what));
    }

    std::mutex mutex_;
    std::string own_key_, other_key_, platform_key_;
    no_lanes lanes_;
    std::unique_ptr<store::event_writer> writer_;
    std::optional<intake::intake> events_;
    std::vector<api::route> routes_;
    asio::io_context context_{1};
    std::optional<asio::executor_work_guard<asio::io_context::executor_type>> guard_;
    std::unique_ptr<api::server> server_;
    std::thread thread_;
};

} // namespace klen::webhooks::testing_support
