#include "klen/webhooks/dispatch/delivery_headers.hpp"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

namespace klen::webhooks::dispatch {
namespace {

using pairs = std::vector<std::pair<std::string, std::string>>;

std::string lines(header_template const& t, std::string_view traceparent = {}) {
    signing::signatures const s{"abc", "v1,def"};
    header_values v;
    v.delivery_id = "0190-id";
    v.event_type = "call.ended";
    v.unix_seconds = 1767225600;
    v.attempt = 2;
    v.traceparent = traceparent;
    v.signed_as = &s;
    std::string out;
    t.append(out, v);
    return out;
}

TEST(delivery_headers, come_in_the_contracts_order) {
    header_template const t("X-Klen-", "klen-webhooks/0.1.0",
                            pairs{{"X-Team", "blue"}, {"Authorization", "Basic eA=="}});
    EXPECT_EQ(lines(t, "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
              "Content-Type: application/json\r\n"
              "User-Agent: klen-webhooks/0.1.0\r\n"
              "X-Klen-Signature: abc\r\n"
              "X-Klen-Delivery-ID: 0190-id\r\n"
              "X-Klen-Event: call.ended\r\n"
              "X-Klen-Timestamp: 1767225600\r\n"
              "X-Klen-Attempt: 2\r\n"
              "webhook-id: 0190-id\r\n"
              "webhook-timestamp: 1767225600\r\n"
              "webhook-signature: v1,def\r\n"
              "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\n"
              "X-Team: blue\r\n"
              "Authorization: Basic eA==\r\n");
}

TEST(delivery_headers, prefix_is_configurable_and_traceparent_optional) {
    header_template const t("X-Acme-", "u", pairs{});
    auto const out = lines(t);
    EXPECT_NE(out.find("X-Acme-Signature: abc\r\n"), std::string::npos);
    EXPECT_EQ(out.find("X-Klen"), std::string::npos);
    EXPECT_EQ(out.find("traceparent"), std::string::npos);
}

TEST(delivery_headers, custom_headers_replace_and_inject_nothing) {
    header_template const t("X-Klen-", "u",
                            pairs{{"x-klen-signature", "evil"},
                                  {"HOST", "evil"},
                                  {"Content-Length", "0"},
                                  {"X-A", "b\r\nEvil: 1"},
                                  {"X B", "c"},
                                  {"X-C:", "c"},
                                  {"", "d"},
                                  {"X-Ok", "fine"}});
    auto const out = lines(t, "bad\r\nEvil: 1");
    EXPECT_EQ(out.find("vil"), std::string::npos);
    EXPECT_TRUE(out.ends_with("webhook-signature: v1,def\r\nX-Ok: fine\r\n"));
}

TEST(delivery_headers, reserved_names_are_known_in_any_case) {
    for (auto const* name : {"X-KLEN-SIGNATURE",
                             "x-klen-delivery-id",
                             "X-Klen-Event",
                             "x-klen-timestamp",
                             "x-klen-attempt",
                             "User-Agent",
                             "WEBHOOK-ID",
                             "webhook-timestamp",
                             "Webhook-Signature",
                             "traceparent",
                             "host",
                             "Content-Type",
                             "content-encoding",
                             "Transfer-Encoding",
                             "connection",
                             "Keep-Alive",
                             "TE",
                             "Trailer",
                             "Upgrade",
                             "Proxy-Connection",
                             "Expect",
                             "Accept-Encoding",
                             "Date",
                             "tracestate",
                             "Proxy-Authenticate",
                             "Proxy-Authorization"})
        EXPECT_TRUE(is_reserved_header(name, "X-Klen-")) << name;
    for (auto const* name : {"X-Klen-Extra", "X-Team", "Authorization", "Accept", "X-Acme-Signature"})
        EXPECT_FALSE(is_reserved_header(name, "X-Klen-")) << name;
    EXPECT_TRUE(is_reserved_header("x-acme-signature", "X-Acme-"));
}

} // namespace
} // namespace klen::webhooks::dispatch
