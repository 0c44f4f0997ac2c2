#include "store/worker.hpp"

#include "store/store_support.hpp"

#include <boost/asio/io_context.hpp>
#include <gtest/gtest.h>

#include <atomic>
#include <future>

namespace klen::webhooks::store {
namespace {

/// Jobs that touch no database and wait until they are let go.
struct worker_test : testing::Test {
    using answer = std::future<result<int>>;

    answer post(worker& to, std::string account, bool waits = true, admission is = admission::asked) {
        auto done = std::make_shared<std::promise<result<int>>>();
        auto out = done->get_future();
        auto job = [this, waits](session&) -> result<int> {
            ++begun;
            if (waits)
                open.wait();
            return 1;
        };
        to.post<int>(job, [done](result<int> got) { done->set_value(std::move(got)); },
                     {.account = std::move(account), .is = is});
        return out;
    }
    void wait_until_begun(int n) {
        while (begun < n)
            std::this_thread::yield();
    }
    static bool is_answered(answer const& one) {
        return one.wait_for(std::chrono::seconds(0)) == std::future_status::ready;
    }

    std::promise<void> gate;
    std::shared_future<void> open = gate.get_future().share();
    std::atomic<int> begun{0};
    connection_options const nowhere{.url = "postgresql://127.0.0.1:1/none"};
};

/// What `call` comes to, on an io thread of its own.
std::future<result<int>> call(task_group& in, worker& to, std::function<result<int>(session&)> job, job_terms terms) {
    auto const done = std::make_shared<std::promise<result<int>>>();
    auto body = [&to, job = std::move(job), terms = std::move(terms), done]() -> task<void> {
        auto waiting = to.call<int>(job, terms);
        auto got = co_await std::move(waiting);
        done->set_value(std::move(got));
    };
    in.spawn(std::move(body));
    return done->get_future();
}

TEST_F(worker_test, whoever_waits_for_a_database_that_hangs_is_told_so) {
    asio::io_context io;
    task_group calls(io.get_executor(), "calls");
    std::vector<std::future<result<int>>> given_up;
    std::atomic<int> late{0};
    {
        worker to(nowhere, {.name = "test"}, 1, 32); // four of an account
        auto hangs = [this](session&) -> result<int> {
            ++begun;
            open.wait();
            return 1;
        };
        auto counts = [&late](session&) -> result<int> { return ++late; };
        given_up.push_back(call(calls, to, hangs, {.account = "a", .patience = milliseconds(20)}));
        given_up.push_back(call(calls, to, counts, {.account = "a", .patience = milliseconds(20)}));
        given_up.push_back(
            call(calls, to, counts, {.account = "a", .is = admission::had, .patience = milliseconds(20)}));
        io.run();
        for (auto& one : given_up)
            EXPECT_EQ(one.get().error().kind, fault::unanswered);
        EXPECT_EQ(begun, 1);
        EXPECT_EQ(late, 0);
        std::vector<answer> next;
        for (int i = 0; i < 2; ++i)
            next.push_back(post(to, "a", false));
        for (auto const& one : next)
            EXPECT_FALSE(is_answered(one)) << "whoever has gone takes no place of the account";
        gate.set_value();
        for (auto& one : next)
            EXPECT_TRUE(one.get());
    }
    EXPECT_EQ(late, 1) << "what nobody waits for is not begun, but what ends a call that was let in is";
}

TEST_F(worker_test, an_answer_in_time_is_the_answer) {
    asio::io_context io;
    task_group calls(io.get_executor(), "calls");
    worker to(nowhere, {.name = "test"}, 1, 256);
    auto got = call(calls, to, [](session&) -> result<int> { return 7; }, {.account = {}, .patience = seconds(60)});
    auto failed = call(calls, to,
                       [](session&) -> result<int> {
                           return failure{fault::conflict, "x"};
                       },
                       {.account = {}, .patience = seconds(60)});
    io.run(); // no timer keeps it waiting
    EXPECT_EQ(*got.get(), 7);
    EXPECT_EQ(failed.get().error().kind, fault::conflict);
}

TEST_F(worker_test, an_account_never_takes_all_connections) {
    worker to(nowhere, {.name = "test"}, 3, 256);
    std::vector<answer> slow;
    for (int i = 0; i < 10; ++i)
        slow.push_back(post(to, "a"));
    wait_until_begun(2);
    EXPECT_TRUE(post(to, "b", false).get()) << "passes the others by";
    EXPECT_TRUE(post(to, "", false).get());
    EXPECT_EQ(begun, 4);
    gate.set_value();
    for (auto& one : slow)
        EXPECT_TRUE(one.get());
}

TEST_F(worker_test, an_account_has_so_many_calls_under_way_at_most) {
    worker to(nowhere, {.name = "test"}, 3, 32);
    std::vector<answer> slow;
    for (int i = 0; i < 4; ++i)
        slow.push_back(post(to, "a"));
    auto refused = post(to, "a");
    ASSERT_TRUE(is_answered(refused));
    EXPECT_EQ(refused.get().error().kind, fault::over_limit);
    EXPECT_TRUE(post(to, "b", false).get());
    gate.set_value();
    for (auto& one : slow)
        EXPECT_TRUE(one.get());
    for (int i = 0; i < 10; ++i)
        EXPECT_TRUE(post(to, "a", false).get()) << "what is done counts no more";
}

TEST_F(worker_test, what_ends_a_call_is_not_refused_but_takes_its_turn) {
    worker to(nowhere, {.name = "test"}, 3, 32);
    std::vector<answer> slow;
    for (int i = 0; i < 4; ++i)
        slow.push_back(post(to, "a"));
    slow.push_back(post(to, "a", false, admission::had));
    EXPECT_FALSE(is_answered(slow.back()));
    EXPECT_TRUE(post(to, "b", false).get()) << "a connection is left";
    EXPECT_EQ(post(to, "a").get().error().kind, fault::over_limit);
    gate.set_value();
    for (auto& one : slow)
        EXPECT_TRUE(one.get());
    EXPECT_TRUE(post(to, "a", false).get()) << "it counts no more, either";
}

TEST_F(worker_test, one_connection_serves_everybody_in_turn_and_the_end_leaves_nothing) {
    std::vector<answer> all;
    {
        worker to(nowhere, {.name = "test"}, 1, 256);
        for (std::string const account : {"a", "a", "b", "a", ""})
            all.push_back(post(to, account));
        wait_until_begun(1);
        gate.set_value();
    }
    for (auto& one : all)
        EXPECT_TRUE(one.get());
}

TEST_F(worker_test, a_job_that_does_not_end_is_told_as_a_thread_that_hangs) {
    worker one(nowhere, {.name = "outcomes"}, 1, 4, duty::deliveries);
    auto const never = post(one, "");
    wait_until_begun(1);
    EXPECT_TRUE(test::come_to_hang("outcomes"));
    EXPECT_EQ(hung_delivery_threads(), "outcomes");
    gate.set_value();
    EXPECT_TRUE(test::come_to_hang(""));
}

TEST_F(worker_test, one_that_waits_for_the_database_does_not_hang) {
    test::test_database db;
    worker one(db.options(), {.name = "outcomes"}, 1, 4, duty::deliveries);
    db.query("BEGIN; LOCK TABLE instances");
    std::promise<void> done;
    auto job = [](session& on) -> result<void> {
        return on.transact([](session::work& in) -> result<void> {
            auto const seen = in.run_text("SELECT count(*) FROM instances");
            return seen ? result<void>() : seen.error();
        });
    };
    one.post<void>(job, [&](result<void> const& got) {
        EXPECT_TRUE(got);
        done.set_value();
    });
    EXPECT_TRUE(test::eventually([&] {
        return db.number("SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'instances'::regclass") == 1;
    }));
    for (int i = 0; i <= looks_until_hung; ++i)
        look_at_threads();
    EXPECT_EQ(hung_threads(), "");
    db.query("COMMIT");
    done.get_future().wait();
}

} // namespace
} // namespace klen::webhooks::store
