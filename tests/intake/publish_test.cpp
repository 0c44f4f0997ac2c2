#include "intake/fake_event_writer.hpp"
#include "intake/run_task.hpp"

#include "klen/webhooks/intake/intake.hpp"

#include <gtest/gtest.h>

namespace klen::webhooks::intake {
namespace {

using testing_support::fake_event_writer;
using testing_support::run_task;
using kind = refusal::kind;

struct publish : testing::Test {
    static intake_config limits() {
        intake_config out;
        out.payload_bytes_max = 1000;
        out.json_depth_max = 16;
        return out;
    }
    publish_answer operator()(std::string json) { return run_task(subject.publish({"acct"}, std::move(json))); }

    event_catalogue catalogue{{}};
    fake_event_writer writer;
    intake subject{limits(), writer, catalogue};
};

constexpr char const* good = R"({"event_type":"call.ended","payload":{}})";

TEST_F(publish, the_answer_is_the_receipt_of_the_store) {
    auto const first = make_id<event_id>();
    writer.answer_with([&](auto const&) { return store::publish_receipt{first, true}; });
    auto const answer = (*this)(good);
    ASSERT_TRUE(std::holds_alternative<store::publish_receipt>(answer));
    EXPECT_EQ(std::get<store::publish_receipt>(answer).id, first);
    EXPECT_TRUE(std::get<store::publish_receipt>(answer).repeated);
}

TEST_F(publish, an_id_beside_the_json_reaches_the_store) {
    auto const answer = run_task(subject.publish({"acct"}, good, "from-the-header"));
    ASSERT_TRUE(std::holds_alternative<store::publish_receipt>(answer));
    ASSERT_EQ(writer.submitted().size(), 1U);
    EXPECT_EQ(writer.submitted()[0].idempotency_key, "from-the-header");
}

TEST_F(publish, what_is_refused_never_reaches_the_store) {
    EXPECT_TRUE(std::holds_alternative<refusal>((*this)("{}")));
    EXPECT_TRUE(writer.submitted().empty());
}

TEST_F(publish, nothing_is_answered_before_the_commit) {
    writer.hold();
    asio::io_context context;
    std::optional<publish_answer> answer;
    asio::co_spawn(context, subject.publish({"acct"}, good),
                   [&](std::exception_ptr, publish_answer got) { answer = std::move(got); });
    context.poll();
    EXPECT_EQ(writer.waiting(), 1U);
    EXPECT_FALSE(answer);
    writer.release(fake_event_writer::accept);
    context.restart();
    context.poll();
    EXPECT_TRUE(answer);
}

TEST_F(publish, a_database_that_hangs_is_told_after_the_limit_and_its_late_answer_does_no_harm) {
    writer.hold();
    auto quick = limits();
    quick.answer_timeout = milliseconds(1);
    intake hasty{quick, writer, catalogue};
    auto const one = run_task(hasty.publish({"acct"}, good));
    ASSERT_TRUE(std::holds_alternative<refusal>(one));
    EXPECT_EQ(std::get<refusal>(one).why, kind::unavailable);
    EXPECT_NE(std::get<refusal>(one).message.find("the same id"), std::string::npos);
    auto const many = run_task(hasty.publish_batch({"acct"}, std::string("[") + good + "]", 10));
    ASSERT_TRUE(std::holds_alternative<refusal>(many));
    EXPECT_EQ(std::get<refusal>(many).why, kind::unavailable);
    writer.release(fake_event_writer::accept);
}

TEST_F(publish, a_commit_that_takes_too_long_ends_the_waiting_and_refuses_new_events) {
    writer.hold();
    writer.busy = seconds(9);
    auto quick = limits();
    quick.answer_timeout = hours(1);
    quick.hang_timeout = seconds(10);
    intake patient{quick, writer, catalogue};
    asio::io_context context;
    std::optional<publish_answer> waits;
    asio::co_spawn(context, patient.publish({"acct"}, good), [&](std::exception_ptr, auto got) { waits = got; });
    context.poll();
    EXPECT_EQ(writer.waiting(), 1U) << "not yet";
    writer.busy = seconds(10);
    for (auto const& one : {run_task(patient.publish({"acct"}, good))}) {
        ASSERT_TRUE(std::holds_alternative<refusal>(one));
        EXPECT_EQ(std::get<refusal>(one).why, kind::unavailable);
        EXPECT_EQ(std::get<refusal>(one).message.find("the same id"), std::string::npos) << "nothing of it is stored";
    }
    auto const many = run_task(patient.publish_batch({"acct"}, std::string("[") + good + "]", 10));
    EXPECT_EQ(std::get<refusal>(many).why, kind::unavailable);
    EXPECT_EQ(writer.waiting(), 1U);

    quick.hang_timeout = milliseconds(1);
    intake hasty{quick, writer, catalogue};
    writer.busy = milliseconds(0);
    std::optional<publish_answer> told;
    asio::co_spawn(context, hasty.publish({"acct"}, good), [&](std::exception_ptr, auto got) { told = got; });
    context.restart();
    for (int i = 0; i < 3; ++i) // it looks again and again, and the database works
        context.run_one();
    EXPECT_FALSE(told);
    writer.busy = milliseconds(1);
    while (!told)
        context.run_one();
    EXPECT_EQ(std::get<refusal>(*told).why, kind::unavailable);
    EXPECT_NE(std::get<refusal>(*told).message.find("the same id"), std::string::npos);
    writer.release(fake_event_writer::accept);
}

TEST_F(publish, each_fault_of_the_store_has_its_refusal) {
    for (auto const& [given, expected] : {std::pair{fault::conflict, kind::conflict},
                                          {fault::too_large, kind::too_large},
                                          {fault::overloaded, kind::overloaded},
                                          {fault::over_limit, kind::overloaded},
                                          {fault::connection_lost, kind::unavailable},
                                          {fault::database_busy, kind::unavailable},
                                          {fault::shutting_down, kind::shutting_down},
                                          {fault::database_refused, kind::failed},
                                          {fault::corrupt, kind::failed}}) {
        writer.answer_with([what = given](auto const&) { return failure{what, "x"}; });
        auto const answer = (*this)(good);
        ASSERT_TRUE(std::holds_alternative<refusal>(answer));
        EXPECT_EQ(std::get<refusal>(answer).why, expected) << to_string(given);
    }
}

} // namespace
} // namespace klen::webhooks::intake
