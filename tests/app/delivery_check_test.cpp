#include "app/listen/delivery_check.hpp"
#include "klen/webhooks/signing/signer.hpp"

#include <gtest/gtest.h>

#include <map>

namespace klen::webhooks::app::listen {
namespace {

using header_map = std::map<std::string, std::string>;

class delivery_check_test : public testing::Test {
  protected:
    signing::secret secret_ = signing::secret::generate();
    wall_time now_ = std::chrono::system_clock::now();
    std::string body_ = R"({"event_type":"call.ended","call":{"id":1}})";

    header_map signed_headers(wall_time at) {
        auto const seconds = std::chrono::system_clock::to_time_t(at);
        signing::webhook_signer signer({{secret_, std::nullopt}});
        auto const made = signer.sign("d-1", seconds, body_, at);
        return {{"X-Klen-Event", "call.ended"},
                {"X-Klen-Delivery-ID", "d-1"},
                {"X-Klen-Attempt", "3"},
                {"X-Klen-Signature", made.klen},
                {"webhook-id", "d-1"},
                {"webhook-timestamp", std::to_string(seconds)},
                {"webhook-signature", made.standard_webhooks}};
    }

    delivery_check check(header_map const& headers, std::vector<signing::secret> const& secrets) {
        auto const header = [&headers](std::string const& name) {
            auto const found = headers.find(name);
            return found == headers.end() ? std::string() : found->second;
        };
        return check_delivery(header, body_, "X-Klen-", secrets, now_);
    }
};

TEST_F(delivery_check_test, a_delivery_signed_with_any_of_the_secrets_is_verified) {
    auto const found = check(signed_headers(now_), {signing::secret::generate(), secret_});
    EXPECT_TRUE(found.verified()) << found.problem;
    EXPECT_TRUE(found.klen_signature);
    EXPECT_TRUE(found.standard_signature);
    EXPECT_EQ(found.event_type, "call.ended");
    EXPECT_EQ(found.delivery_id, "d-1");
    EXPECT_EQ(found.attempt, 3);
}

TEST_F(delivery_check_test, a_changed_body_is_not_verified) {
    auto const headers = signed_headers(now_);
    body_ += " ";
    auto const found = check(headers, {secret_});
    EXPECT_FALSE(found.verified());
    EXPECT_FALSE(found.klen_signature);
    EXPECT_FALSE(found.standard_signature);
}

TEST_F(delivery_check_test, one_form_that_does_not_fit_is_enough_to_refuse) {
    auto headers = signed_headers(now_);
    headers["webhook-signature"] = "v1,AAAA";
    EXPECT_FALSE(check(headers, {secret_}).verified());
    headers = signed_headers(now_);
    headers["X-Klen-Signature"][0] = headers["X-Klen-Signature"][0] == '0' ? '1' : '0';
    EXPECT_FALSE(check(headers, {secret_}).verified());
}

TEST_F(delivery_check_test, an_old_time_stamp_is_a_replay) {
    auto const found = check(signed_headers(now_ - std::chrono::minutes(10)), {secret_});
    EXPECT_TRUE(found.klen_signature);
    EXPECT_FALSE(found.standard_signature);
    EXPECT_FALSE(found.verified());
}

TEST_F(delivery_check_test, ids_that_differ_are_a_problem) {
    auto headers = signed_headers(now_);
    headers["X-Klen-Delivery-ID"] = "another";
    EXPECT_FALSE(check(headers, {secret_}).verified());
}

TEST_F(delivery_check_test, nothing_is_verified_without_a_secret_or_a_signature) {
    EXPECT_NE(check(signed_headers(now_), {}).problem.find("no secret"), std::string::npos);
    EXPECT_EQ(check({}, {secret_}).problem, "not signed");
    EXPECT_EQ(check({{"X-Klen-Attempt", "many"}}, {secret_}).attempt, 1);
}

} // namespace
} // namespace klen::webhooks::app::listen
