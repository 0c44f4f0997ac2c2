#include "api/management_fixture.hpp"

#include "klen/webhooks/signing/secret.hpp"

#include <gmock/gmock.h>

namespace klen::webhooks::api {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using testing_support::raw_response;
using testing_support::run_task;

struct webhook_secrets : testing_support::management_fixture {
    raw_response secrets(std::string const& id) { return call("GET", path_of(id) + "/secret"); }
    raw_response rotate(std::string const& id, std::string const& body = "", std::string const& fields = "") {
        return call("POST", path_of(id) + "/rotate-secret", body, fields);
    }
    std::vector<std::string> live(std::string const& id) {
        std::vector<std::string> out;
        auto const shown = json(secrets(id));
        for (auto const& one : shown.at("secrets").as_array())
            out.push_back(text(one.as_object(), "secret"));
        EXPECT_EQ(text(shown, "secret"), out.empty() ? "" : out.front());
        return out;
    }
    /// How long the secret before it still signs, to the minute.
    static std::chrono::minutes grace_of(raw_response const& rotated) {
        auto const until = parse_rfc3339(text(json(rotated), "previous_expires_at"));
        if (!until)
            return std::chrono::minutes(-1);
        return std::chrono::round<std::chrono::minutes>(*until - std::chrono::system_clock::now());
    }
    static constexpr char const* own = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
};

TEST_F(webhook_secrets, the_secret_is_shown_again_and_not_to_be_stored_on_the_way) {
    auto const made = json(call("POST", "/api/v1/webhooks", webhook_body()));
    auto const got = secrets(text(made, "id"));
    EXPECT_EQ(got.status, 200);
    EXPECT_EQ(got.header("Cache-Control"), "no-store");
    auto const shown = json(got);
    EXPECT_EQ(text(shown, "secret"), text(made, "secret"));
    auto const& only = shown.at("secrets").as_array().at(0).as_object();
    EXPECT_EQ(only.at("expires_at"), nullptr);
    EXPECT_TRUE(parse_rfc3339(text(only, "created_at")));
}

TEST_F(webhook_secrets, a_rotated_secret_goes_on_for_its_grace) {
    auto const id = make_webhook();
    auto const first = live(id).at(0);
    taken(changed);
    auto const rotated = rotate(id);
    ASSERT_EQ(rotated.status, 200) << rotated.body;
    EXPECT_EQ(rotated.header("Cache-Control"), "no-store");
    auto const second = text(json(rotated), "secret");
    EXPECT_TRUE(signing::secret::parse(second));
    EXPECT_NE(second, first);
    EXPECT_EQ(grace_of(rotated), hours(24));
    EXPECT_THAT(live(id), ElementsAre(second, first));
    EXPECT_THAT(taken(changed), ElementsAre(id));
}

TEST_F(webhook_secrets, the_grace_can_be_said) {
    auto const id = make_webhook();
    EXPECT_EQ(grace_of(rotate(id, R"({"grace_period_hours":168})")), hours(168));
    EXPECT_EQ(grace_of(rotate(id, R"({"grace_period_hours":0.5})")), std::chrono::minutes(30));
    auto const at_once = rotate(id, R"({"grace_period_hours":0})");
    EXPECT_THAT(live(id), testing::Contains(text(json(at_once), "secret")));
    for (char const* body : {R"({"grace_period_hours":168.01})", R"({"grace_period_hours":-1})",
                             R"({"grace_period_hours":"1"})", R"({"grace":1})", "[]", R"({"secret":"whsec_x"})"})
        EXPECT_EQ(rotate(id, body).status, 400) << body;
}

TEST_F(webhook_secrets, a_grace_of_nothing_ends_the_old_secret_at_once) {
    auto const id = make_webhook();
    auto const now = text(json(rotate(id, R"({"grace_period_hours":0})")), "secret");
    EXPECT_THAT(live(id), ElementsAre(now));
}

TEST_F(webhook_secrets, the_configured_grace_is_the_usual_one) {
    settings.webhooks.rotation_grace = hours(3);
    EXPECT_EQ(grace_of(rotate(make_webhook())), hours(3));
}

TEST_F(webhook_secrets, the_callers_secret_is_taken_and_never_repeated_when_refused) {
    auto const id = make_webhook();
    EXPECT_EQ(text(json(rotate(id, R"({"secret":")" + std::string(own) + R"("})")), "secret"), own);
    EXPECT_EQ(live(id).at(0), own);
    auto const refused = rotate(id, R"({"secret":"whsec_aHVudGVyMg=="})");
    EXPECT_EQ(refused.status, 400);
    EXPECT_THAT(message(refused), HasSubstr("secret: must be whsec_"));
    EXPECT_THAT(refused.body, Not(HasSubstr("aHVudGVyMg")));
    EXPECT_EQ(live(id).at(0), own);
}

TEST_F(webhook_secrets, a_repeated_rotation_rotates_once) {
    auto const id = make_webhook();
    auto const first = rotate(id, "", once("r1"));
    auto const again = rotate(id, "", once("r1"));
    EXPECT_EQ(again.body, first.body);
    EXPECT_EQ(again.header("Idempotency-Replayed"), "true");
    EXPECT_EQ(again.header("Cache-Control"), "no-store");
    EXPECT_EQ(live(id).size(), 2U);
    EXPECT_NE(rotate(make_webhook(), "", once("r1")).body, first.body) << "another webhook's rotation is another call";
    EXPECT_EQ(rotate(id, R"({"grace_period_hours":1})", once("r1")).status, 409);
}

TEST_F(webhook_secrets, a_rotation_whose_answer_was_lost_gives_the_secret_that_signs) {
    auto const id = make_webhook();
    auto const first = text(json(rotate(id, "", once("r1"))), "secret");
    db.query("UPDATE idempotent_calls SET status = NULL, sealed_answer = NULL, key_id = NULL,"
             " begun_at = begun_at - interval '2 minutes'");
    auto const again = rotate(id, "", once("r1"));
    EXPECT_EQ(again.status, 200);
    EXPECT_EQ(text(json(again), "secret"), first);
    EXPECT_EQ(live(id).size(), 2U);
}

TEST_F(webhook_secrets, secrets_are_sealed_wherever_they_are_kept) {
    auto const id = make_webhook();
    rotate(id, R"({"secret":")" + std::string(own) + R"("})", once("r1"));
    for (char const* column :
         {"SELECT count(*) FROM webhook_secrets WHERE position('whsec_'::bytea IN sealed) > 0",
          "SELECT count(*) FROM idempotent_calls WHERE position('whsec_'::bytea IN sealed_answer) > 0"})
        EXPECT_EQ(db.number(column), 0) << column;
    EXPECT_EQ(db.number("SELECT count(*) FROM idempotent_calls"), 1);
}

} // namespace
} // namespace klen::webhooks::api
