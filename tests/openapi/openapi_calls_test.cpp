// Every call of the document is made to the shipped binary, with every answer that can be had: tests/node/
// openapi_calls.mjs makes them, receives the deliveries, and holds each answer and each delivery to the document.
#include "e2e/daemon.hpp"
#include "node/run_node.hpp"

#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace klen::webhooks::e2e {
namespace {

TEST(openapi_calls, each_answer_and_each_delivery_is_as_the_document_says) {
    daemon service({
        // A body of this size takes all the room that there is for bodies: who comes with another then gets a 503.
        {"KLEN_WEBHOOKS_SERVER_BODY_BYTES_MAX", "1048576"},
        {"KLEN_WEBHOOKS_SERVER_BODIES_BYTES_MAX", "1048576"},
        {"KLEN_WEBHOOKS_INTAKE_PAYLOAD_BYTES_MAX", "65536"},
        {"KLEN_WEBHOOKS_SERVER_BODY_TIMEOUT_MS", "5000"},
        {"KLEN_WEBHOOKS_DELIVERY_RETRY_SCHEDULE_SECONDS", "1"},
        {"KLEN_WEBHOOKS_INTAKE_EXTRA_EVENT_TYPES", "only.configured"},
    });
    service.start();
    boost::json::object const told{{"url", service.url()}, {"key", service.key()}};
    auto const answer =
        testing_node::run_node("openapi_calls.mjs", testing_node::handed_file(boost::json::serialize(told)));
    ASSERT_EQ(answer.exit_code, 0) << answer.hint();
    EXPECT_THAT(answer.output, testing::HasSubstr(" 0 problems\n"));
    EXPECT_EQ(service.stop(), 0);
}

} // namespace
} // namespace klen::webhooks::e2e
