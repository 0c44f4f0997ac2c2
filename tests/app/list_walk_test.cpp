#include "app/commands/api_call.hpp"

#include "app/commands/complain.hpp"

#include <gtest/gtest.h>

#include <deque>

namespace klen::webhooks::app {
namespace {

using std::chrono::milliseconds;

/// Answers in turn and writes down what was asked, and how long was paused.
struct scripted {
    std::deque<result<api_answer>> answers;
    std::vector<std::string> targets;
    std::vector<milliseconds> pauses;

    api_caller call() {
        return [this](api_request const& request) -> result<api_answer> {
            targets.push_back(request.target());
            if (answers.empty())
                return failure{fault::io, "nobody answers"};
            auto out = std::move(answers.front());
            answers.pop_front();
            return out;
        };
    }
    pause_function pause() {
        return [this](milliseconds how_long) { pauses.push_back(how_long); };
    }
    void answer(int status, std::string body, std::string retry_after = {}) {
        api_answer one;
        one.status = status;
        one.body = std::move(body);
        one.retry_after = std::move(retry_after);
        answers.emplace_back(std::move(one));
    }
};

list_view const view{"events", {{"ID"}, {"N", true, 0}}, [](boost::json::value const& e) {
                         return std::vector<std::string>{text_member(e, "id"), text_member(e, "n")};
                     }};

struct outcome {
    int code = 0;
    std::string out;
    std::string err;
};

outcome walk(scripted& api, bool all, bool json = false) {
    api_request request;
    request.path = "/e";
    request.ask("limit", "2");
    paging_options paging;
    paging.all = all;
    testing::internal::CaptureStdout();
    testing::internal::CaptureStderr();
    auto const code = walk_list(api.call(), api.pause(), json, request, paging, view);
    auto out = testing::internal::GetCapturedStdout();
    return {code, std::move(out), testing::internal::GetCapturedStderr()};
}

TEST(list_walk, follows_the_cursor_to_the_end_and_titles_the_table_once) {
    scripted api;
    api.answer(200, R"({"limit":2,"next_cursor":"c/1","events":[{"id":"a","n":1},{"id":"b","n":2}]})");
    api.answer(200, R"({"limit":2,"next_cursor":null,"events":[{"id":"c","n":300}]})");
    auto const done = walk(api, true);
    EXPECT_EQ(done.code, exit_ok);
    EXPECT_EQ(done.out, "ID  N\na   1\nb   2\nc   300\n");
    EXPECT_EQ(api.targets, (std::vector<std::string>{"/e?limit=2", "/e?limit=2&cursor=c%2F1"}));
}

TEST(list_walk, shows_one_page_and_tells_on_standard_error_how_to_go_on) {
    scripted api;
    api.answer(200, R"({"limit":2,"next_cursor":"c1","events":[{"id":"a","n":1}]})");
    auto const done = walk(api, false);
    EXPECT_EQ(done.out, "ID  N\na   1\n");
    EXPECT_NE(done.err.find("--cursor c1"), std::string::npos) << done.err;
    scripted pages;
    pages.answer(200, R"({"count":9,"page":2,"limit":2,"pages":5,"events":[{"id":"a","n":1}]})");
    EXPECT_NE(walk(pages, false).err.find("page 2 of 5, 9 in all: --page 3"), std::string::npos);
}

TEST(list_walk, keeps_every_digit_in_a_line_of_json) {
    scripted api;
    api.answer(200, R"({"next_cursor":null,"events":[ {"id":"a", "n":12345678901234567890123} ]})");
    EXPECT_EQ(walk(api, true, true).out, "{\"id\":\"a\",\"n\":12345678901234567890123}\n");
}

TEST(list_walk, says_none_beside_standard_output) {
    scripted api;
    api.answer(200, R"({"next_cursor":null,"events":[]})");
    auto const done = walk(api, true);
    EXPECT_EQ(done.out, "");
    EXPECT_EQ(done.err, "none\n");
}

TEST(list_walk, waits_as_long_as_a_429_says_and_gives_up_in_the_end) {
    scripted api;
    api.answer(429, R"({"error":"rate_limit_exceeded","message":"slower"})", "3");
    api.answer(200, R"({"next_cursor":null,"events":[{"id":"a","n":1}]})");
    EXPECT_EQ(walk(api, true).code, exit_ok);
    EXPECT_EQ(api.pauses, (std::vector<milliseconds>{milliseconds(3000)}));
    scripted never;
    for (int i = 0; i < 20; ++i)
        never.answer(429, R"({"error":"rate_limit_exceeded","message":"slower"})", i % 2 == 0 ? "99999" : "soon");
    EXPECT_EQ(walk(never, true).code, exit_failed);
    EXPECT_LT(never.targets.size(), 10U);
    for (auto const pause : never.pauses)
        EXPECT_TRUE(pause >= milliseconds(1000) && pause <= milliseconds(60'000)) << pause.count();
}

TEST(list_walk, ends_when_a_daemon_goes_in_circles_or_makes_no_sense) {
    scripted circle;
    for (int i = 0; i < 9; ++i)
        circle.answer(200, R"({"next_cursor":"same","events":[{"id":"a","n":1}]})");
    EXPECT_EQ(walk(circle, true).code, exit_failed);
    EXPECT_EQ(circle.targets.size(), 2U);
    scripted shrinking; // rows were deleted meanwhile: the page there should be is empty
    shrinking.answer(200, R"({"count":9,"page":1,"limit":2,"pages":5,"events":[{"id":"a","n":1}]})");
    shrinking.answer(200, R"({"count":9,"page":2,"limit":2,"pages":5,"events":[]})");
    EXPECT_EQ(walk(shrinking, true).code, exit_ok);
    for (char const* body : {"{}", "[]", "<html>", R"({"events":7})"}) {
        scripted other;
        other.answer(200, body);
        EXPECT_EQ(walk(other, true).code, exit_failed) << body;
    }
}

TEST(list_walk, stops_with_the_error_of_a_later_page) {
    scripted api;
    api.answer(200, R"({"next_cursor":"c1","events":[{"id":"a","n":1}]})");
    api.answer(503, R"({"error":"unavailable","message":"no database"})");
    auto const done = walk(api, true);
    EXPECT_EQ(done.code, exit_unavailable);
    EXPECT_NE(done.out.find("a   1"), std::string::npos);
}

// --- waiting for jobs -----------------------------------------------------------------------------------------------

std::variant<std::string, int> wait(scripted& api, std::string raw, std::string* told = nullptr) {
    testing::internal::CaptureStderr();
    api_options options;
    options.account = "acct_1";
    auto out = wait_for_job(api.call(), api.pause(), options, std::move(raw));
    auto const text = testing::internal::GetCapturedStderr();
    if (told != nullptr)
        *told = text;
    return out;
}

TEST(job_wait, polls_until_the_job_has_ended_and_tells_each_step_once) {
    scripted api;
    api.answer(200, R"({"id":"j","state":"running","examined":500,"changed":7})");
    api.answer(200, R"({"id":"j","state":"running","examined":500,"changed":7})");
    api.answer(200, R"({"id":"j","state":"done","examined":900,"changed":9})");
    std::string told;
    auto const done = wait(api, R"({"id":"j","state":"running","examined":0,"changed":0})", &told);
    ASSERT_TRUE(std::holds_alternative<std::string>(done));
    EXPECT_NE(std::get<std::string>(done).find("\"done\""), std::string::npos);
    EXPECT_EQ(told, "running: 0 looked at, 0 changed\nrunning: 500 looked at, 7 changed\n"
                    "done: 900 looked at, 9 changed\n");
    EXPECT_EQ(api.targets.front(), "/api/v1/jobs/j?account_id=acct_1");
    for (auto const pause : api.pauses)
        EXPECT_LE(pause, milliseconds(2000));
}

TEST(job_wait, does_not_ask_about_a_job_that_has_ended) {
    scripted api;
    wait(api, R"({"id":"j","state":"done"})");
    EXPECT_TRUE(api.targets.empty());
}

TEST(job_wait, outlives_a_daemon_that_restarts) {
    scripted api;
    api.answers.emplace_back(failure{fault::io, "cannot reach"});
    api.answer(503, "{}");
    api.answer(200, R"({"id":"j","state":"done"})");
    EXPECT_TRUE(std::holds_alternative<std::string>(wait(api, R"({"id":"j","state":"running"})")));
}

TEST(job_wait, gives_up_on_a_daemon_that_is_gone_and_on_an_error_at_once) {
    scripted gone;
    EXPECT_EQ(std::get<int>(wait(gone, R"({"id":"j","state":"running"})")), exit_unavailable);
    scripted refused;
    refused.answer(404, R"({"error":"not_found","message":"no such job"})");
    EXPECT_EQ(std::get<int>(wait(refused, R"({"id":"j","state":"running"})")), exit_failed);
    EXPECT_EQ(refused.targets.size(), 1U);
    scripted nonsense;
    EXPECT_EQ(std::get<int>(wait(nonsense, "[]")), exit_failed);
}

} // namespace
} // namespace klen::webhooks::app
