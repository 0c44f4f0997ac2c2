// Slow, large and many.
#include "api/gate.hpp"
#include "api/raw_client.hpp"
#include "api/running_server.hpp"

#include <deque>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sys/resource.h>

namespace klen::webhooks {
namespace {

using namespace testing_support;

constexpr char const* hello = "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n";

server_config impatient() {
    auto out = running_server::quick_limits();
    out.header_timeout = out.body_timeout = out.idle_timeout = milliseconds(100);
    return out;
}

TEST(server_limits, a_slow_head_times_out_however_steadily_it_comes) {
    auto config = impatient();
    config.idle_timeout = milliseconds(10'000);
    running_server server(sample_routes(), config);
    raw_client client(server.port());
    auto const begun = std::chrono::steady_clock::now();
    client.send("GET /hello HTTP/1.1\r\nX: ");
    while (client.silent_for(10) && std::chrono::steady_clock::now() - begun < seconds(8))
        client.send("x");
    EXPECT_LT(std::chrono::steady_clock::now() - begun, seconds(5));
    EXPECT_EQ(client.receive().status, 408);
}

TEST(server_limits, a_slow_body_times_out) {
    running_server server(sample_routes(), impatient());
    for (char const* framing : {"Content-Length: 10\r\n\r\n12345", "Content-Length: 100000\r\n\r\n12345",
                                "Transfer-Encoding: chunked\r\n\r\n5\r\nhel"}) {
        raw_client client(server.port());
        auto const got = client.exchange(
            std::string("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n") + framing);
        EXPECT_EQ(got.status, 408) << framing;
        EXPECT_EQ(got.header("Connection"), "close");
    }
}

TEST(server_limits, an_idle_connection_is_closed_without_a_word) {
    running_server server(sample_routes(), impatient());
    raw_client fresh(server.port());
    raw_client used(server.port());
    EXPECT_EQ(used.exchange(hello).status, 200);
    EXPECT_TRUE(fresh.ended());
    EXPECT_TRUE(used.ended());
}

TEST(server_limits, a_head_over_the_limit_is_a_431) {
    running_server server(sample_routes());
    std::string const fits = "GET /hello HTTP/1.1\r\nHost: a\r\nX: ";
    raw_client good(server.port());
    EXPECT_EQ(good.exchange(fits + std::string(1024 - fits.size() - 4, 'x') + "\r\n\r\n").status, 200);
    for (std::string const& head : {fits + std::string(1025 - fits.size() - 4, 'x') + "\r\n\r\n",
                                    fits + std::string(100'000, 'x'), fits + std::string(2000, 'x')}) {
        raw_client bad(server.port());
        auto const got = bad.exchange(head);
        EXPECT_EQ(got.status, 431);
        EXPECT_EQ(got.header("Connection"), "close");
    }
}

TEST(server_limits, a_body_over_the_limit_is_a_413_before_it_is_read) {
    running_server server(sample_routes());
    raw_client announced(server.port());
    auto const got = announced.exchange("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
                                        "Content-Length: 200001\r\n\r\n");
    EXPECT_EQ(got.status, 413);
    EXPECT_EQ(got.header("Connection"), "close");
    announced.shut_down_sending();
    EXPECT_TRUE(announced.ended());
    raw_client at_the_limit(server.port());
    EXPECT_EQ(at_the_limit.exchange(post_echo(std::string(200'000, 'x'))).status, 200);
}

TEST(server_limits, a_client_that_sends_a_body_over_the_limit_all_the_same_sees_the_413) {
    running_server server(sample_routes());
    raw_client client(server.port());
    client.send(post_echo(std::string(500'000, 'x')));
    EXPECT_EQ(client.receive().status, 413);
}

TEST(server_limits, chunks_over_the_limit_are_a_413) {
    running_server server(sample_routes());
    raw_client client(server.port());
    std::string chunked = "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
                          "Transfer-Encoding: chunked\r\n\r\n";
    for (int i = 0; i < 41; ++i)
        chunked += "1388\r\n" + std::string(5000, 'x') + "\r\n";
    client.send(chunked);
    EXPECT_EQ(client.receive().status, 413);
}

TEST(server_limits, when_all_are_busy_the_newest_is_told_and_others_are_not_disturbed) {
    auto config = running_server::quick_limits();
    config.connections_max = 2;
    gate g, h;
    auto routes = g.routes();
    routes.push_back(h.routes().back());
    routes.back().path = "/wait/too";
    running_server server(std::move(routes), config);
    auto first = std::make_unique<raw_client>(server.port());
    raw_client second(server.port());
    first->send("GET /wait HTTP/1.1\r\nHost: a\r\n\r\n");
    second.send("GET /wait/too HTTP/1.1\r\nHost: a\r\n\r\n");
    g.entered.get_future().wait();
    h.entered.get_future().wait();
    raw_client third(server.port());
    auto const got = third.receive();
    EXPECT_EQ(got.status, 503);
    EXPECT_TRUE(got.header("Retry-After"));
    EXPECT_TRUE(third.ended());
    EXPECT_EQ(server.stats().refused_connections, 1U);
    EXPECT_EQ(server.stats().displaced_connections, 0U);
    g.release.set()(true);
    h.release.set()(true);
    EXPECT_EQ(second.receive().status, 200);
    EXPECT_EQ(first->receive().status, 200);
    EXPECT_EQ(first->exchange("GET /hello HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").status, 200);
    EXPECT_TRUE(first->ended());
    while (server.stats().connections > 1) // counted out a moment after the client sees the end
        std::this_thread::yield();
    raw_client fourth(server.port());
    EXPECT_EQ(fourth.exchange(hello).status, 200);
}

TEST(server_limits, whoever_is_turned_away_may_send_its_request_and_reads_why) {
    full_server full;
    raw_client second(full.server.port());
    while (full.server.stats().refused_connections == 0)
        std::this_thread::yield();
    EXPECT_TRUE(second.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n"));
    EXPECT_TRUE(second.send("Content-Type: application/json\r\n\r\n")) << "no broken pipe";
    EXPECT_TRUE(second.send("{}"));
    EXPECT_EQ(second.receive().status, 503);
    EXPECT_TRUE(second.ended());
    EXPECT_EQ(full.end_first().status, 200);
}

TEST(server_limits, connections_that_wait_keep_nobody_out) {
    auto config = running_server::quick_limits();
    config.connections_max = 4;
    running_server server(sample_routes(), config, 1);
    raw_client busy(server.port());
    EXPECT_TRUE(busy.begin_body("/echo", 2));
    raw_client silent(server.port());
    raw_client used(server.port());
    EXPECT_EQ(used.exchange(hello).status, 200);
    raw_client dripping(server.port());
    while (server.stats().connections < 4)
        std::this_thread::yield();
    raw_client first(server.port());
    EXPECT_EQ(first.exchange(hello).status, 200);
    EXPECT_TRUE(silent.ended()) << "it has waited longest";
    EXPECT_EQ(used.exchange(hello).status, 200);
    dripping.send("G"); // half a head is no request yet
    raw_client second(server.port());
    EXPECT_EQ(second.exchange(hello).status, 200);
    raw_client third(server.port());
    EXPECT_EQ(third.exchange(hello).status, 200);
    raw_client fourth(server.port());
    EXPECT_EQ(fourth.exchange(hello).status, 200);
    EXPECT_EQ(dripping.receive().status, 0) << "closed";
    EXPECT_TRUE(first.ended());
    EXPECT_EQ(busy.exchange("{}").status, 200);
    EXPECT_EQ(server.stats().displaced_connections, 4U);
    EXPECT_EQ(server.stats().refused_connections, 0U);
}

/// POST /publish takes a body and GET /hello none: whoever sends that slowly waits for nothing that matters.
TEST(server_limits, bodies_that_nobody_wants_keep_nobody_out) {
    auto config = running_server::quick_limits();
    config.connections_max = 6;
    running_server server(sample_routes(), config, 2);
    raw_client busy(server.port());
    EXPECT_TRUE(busy.begin_body("/echo", 2));
    std::deque<raw_client> dripping;
    for (int i = 0; i < 5; ++i)
        dripping.emplace_back(server.port()).send("GET /hello HTTP/1.1\r\nHost: a\r\nContent-Length: 60000\r\n\r\nx");
    while (server.stats().connections < 6)
        std::this_thread::yield();
    for (int i = 0; i < 5; ++i) {
        raw_client newcomer(server.port());
        EXPECT_EQ(newcomer.exchange(hello).status, 200) << i;
    }
    EXPECT_EQ(busy.exchange("{}").status, 200);
    EXPECT_EQ(server.stats().refused_connections, 0U);
}

/// Each was answered, and only waits for its client to have read that.
TEST(server_limits, connections_that_linger_keep_nobody_out) {
    auto config = running_server::quick_limits();
    config.connections_max = 6;
    running_server server(sample_routes(), config, 2);
    std::deque<raw_client> lingering;
    for (char const* request :
         {"POST /none HTTP/1.1\r\n\r\n", "GET /hello HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
          "GET /hello HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 9\r\n\r\n",
          "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999\r\n\r\n", "POST /none HTTP/1.1\r\n\r\n",
          "POST /none HTTP/1.1\r\n\r\n"}) {
        lingering.emplace_back(server.port()).send(request);
        EXPECT_TRUE(lingering.back().receive().status >= 200) << request;
    }
    for (int i = 0; i < 6; ++i) {
        raw_client newcomer(server.port());
        EXPECT_EQ(newcomer.exchange(hello).status, 200) << i;
    }
    EXPECT_EQ(server.stats().refused_connections, 0U);
}

TEST(server_limits, calls_whose_bodies_come_slowly_give_way_when_nobody_else_waits) {
    auto config = running_server::quick_limits();
    config.connections_max = 4;
    running_server server(sample_routes(), config, 2);
    std::deque<raw_client> slow;
    for (int i = 0; i < 4; ++i)
        EXPECT_TRUE(slow.emplace_back(server.port()).begin_body("/echo", 2));
    raw_client newcomer(server.port());
    EXPECT_EQ(newcomer.exchange(hello).status, 200);
    raw_client second(server.port());
    EXPECT_EQ(second.exchange(hello).status, 200);
    EXPECT_TRUE(newcomer.ended()) << "it waits for nothing that matters";
    int served = 0;
    for (auto& one : slow)
        served += one.exchange("{}").status == 200 ? 1 : 0;
    EXPECT_EQ(served, 3);
    EXPECT_EQ(server.stats().refused_connections, 0U);
}

TEST(server_limits, room_is_made_on_whichever_thread_has_some) {
    auto config = running_server::quick_limits();
    config.connections_max = 3;
    running_server server(sample_routes(), config, 3);
    raw_client busy(server.port());
    EXPECT_TRUE(busy.begin_body("/echo", 2));
    for (int i = 0; i < 20; ++i) { // each is dealt to the next thread
        {
            raw_client held(server.port());
            EXPECT_EQ(held.exchange(hello).status, 200) << i;
            raw_client other(server.port());
            EXPECT_EQ(other.exchange(hello).status, 200) << i;
            raw_client newest(server.port());
            EXPECT_EQ(newest.exchange(hello).status, 200) << i;
        }
        while (server.stats().connections > 1)
            std::this_thread::yield();
    }
    EXPECT_EQ(busy.exchange("{}").status, 200);
    EXPECT_EQ(server.stats().refused_connections, 0U);
}

TEST(server_limits, a_client_that_does_not_take_its_answer_is_given_up) {
    auto routes = sample_routes();
    auto large = [](api::request, api::caller) -> task<api::response> {
        co_return api::response{.status = 200, .body = std::string(64'000'000, 'x'), .headers = {}};
    };
    routes.push_back({.verb = api::method::get, .path = "/large", .permission = "", .handle = large});
    auto config = running_server::quick_limits();
    config.body_timeout = milliseconds(100);
    running_server server(std::move(routes), config);
    raw_client client(server.port());
    client.send("GET /large HTTP/1.1\r\nHost: a\r\n\r\n");
    while (server.stats().requests == 0 || server.stats().connections > 0)
        std::this_thread::yield();
    EXPECT_LT(client.receive().body.size(), 64'000'000U); // what was in the sockets' buffers
}

TEST(server_limits, a_body_that_no_call_takes_is_read_over) {
    auto routes = sample_routes();
    auto refuse = [](api::request what, api::caller) -> task<api::response> {
        co_return api::response{.status = 405, .body = std::move(what.body), .headers = {}};
    };
    routes.push_back({.verb = api::method::put, .path = "/hello", .permission = "", .handle = refuse, .refuses = true});
    running_server server(std::move(routes));
    raw_client client(server.port());
    auto const put = client.exchange("PUT /hello HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello");
    EXPECT_EQ(put.status, 405); // whatever its type
    EXPECT_EQ(put.body, "");
    std::string const get = "GET /hello HTTP/1.1\r\nHost: a\r\n";
    EXPECT_EQ(client.exchange(get + "Content-Length: 5\r\n\r\nhello").status, 200);
    EXPECT_EQ(client.exchange(get + "Content-Length: 65536\r\n\r\n" + std::string(65536, 'x')).status, 200);
    EXPECT_EQ(client.exchange(get + "Content-Length: 65537\r\n\r\n").status, 413);
    raw_client endless(server.port()); // perhaps
    auto const got = endless.exchange(get + "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n");
    EXPECT_EQ(got.status, 200);
    EXPECT_EQ(got.header("Connection"), "close");
}

// --- descriptors

/// Lowers this process's limit of descriptors to what is in use, while it lives.
class no_descriptors {
  public:
    no_descriptors() {
        ::getrlimit(RLIMIT_NOFILE, &before_);
        int const next = ::dup(0); // the lowest that is free
        ::close(next);
        rlimit const none{.rlim_cur = static_cast<rlim_t>(next), .rlim_max = before_.rlim_max};
        ::setrlimit(RLIMIT_NOFILE, &none);
    }
    ~no_descriptors() { ::setrlimit(RLIMIT_NOFILE, &before_); }
    no_descriptors(no_descriptors const&) = delete;
    no_descriptors& operator=(no_descriptors const&) = delete;

  private:
    rlimit before_{};
};

milliseconds cpu_time() {
    rusage used{};
    ::getrusage(RUSAGE_SELF, &used);
    auto const of = [](timeval const& t) { return seconds(t.tv_sec) + std::chrono::microseconds(t.tv_usec); };
    return std::chrono::duration_cast<milliseconds>(of(used.ru_utime) + of(used.ru_stime));
}

TEST(server_limits, without_descriptors_the_listener_waits_and_then_goes_on) {
    running_server server(sample_routes());
    raw_client open(server.port());
    EXPECT_EQ(open.exchange(hello).status, 200);
    std::vector<std::unique_ptr<raw_client>> waiting;
    {
        // The clients' own descriptors are made first; the server has none left to accept them with.
        std::vector<unconnected> sockets(3);
        no_descriptors const none;
        for (auto& socket : sockets)
            waiting.push_back(std::make_unique<raw_client>(std::move(socket), server.port()));
        waiting.front()->send(hello);
        auto const cpu = cpu_time();
        EXPECT_TRUE(waiting.front()->silent_for(600));
        EXPECT_LT(cpu_time() - cpu, milliseconds(300)); // it does not try again and again
        EXPECT_EQ(open.exchange(hello).status, 200);    // and who is connected is served
    }
    for (auto& client : waiting)
        EXPECT_EQ(client->exchange(client == waiting.front() ? "" : hello).status, 200);
}

TEST(server_limits, a_client_that_vanishes_costs_nothing) {
    running_server server(sample_routes());
    for (char const* bytes : {"", "GET /he",
                              "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
                              "Content-Length: 10\r\n\r\n123"}) {
        raw_client client(server.port());
        client.send(bytes);
    }
    while (server.stats().connections > 0)
        std::this_thread::yield();
    EXPECT_EQ(server.stats().requests, 0U);
}

} // namespace
} // namespace klen::webhooks
