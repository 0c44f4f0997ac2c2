#pragma once

#include "api/fake_api_store.hpp"
#include "api/router.hpp"
#include "intake/fake_event_writer.hpp"
#include "intake/run_task.hpp"

#include "klen/webhooks/api/handlers.hpp"
#include "klen/webhooks/base/settings.hpp"

#include <boost/json/parse.hpp>
#include <gtest/gtest.h>

#include <map>
#include <string>

namespace klen::webhooks::testing_support {

/// The handlers with everything behind them faked but intake, the URL parser and the seals: for what goes wrong, and
/// for what needs no store. What needs one is tested with a real one (management_fixture.hpp).
class service_fixture : public testing::Test {
  public:
    service_fixture() {
        settings.server.batch_events_max = 10;
        settings.intake.allow_unknown_event_types = false;
        with.settings = &settings;
        with.events = &events;
        with.catalogue = &catalogue;
        with.store = &store;
        with.seals = &seals;
        with.egress = egress::make_client_context(settings.egress, settings.delivery).value();
        with.webhook_changed = [this](webhook_id id) { changed.push_back(id); };
        with.deliveries_parked = [](webhook_id) {};
        with.job_begun = [] {};
        with.key_changed = [](store::api_key_row const&) {};
        with.draining = [this] { return draining; };
        with.alive = [this] { return alive; };
        with.hung = [this] { return hung; };
        with.metrics = [] { return std::string("klen_up 1\n"); };
    }

    /// Calls a handler as the server does: routed, but neither framed nor authenticated.
    api::response call(api::method verb, std::string const& target, std::string body = {},
                       api::caller who = {.key_id = "k", .account_id = "acct_1", .permissions = {}},
                       std::optional<std::string> idempotency_key = {}) {
        auto routes = api::api_routes(with);
        for (auto& r : api::operations_routes(with))
            routes.push_back(std::move(r));
        api::router const table(std::move(routes));
        api::request what;
        what.verb = verb;
        what.path = target.substr(0, target.find('?'));
        if (auto const question = target.find('?'); question != std::string::npos)
            what.query = pairs_of(target.substr(question + 1));
        auto found = table.find(verb, what.path);
        if (!found || found->handler == nullptr) {
            ADD_FAILURE() << "no route: " << target;
            return {};
        }
        what.parameters = std::move(found->parameters);
        what.route = found->pattern;
        what.body = std::move(body);
        what.resource_id = make_uuid_v7();
        what.idempotency_key = std::move(idempotency_key);
        return run_task(found->handler->handle(std::move(what), std::move(who)));
    }

    /// "a=1&b=2", nothing encoded.
    static std::vector<std::pair<std::string, std::string>> pairs_of(std::string_view query) {
        std::vector<std::pair<std::string, std::string>> out;
        while (!query.empty()) {
            auto const pair = query.substr(0, query.find('&'));
            query.remove_prefix(std::min(pair.size() + 1, query.size()));
            auto const equals = std::min(pair.find('='), pair.size());
            out.emplace_back(pair.substr(0, equals), pair.substr(std::min(equals + 1, pair.size())));
        }
        return out;
    }

    static api::caller platform() { return {.key_id = "p", .account_id = std::nullopt, .permissions = {}}; }
    static boost::json::object json(api::response const& from) { return boost::json::parse(from.body).as_object(); }
    static std::string text(boost::json::object const& from, char const* name) {
        return std::string(from.at(name).as_string());
    }

    config settings = default_config();
    intake::event_catalogue catalogue{{}};
    fake_event_writer writer;
    fake_api_store store;
    intake::intake events{settings.intake, writer, catalogue};
    signing::sealer seals = signing::sealer::create(signing::generate_master_key(), "k1").value();
    std::vector<webhook_id> changed;
    bool draining = false;
    bool alive = true;
    std::string hung;
    api::services with;
};

} // namespace klen::webhooks::testing_support
