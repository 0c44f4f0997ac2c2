// What this service signs is verified by libraries that nobody here wrote (tests/node/package.json), and the other way
// round.
#include "klen/webhooks/event/json_body.hpp"
#include "klen/webhooks/signing/signer.hpp"
#include "node/run_node.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <sstream>

namespace klen::webhooks::signing {
namespace {

using namespace std::chrono_literals;
using testing_node::handed_file;
using testing_node::run_node;

struct delivery {
    std::string id;
    std::string body;
    std::vector<secret> secrets; ///< newest first
    signatures made;
};

std::string json_line(delivery const& d, std::string const& timestamp) {
    std::string out = "{";
    auto const member = [&](std::string_view name, std::string_view text) {
        event::append_json_string(out, name);
        out += ':';
        event::append_json_string(out, text);
        out += ',';
    };
    member("id", d.id);
    member("timestamp", timestamp);
    member("body", d.body);
    member("klen", d.made.klen);
    member("standard", d.made.standard_webhooks);
    out += R"("secrets":[)";
    for (auto const& each : d.secrets) {
        out += &each == &d.secrets.front() ? "" : ",";
        event::append_json_string(out, each.text());
    }
    return out + "]}\n";
}

TEST(node_signature, libraries_take_what_is_signed_and_refuse_what_is_changed) {
    auto const now = std::chrono::system_clock::now();
    auto const seconds = std::chrono::floor<std::chrono::seconds>(now).time_since_epoch().count();
    std::string const bodies[] = {
        R"({"event_type":"call.ended","timestamp":"2026-03-02T09:18:41Z"})",
        R"({"event_type":"calendar.created","title":"Consultation — Büro 3","name":"Zoë Çelik 😀","timestamp":"t"})",
        R"({"event_type":"call.ended","escapes":"\u0000\"\\\n","timestamp":"t"})",
        R"({"event_type":"call.ended","long":")" + std::string(100'000, 'x') + R"(","timestamp":"t"})",
    };
    std::map<std::string, delivery> deliveries;
    std::string asked;
    for (std::size_t i = 0; i < 40; ++i) {
        delivery d{
            "0198a8f0-0000-7000-8000-0000000000" + std::to_string(10 + i), bodies[i % std::size(bodies)], {}, {}};
        std::vector<webhook_signer::live_secret> live;
        for (std::size_t k = 0; k <= i % 3; ++k) { // one secret, or a rotation of two or three
            d.secrets.push_back(secret::generate());
            live.push_back({d.secrets.back(), k == 0 ? std::nullopt : std::optional(now + 1h)});
        }
        d.made = webhook_signer(live).sign(d.id, seconds, d.body, now);
        asked += json_line(d, std::to_string(seconds));
        deliveries.emplace(d.id, std::move(d));
    }
    auto const answer = run_node("signature_check.mjs", handed_file(asked));
    ASSERT_EQ(answer.exit_code, 0) << answer.hint();
    EXPECT_THAT(answer.output, testing::HasSubstr("checked 40 deliveries, 0 problems\n"));

    int signed_there = 0;
    std::istringstream lines(answer.output);
    for (std::string word, id, signature; lines >> word >> id >> signature && word == "signed"; ++signed_there) {
        delivery const& d = deliveries.at(id);
        EXPECT_TRUE(verify_standard_webhooks(d.secrets.front(), id, std::to_string(seconds), signature, d.body, now));
        EXPECT_FALSE(
            verify_standard_webhooks(d.secrets.front(), id, std::to_string(seconds), signature, d.body + " ", now));
    }
    EXPECT_EQ(signed_there, 80) << "each of the two libraries signs each delivery once";
}

} // namespace
} // namespace klen::webhooks::signing
