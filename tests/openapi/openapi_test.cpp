// The document and the code say the same: walks the route table, the catalogue and the lists of names.
#include "api/openapi_document.hpp"
#include "api/router.hpp"
#include "intake/run_task.hpp"

#include "klen/webhooks/api/handlers.hpp"
#include "klen/webhooks/base/settings.hpp"
#include "klen/webhooks/base/version.hpp"
#include "klen/webhooks/event/event_types.hpp"
#include "klen/webhooks/event/json_body.hpp"
#include "klen/webhooks/policy/attempt_result.hpp"
#include "klen/webhooks/store/types.hpp"

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <map>
#include <set>
#include <string>

namespace klen::webhooks::api {
namespace {

services no_services() {
    static config const settings = default_config();
    services out;
    out.settings = &settings;
    return out;
}

namespace json = boost::json;
using testing::IsSupersetOf;
using testing_support::run_task;
using names = std::set<std::string>;

std::string text(json::string_view given) { return {given.data(), given.size()}; }

json::object const& document() {
    static json::object const parsed = json::parse(openapi_document()).as_object();
    return parsed;
}

json::object const& section(json::object const& of, std::string_view name) { return of.at(name).as_object(); }

names text_set(json::value const& list) {
    names out;
    for (auto const& each : list.as_array())
        if (each.is_string())
            out.insert(text(each.get_string()));
    return out;
}

names enum_of(char const* schema) {
    return text_set(section(section(section(document(), "components"), "schemas"), schema).at("enum"));
}

std::string name_of(route const& r) { return std::string(to_string(r.verb)) + " " + r.path; }

std::map<std::string, route> routes() {
    auto all = api_routes(no_services());
    for (auto& r : operations_routes(no_services()))
        all.push_back(std::move(r));
    std::map<std::string, route> out;
    for (auto& r : all)
        if (!r.refuses)
            out.emplace(name_of(r), std::move(r));
    return out;
}

struct operation {
    json::object const* call = nullptr;
    json::object const* path = nullptr;

