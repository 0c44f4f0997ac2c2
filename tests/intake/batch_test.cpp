#include "intake/fake_event_writer.hpp"
#include "intake/run_task.hpp"

#include "klen/webhooks/intake/intake.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace klen::webhooks::intake {
namespace {

using testing_support::fake_event_writer;
using testing_support::run_task;
using kind = refusal::kind;

struct batch : testing::Test {
    static intake_config limits() {
        intake_config out;
        out.payload_bytes_max = 1000;
        out.json_depth_max = 16;
        return out;
    }
    std::variant<std::vector<publish_answer>, refusal> operator()(std::string json, std::size_t items_max = 10) {
        return run_task(subject.publish_batch({"acct"}, std::move(json), items_max));
    }

    event_catalogue catalogue{{}};
    fake_event_writer writer;
    intake subject{limits(), writer, catalogue};
};

std::string item(int n) { return R"({"event_type":"call.ended","payload":{"n":)" + std::to_string(n) + "}}"; }

TEST_F(batch, each_item_is_answered_in_its_place) {
    auto const out = (*this)("[" + item(0) + R"(, {"event_type":"call.ended","payload":7} ,)" + item(2) + ", {,} ]");
    auto const& answers = std::get<std::vector<publish_answer>>(out);
    ASSERT_EQ(answers.size(), 4U);
    auto const submitted = writer.submitted();
    ASSERT_EQ(submitted.size(), 2U);
    EXPECT_EQ(std::get<store::publish_receipt>(answers[0]).id, submitted[0].event->id);
    EXPECT_THAT(std::get<refusal>(answers[1]).message, testing::StartsWith("payload"));
    EXPECT_EQ(std::get<store::publish_receipt>(answers[2]).id, submitted[1].event->id);
    EXPECT_EQ(std::get<refusal>(answers[3]).why, kind::invalid);
}

TEST_F(batch, all_items_wait_for_the_same_commit) {
    writer.hold();
    asio::io_context context;
    std::optional<std::variant<std::vector<publish_answer>, refusal>> out;
    asio::co_spawn(context, subject.publish_batch({"acct"}, "[" + item(0) + "," + item(1) + "," + item(2) + "]", 10),
                   [&](std::exception_ptr, auto got) { out = std::move(got); });
    context.poll();
    EXPECT_EQ(writer.waiting(), 3U);
    EXPECT_FALSE(out);
    std::thread([&] { writer.release(fake_event_writer::accept); }).join();
    context.restart();
    context.poll();
    ASSERT_TRUE(out);
    auto const& answers = std::get<std::vector<publish_answer>>(*out);
    auto const submitted = writer.submitted();
    for (std::size_t i = 0; i < 3; ++i)
        EXPECT_EQ(std::get<store::publish_receipt>(answers[i]).id, submitted[i].event->id);
}

TEST_F(batch, a_batch_whose_items_are_all_refused_is_answered_item_by_item) {
    auto const out = (*this)("[{},{}]");
    EXPECT_EQ(std::get<std::vector<publish_answer>>(out).size(), 2U);
    EXPECT_TRUE(writer.submitted().empty());
}

TEST_F(batch, what_is_no_batch_is_refused_as_a_whole) {
    for (std::string const& json : {std::string("[]"), std::string("{}"), "[" + item(0), "[" + item(0) + ",]",
                                    "[" + item(0) + "," + item(1) + "," + item(2) + "]"}) {
        auto const out = (*this)(json, 2);
        ASSERT_TRUE(std::holds_alternative<refusal>(out)) << json;
        EXPECT_EQ(std::get<refusal>(out).why, kind::invalid) << json;
    }
    EXPECT_TRUE(writer.submitted().empty());
}

/// What is large is judged where it holds nobody up.
struct large : testing::Test {
    task<publish_answer> publish(std::string payload) {
        return subject.publish({"acct"}, R"({"event_type":"call.ended","payload":{"a":")" + payload + "\"}}");
    }
    static intake_config limits() {
        intake_config out;
        out.payload_bytes_max = 300'000;
        out.json_depth_max = 16;
        return out;
    }

    std::vector<std::string> beside; ///< for which accounts
    result<void> answer;
    run_beside run = [this](std::string account, std::function<void()> what) -> task<result<void>> {
        beside.push_back(account);
        if (answer)
            what();
        co_return answer;
    };
    event_catalogue catalogue{{}};
    fake_event_writer writer;
    intake subject{limits(), writer, catalogue, run};
};

TEST_F(large, events_are_judged_beside_and_small_ones_at_once) {
    EXPECT_TRUE(std::holds_alternative<store::publish_receipt>(run_task(publish("b"))));
    EXPECT_THAT(beside, testing::IsEmpty());
    EXPECT_TRUE(std::holds_alternative<store::publish_receipt>(run_task(publish(std::string(280'000, 'b')))));
    EXPECT_THAT(beside, testing::ElementsAre("acct"));
    auto const too_large = run_task(publish(std::string(300'000, 'b')));
    EXPECT_EQ(std::get<refusal>(too_large).why, kind::too_large);
    EXPECT_EQ(writer.submitted().size(), 2U);
}

TEST_F(large, batches_are_judged_beside) {
    std::string json = "[" + item(0) + ",";
    json.append(280'000, ' ').append(item(1)).append(",7]");
    auto const out = run_task(subject.publish_batch({"acct"}, json, 10));
    auto const& answers = std::get<std::vector<publish_answer>>(out);
    ASSERT_EQ(answers.size(), 3U);
    EXPECT_TRUE(std::holds_alternative<store::publish_receipt>(answers[1]));
    EXPECT_EQ(std::get<refusal>(answers[2]).why, kind::invalid);
    EXPECT_THAT(beside, testing::ElementsAre("acct"));
    auto const broken = run_task(subject.publish_batch({"acct"}, json + "x", 10));
    EXPECT_EQ(std::get<refusal>(broken).why, kind::invalid);
}

TEST_F(large, what_cannot_be_judged_now_is_to_be_tried_again) {
    answer = failure{fault::over_limit, "too much at once"};
    EXPECT_EQ(std::get<refusal>(run_task(publish(std::string(280'000, 'b')))).why, kind::overloaded);
    answer = failure{fault::shutting_down, "stopping"};
    auto const batch = run_task(subject.publish_batch({"acct"}, std::string(280'000, ' ') + "[" + item(0) + "]", 10));
    EXPECT_EQ(std::get<refusal>(batch).why, kind::shutting_down);
    EXPECT_THAT(writer.submitted(), testing::IsEmpty());
}

} // namespace
} // namespace klen::webhooks::intake
