#include "api/history_fixture.hpp"

#include <gmock/gmock.h>

namespace klen::webhooks::api {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing_support::run_task;

struct jobs_handlers : testing_support::history_fixture {
    std::string hook = create_webhook();
    static constexpr char const* since_2020 = R"({"since":"2020-01-01T00:00:00Z"})";

    answer recover(std::string const& body, std::string const& fields = "") {
        return post("/webhooks/" + hook + "/recover", body, fields);
    }
    answer cancel_pending() { return post("/webhooks/" + hook + "/cancel-pending"); }
    void work() {
        while (run_task(recorded->step_job({.deliveries_max = 100})).value()) {
        }
    }
};

TEST_F(jobs_handlers, recover_begins_a_job_that_sends_again_what_failed) {
    auto const failed = failed_delivery();
    auto const begun = recover(since_2020);
    ASSERT_EQ(begun.status, 202) << begun.raw.body;
    EXPECT_EQ(begun.text("kind"), "recover");
    EXPECT_EQ(begun.text("state"), "running");
    EXPECT_EQ(begun.text("webhook_id"), hook);
    EXPECT_EQ(begun.text("since"), "2020-01-01T00:00:00.000Z");
    EXPECT_TRUE(begun.body.at("until").is_string()) << "now, unless told";
    EXPECT_EQ(begun.body.at("never_attempted"), false);
    EXPECT_TRUE(begun.body.at("finished_at").is_null());
    EXPECT_EQ(taken(jobs_begun).size(), 1U);
    work();
    auto const done = get("/jobs/" + begun.text("id"));
    EXPECT_EQ(done.text("state"), "done");
    EXPECT_EQ(done.body.at("changed"), 1);
    EXPECT_TRUE(done.body.at("finished_at").is_string());
    EXPECT_EQ(get("/deliveries/" + failed).text("status"), "pending");
}

TEST_F(jobs_handlers, a_repeat_with_the_same_key_is_the_same_job) {
    auto const first = recover(since_2020, "Idempotency-Key: r1\r\n");
    auto const repeat = recover(since_2020, "Idempotency-Key: r1\r\n");
    EXPECT_EQ(repeat.status, 202);
    EXPECT_EQ(repeat.raw.body, first.raw.body);
    EXPECT_EQ(get("/webhooks/" + hook + "/jobs").body.at("jobs").as_array().size(), 1U);
    EXPECT_EQ(recover(R"({"since":"2021-01-01T00:00:00Z"})", "Idempotency-Key: r1\r\n").status, 409);
}

TEST_F(jobs_handlers, recover_says_what_is_wrong_with_what_it_is_asked) {
    for (auto const& [body, word] : std::vector<std::pair<std::string, std::string>>{
             {"", ""},
             {"{}", "since: "},
             {R"({"since":5})", "since: "},
             {R"({"since":"yesterday"})", "since: "},
             {R"({"since":"2020-01-01T00:00:00Z","until":"soon"})", "until: "},
             {R"({"since":"2020-01-01T00:00:00Z","until":"2019-01-01T00:00:00Z"})", "before until"},
             {R"({"since":"2999-01-01T00:00:00Z"})", "past"},
             {R"({"since":"2020-01-01T00:00:00Z","never_attempted":"yes"})", "never_attempted: "},
             {R"({"since":"2020-01-01T00:00:00Z","from":1})", "from"}}) {
        auto const no = recover(body);
        EXPECT_EQ(no.status, 400) << body;
        EXPECT_THAT(no.text("message"), HasSubstr(word));
    }
    EXPECT_EQ(taken(jobs_begun).size(), 0U);
}

TEST_F(jobs_handlers, a_disabled_webhook_is_not_recovered) {
    ASSERT_EQ(call("PATCH", path_of(hook), R"({"enabled":false})").status, 200);
    auto const no = recover(since_2020);
    EXPECT_EQ(no.status, 409);
    EXPECT_EQ(no.error(), "conflict");
    EXPECT_EQ(cancel_pending().status, 202) << "but what waits can be taken out";
}

TEST_F(jobs_handlers, cancel_pending_takes_out_what_waits) {
    auto const waiting = delivery_of(publish());
    auto const begun = cancel_pending();
    ASSERT_EQ(begun.status, 202) << begun.raw.body;
    EXPECT_EQ(begun.text("kind"), "cancel");
    EXPECT_TRUE(begun.body.at("since").is_null());
    EXPECT_EQ(taken(jobs_begun).size(), 1U);
    work();
    EXPECT_EQ(get("/jobs/" + begun.text("id")).text("state"), "done");
    EXPECT_EQ(get("/deliveries/" + waiting).text("status"), "cancelled");
    EXPECT_EQ(post("/webhooks/" + hook + "/cancel-pending", R"({"all":true})").status, 400);
}

TEST_F(jobs_handlers, jobs_are_listed_newest_first) {
    auto const first = cancel_pending().text("id");
    auto const second = recover(since_2020).text("id");
    auto const all = get("/webhooks/" + hook + "/jobs");
    EXPECT_THAT(ids_of(all, "jobs"), ElementsAre(second, first));
    EXPECT_EQ(all.body.at("limit"), 50);
    EXPECT_THAT(ids_of(get("/webhooks/" + hook + "/jobs?limit=1"), "jobs"), ElementsAre(second));
    EXPECT_EQ(get("/webhooks/" + hook + "/jobs?cursor=x").status, 400);
}

TEST_F(jobs_handlers, of_another_account_there_is_nothing) {
    auto const job = cancel_pending().text("id");
    EXPECT_EQ(get("/jobs/" + job, other_key()).status, 404);
    EXPECT_EQ(get("/webhooks/" + hook + "/jobs", other_key()).status, 404);
    EXPECT_EQ(post_as(other_key(), "/webhooks/" + hook + "/recover", since_2020).status, 404);
    EXPECT_EQ(post_as(other_key(), "/webhooks/" + hook + "/cancel-pending").status, 404);
    EXPECT_EQ(get("/jobs/" + job + "?account_id=acct_1", platform_key()).status, 200);
    EXPECT_EQ(get("/jobs/" + make_uuid_v7().text()).status, 404);
}

} // namespace
} // namespace klen::webhooks::api
