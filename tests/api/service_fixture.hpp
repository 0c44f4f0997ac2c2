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

/// The handlers with everything behind them faked but intake, the URL parser and the seals.
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
        with.draining = [this] { return draining; };
        with.alive = [this] { return alive; };
        with.live = [this] { return live; };
        with.metrics = [] { return std::string("klen_up 1\n"); };
    }

    /// Calls a handler as the server does: routed, but neither framed nor authenticated.
    api::response call(api::method verb, std::string const& target, std::string body = {},
                       api::caller who = {.key_id = "k", .account_id = "acct_1", .permissions = {}}) {
        auto routes = api::api_routes(with);
        for (auto& r : api::operations_routes(with))
            routes.push_back(std::move(r));
        api::router const table(std::move(routes));
        api::request what;
        what.verb = verb;
        what.path = target.substr(0, target.find('?'));
        if (auto const question = target.find('?'); question != std::string::npos) {
            std::string const pair = target.substr(question + 1);
            auto const equals = std::min(pair.find('='), pair.size());
            what.query.emplace_back(pair.substr(0, equals), equals < pair.size() ? pair.substr(equals + 1) : "");
        }
        auto found = table.find(verb, what.path);
        if (!found || found->handler == nullptr) {
            ADD_FAILURE() << "no route: " << target;
            return {};
        }
        what.parameters = std::move(found->parameters);
        what.body = std::move(body);
        return run_task(found->handler->handle(std::move(what), std::move(who)));
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
    bool live = true;
    api::services with;
};

} // namespace klen::webhooks::testing_support
