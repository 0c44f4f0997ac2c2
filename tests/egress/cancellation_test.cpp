// A post that is cancelled, wherever it is, closes its connection and lets the exception out.
#include "egress/client_fixture.hpp"

#include <array>
#include <future>

namespace klen::webhooks::egress {
namespace {

class cancelling : public client_test {
  protected:
    /// Starts a post, cancels it after a moment and waits for its end. True: it ended with a cancellation.
    bool cancelled_after(std::string const& url, std::chrono::milliseconds time, std::string body = "{}") {
        auto& which = client();
        target const to = parse_target(url, {true, {}, true}).value();
        post_request const request{&to, "account", "", body, std::chrono::steady_clock::now() + 30s};
        bool aborted = false;
        task_group posts(io.get_executor(), "posts");
        posts.spawn([&which, &aborted, request]() -> task<void> {
            try {
                co_await which.post(request);
            } catch (boost::system::system_error const& e) {
                aborted = e.code() == asio::error::operation_aborted;
            }
        });
        run_for(time);
        posts.cancel();
        auto const begun = std::chrono::steady_clock::now();
        run([&posts]() -> task<void> { return posts.wait_empty(); });
        EXPECT_LT(std::chrono::steady_clock::now() - begun, 2s);
        return aborted;
    }
};

TEST_F(cancelling, while_resolving) {
    fake_dns server;
    server.tell("silent.test", {{dns_answer::kind::silence, {}, 0, false}});
    config.dns_servers = {server.server()};
    EXPECT_TRUE(cancelled_after("http://silent.test/", 50ms));
}

TEST_F(cancelling, while_connecting) {
    black_hole const nowhere;
    EXPECT_TRUE(cancelled_after("http://127.0.0.1:" + std::to_string(nowhere.port()) + "/", 50ms));
}

TEST_F(cancelling, in_the_tls_handshake) {
    scripted_receiver receiver(script().hang());
    EXPECT_TRUE(cancelled_after("https://127.0.0.1:" + std::to_string(receiver.port()) + "/", 50ms));
    EXPECT_TRUE(receiver.wait_until_closed());
}

TEST_F(cancelling, while_writing) {
    test_ca const ca;
    config.ca_file = ca.file();
    scripted_receiver plain(script().pause(20s));
    EXPECT_TRUE(cancelled_after(plain.url(), 100ms, std::string(20'000'000, 'x')));
    scripted_receiver secure(script().pause(20s), {.identity = ca.issue()});
    EXPECT_TRUE(cancelled_after(secure.url(), 100ms, std::string(20'000'000, 'x')));
}

/// Reads nothing of a request until it is told to; then it sends a ticket, which is no answer, and reads a part; and
/// the rest when it is told again.
class slow_reader {
  public:
    explicit slow_reader(testing::tls_identity const& identity)
        : connection_(over_tls(identity, [this](SSL* with) { talk(with); }), 4096) {}

    std::string url() const { return connection_.url(); }
    void read_a_part() {
        begin_.set_value();
        part_.get_future().wait();
    }
    /// What came of a body in all, but for its own letter.
    std::string read_the_rest(char letter) {
        go_on_.set_value();
        connection_.wait();
        std::erase(body_, letter);
        return body_;
    }

  private:
    static constexpr std::size_t part_bytes = 1'500'000;

    void talk(SSL* with) {
        begin_.get_future().wait();
        SSL_new_session_ticket(with);
        SSL_do_handshake(with);
        std::string all;
        read(with, all, part_bytes);
        part_.set_value();
        go_on_.get_future().wait();
        read(with, all, std::string::npos);
        if (auto const head = all.find("\r\n\r\n"); head != std::string::npos)
            body_ = all.substr(head + 4);
    }
    static void read(SSL* from, std::string& to, std::size_t up_to) {
        std::array<char, 16384> some;
        std::size_t n = 0;
        while (to.size() < up_to && SSL_read_ex(from, some.data(), some.size(), &n) == 1)
            to.append(some.data(), n);
    }