    /// Its own parameters and its path's, as references or names.
    names parameters() const {
        names out;
        for (auto const* from : {call, path})
            if (auto const* list = from->if_contains("parameters"))
                for (auto const& each : list->as_array()) {
                    auto const& p = each.as_object();
                    out.insert(text((p.contains("$ref") ? p.at("$ref") : p.at("name")).as_string()));
                }
        return out;
    }
    bool has_parameter(std::string const& component) const {
        return parameters().contains("#/components/parameters/" + component);
    }
    names statuses() const {
        names out;
        for (auto const& [status, response] : section(*call, "responses"))
            out.insert(text(status));
        return out;
    }
};

std::map<std::string, operation> operations() {
    std::map<std::string, operation> out;
    for (auto const& [path, item] : section(document(), "paths"))
        for (auto const& [key, call] : item.as_object()) {
            if (key == "parameters")
                continue;
            std::string verb = text(key);
            std::ranges::transform(verb, verb.begin(), [](char c) { return static_cast<char>(c - 'a' + 'A'); });
            out.emplace(verb + " " + text(path), operation{&call.as_object(), &item.as_object()});
        }
    return out;
}

TEST(openapi, every_route_is_in_it_and_every_call_in_it_has_a_route) {
    names in_code;
    for (auto const& [name, r] : routes())
        in_code.insert(name);
    names in_document;
    for (auto const& [name, call] : operations())
        in_document.insert(name);
    EXPECT_EQ(in_code, in_document);
    EXPECT_GT(in_code.size(), 35U);
}

TEST(openapi, what_is_no_call_is_refused) {
    for (auto const& r : api_routes(no_services())) {
        if (!r.refuses)
            continue;
        auto handle = r.handle;
        auto const got = run_task(handle({}, {}));
        EXPECT_EQ(got.status, 405) << name_of(r);
        EXPECT_THAT(got.body, testing::HasSubstr("PATCH"));
    }
}

TEST(openapi, each_call_needs_the_permission_that_it_names) {
    auto const in_document = operations();
    for (auto const& [name, r] : routes()) {
        ASSERT_TRUE(in_document.contains(name)) << name;
        auto const& call = *in_document.at(name).call;
        auto const* permission = call.if_contains("x-permission");
        EXPECT_EQ(permission == nullptr ? "" : text(permission->as_string()), r.permission) << name;
        EXPECT_EQ(call.contains("x-platform-only"), r.platform_only) << name;
        auto const* security = call.if_contains("security");
        bool const needs_none = security != nullptr && security->as_array().empty();
        EXPECT_EQ(needs_none, r.permission.empty()) << name;
    }
}

TEST(openapi, each_call_has_the_answers_that_its_permission_and_path_bring_along) {
    for (auto const& [name, call] : operations()) {
        auto const statuses = call.statuses();
        EXPECT_THAT(statuses, IsSupersetOf({"400", "408", "413", "417", "431", "500", "503"})) << name;
        EXPECT_EQ(statuses.contains("401"), !routes().at(name).permission.empty()) << name;
        EXPECT_EQ(statuses.contains("429"), !routes().at(name).permission.empty()) << name;
        EXPECT_EQ(statuses.contains("404"), name.find('{') != std::string::npos) << name;
        bool const takes_body = name.starts_with("POST ") || name.starts_with("PATCH ");
        EXPECT_EQ(statuses.contains("415"), takes_body) << name;
    }
}

TEST(openapi, creating_calls_take_an_idempotency_key_and_others_do_not) {
    auto const in_document = operations();
    for (auto const& [name, r] : routes()) {
        auto const& call = in_document.at(name);
        EXPECT_EQ(call.has_parameter("idempotency_key"), r.creates) << name;
        if (!r.creates)
            continue;
        EXPECT_TRUE(call.statuses().contains("409")) << name;
        for (auto const& [status, answer] : section(*call.call, "responses"))
            if (status.starts_with("2")) {
                EXPECT_TRUE(section(answer.as_object(), "headers").contains("Idempotency-Replayed")) << name;
            }
    }
}

TEST(openapi, each_parameter_of_a_path_is_described) {
    for (auto const& [name, call] : operations())
        for (char const* parameter : {"id", "event_type"})
            EXPECT_EQ(call.has_parameter(parameter), name.find("{" + std::string(parameter) + "}") != std::string::npos)
                << name;
}

TEST(openapi, calls_know_the_query_parameters_that_it_names_and_no_others) {
    for (auto const& [name, r] : routes()) {
        if (!r.path.starts_with("/api/"))
            continue; // probes come with what they like
        request what;
        what.verb = r.verb;
        what.query = {{"nobody_knows_this", "1"}};
        auto handle = r.handle;
        auto const got = run_task(handle(std::move(what), {}));
        EXPECT_EQ(got.status, 400) << name;
        EXPECT_THAT(got.body, testing::HasSubstr("nobody_knows_this")) << name;
    }
}

TEST(openapi, its_version_is_the_projects) {
    EXPECT_EQ(text(section(document(), "info").at("version").as_string()), version());
}

TEST(openapi, its_names_are_the_codes) {
    names classes;
    for (int i = 0; i <= std::numeric_limits<std::uint8_t>::max(); ++i) {
        auto const name = policy::to_string(static_cast<policy::error_class>(i));
        if (name != "none" && policy::parse_error_class(name))
            classes.emplace(name);
    }
    EXPECT_EQ(enum_of("error_class"), classes);

    auto const statuses = enum_of("delivery_status");
    for (auto const& status : statuses)
        EXPECT_TRUE(store::parse_delivery_status(status)) << status;
    EXPECT_EQ(statuses.size(), 5U);

    names permissions = enum_of("permission");
    for (auto const& [name, r] : routes()) {
        if (!r.permission.empty() && r.permission != "*") {
            EXPECT_TRUE(permissions.contains(r.permission)) << name;
        }
    }
    EXPECT_EQ(permissions.size(), 4U);
}

json::value example_of(json::object const& webhooks, std::string const& event_type) {
    auto const& content = section(section(section(section(webhooks, event_type), "post"), "requestBody"), "content");
    return section(content, "application/json").at("example");
}

TEST(openapi, each_event_type_is_a_webhook_whose_example_is_the_body_of_its_sample) {
    auto const& webhooks = section(document(), "webhooks");
    names types{std::string(event::test_event_type)};
    for (auto const& entry : event::built_in_event_types())
        types.insert(entry.event_type);
    for (auto const& entry : event::operational_event_types())
        types.insert(entry.event_type);
    EXPECT_EQ(types.size(), 15U);
    EXPECT_EQ(webhooks.size(), types.size());
    for (auto const& event_type : types) {
        ASSERT_TRUE(webhooks.contains(event_type)) << event_type;
        auto const example = example_of(webhooks, event_type);
        std::string const timestamp = text(example.at("timestamp").as_string());
        auto const body = event::make_body(event_type, event::sample_of(event_type).value(), timestamp);
        EXPECT_EQ(json::serialize(example), json::serialize(json::parse(body))) << event_type;
    }
}

TEST(openapi, it_is_served_as_it_is) {
    for (auto const& r : api_routes(no_services())) {
        if (r.path != "/api/v1/openapi.json")
            continue;
        auto handle = r.handle;
        auto const got = run_task(handle({}, {}));
        EXPECT_EQ(got.status, 200);
        EXPECT_EQ(got.content_type, "application/json");
        EXPECT_TRUE(got.body == openapi_document()) << got.body.substr(0, 200);
    }
}

} // namespace
} // namespace klen::webhooks::api
