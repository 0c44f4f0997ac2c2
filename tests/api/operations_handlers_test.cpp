#include "api/service_fixture.hpp"

#include <gmock/gmock.h>

namespace klen::webhooks::api {
namespace {

struct operations_handlers : testing_support::service_fixture {
    int status(std::string const& path) { return call(method::get, path).status; }
};

TEST_F(operations_handlers, live_does_not_depend_on_the_database) {
    store.fails = failure{fault::connection_lost, "gone"};
    alive = false;
    EXPECT_EQ(status("/livez"), 200);
    EXPECT_EQ(status("/healthz"), 200);
    hung = "claims, io0";
    for (auto const* path : {"/livez", "/healthz"}) {
        auto const answer = call(method::get, path);
        EXPECT_EQ(answer.status, 503);
        EXPECT_EQ(answer.body, "threads hang: claims, io0\n");
    }
}

TEST_F(operations_handlers, ready_needs_database_dispatch_and_no_shutdown) {
    EXPECT_EQ(status("/readyz"), 200);
    store.fails = failure{fault::connection_lost, "gone"};
    EXPECT_EQ(status("/readyz"), 503);
    store.fails.reset();
    alive = false;
    EXPECT_EQ(status("/readyz"), 503);
    alive = true;
    draining = true;
    EXPECT_EQ(status("/readyz"), 503);
}

TEST_F(operations_handlers, verbose_says_which_check_failed) {
    draining = true;
    auto const answer = call(method::get, "/readyz?verbose");
    EXPECT_EQ(answer.status, 503);
    auto const checks = json(answer).at("checks").as_object();
    EXPECT_EQ(text(checks, "database"), "ok");
    EXPECT_EQ(text(checks, "dispatch"), "ok");
    EXPECT_EQ(text(checks, "lifecycle"), "shutting down");
}

TEST_F(operations_handlers, metrics_are_prometheus_text) {
    auto const answer = call(method::get, "/metrics");
    EXPECT_EQ(answer.body, "klen_up 1\n");
    EXPECT_THAT(answer.content_type, testing::StartsWith("text/plain; version=0.0.4"));
}

} // namespace
} // namespace klen::webhooks::api