    std::promise<void> begin_, part_, go_on_;
    std::string body_;
    lone_receiver connection_;
};

// The socket is ready for both, the write goes on at once, the read's turn comes after the timer's.
TEST_F(cancelling, between_two_waits_of_a_read_beside_a_write) {
    test_ca const ca;
    config.ca_file = ca.file();
    slow_reader receiver(ca.issue());
    auto& which = client();
    target const to = parse_target(receiver.url(), {true, {}, true}).value();
    std::string body(std::size_t{8} * 1024 * 1024, 'A');
    post_request const request{&to, "account", "", body, std::chrono::steady_clock::now() + 30s};
    bool aborted = false;
    task_group posts(io.get_executor(), "posts");
    posts.spawn([&]() -> task<void> {
        try {
            co_await which.post(request);
        } catch (boost::system::system_error const& e) {
            aborted = e.code() == asio::error::operation_aborted;
        }
        body.assign(body.size(), 'Z'); // as good as freed
    });
    run_for(500ms); // until nothing more can be written
    receiver.read_a_part();
    asio::steady_timer stop(io, std::chrono::steady_clock::now() - 1ms);
    stop.async_wait([&](boost::system::error_code const&) { posts.cancel(); });
    run([&posts]() -> task<void> { return posts.wait_empty(); });
    EXPECT_TRUE(aborted);
    run_for(100ms);
    EXPECT_EQ(receiver.read_the_rest('A'), "");
}

TEST_F(cancelling, while_waiting_for_the_answer) {
    test_ca const ca;
    config.ca_file = ca.file();
    scripted_receiver plain(script().read_request().hang());
    EXPECT_TRUE(cancelled_after(plain.url(), 100ms));
    EXPECT_TRUE(plain.wait_until_closed());
    scripted_receiver secure(script().read_request().hang(), {.identity = ca.issue()});
    EXPECT_TRUE(cancelled_after(secure.url(), 100ms));
    EXPECT_TRUE(secure.wait_until_closed());
}

TEST_F(cancelling, in_the_middle_of_the_answer) {
    scripted_receiver receiver(script().read_request().trickle("HTTP/1.1 200 OK\r\nX: " + std::string(5000, 'x'), 1ms));
    EXPECT_TRUE(cancelled_after(receiver.url(), 100ms));
    EXPECT_TRUE(receiver.wait_until_closed());
}

TEST_F(cancelling, on_a_reused_connection_sends_nothing_again) {
    scripted_receiver receiver({script().answer(200).read_request().hang(), script().answer(202)});
    post(receiver.url(), {.account = "account"});
    EXPECT_TRUE(cancelled_after(receiver.url(), 100ms));
    EXPECT_EQ(receiver.connections(), 1);
}

TEST_F(cancelling, one_that_shares_a_question_leaves_it_to_the_others) {
    fake_dns server;
    server.tell("name.test",
                {{dns_answer::kind::silence, {}, 0, false}, {dns_answer::kind::addresses, {"127.0.0.1"}, 0, false}});
    config.dns_servers = {server.server()};
    scripted_receiver receiver(script().answer(200));
    EXPECT_TRUE(cancelled_after(receiver.url("/", "name.test"), 50ms));
    EXPECT_TRUE(post(receiver.url("/", "name.test")).succeeded()); // c-ares's second try is answered
}

TEST_F(cancelling, stop_waits_for_what_is_under_way) {
    scripted_receiver receiver(script().read_request().pause(200ms).send("HTTP/1.1 204 x\r\n\r\n"));
    auto& which = client();
    target const to = parse_target(receiver.url(), {true, {}, true}).value();
    post_request const request{&to, "account", "", "{}", std::chrono::steady_clock::now() + 5s};
    int status = 0;
    task_group posts(io.get_executor(), "posts");
    posts.spawn([&which, &status, request]() -> task<void> {
        auto const r = co_await which.post(request);
        status = r.status;
    });
    run_for(50ms);
    stop();
    EXPECT_EQ(status, 204);
    run([&posts]() -> task<void> { return posts.wait_empty(); });
}

TEST_F(cancelling, a_client_that_is_destroyed_with_work_under_way_leaks_nothing) {
    scripted_receiver receiver(script().read_request().hang());
    asio::io_context own;
    auto which = make_net_client(own.get_executor(), make_client_context(config, delivery).value());
    target const to = parse_target(receiver.url(), {true, {}, true}).value();
    post_request const request{&to, "account", "", "{}", std::chrono::steady_clock::now() + 5s};
    task_group posts(own.get_executor(), "posts");
    posts.spawn([&which, request]() -> task<void> { co_await which->post(request); });
    while (receiver.requests().empty())
        own.run_one_for(10ms);
}

} // namespace
} // namespace klen::webhooks::egress
