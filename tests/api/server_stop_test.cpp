#include "api/gate.hpp"
#include "api/raw_client.hpp"
#include "api/running_server.hpp"

#include <boost/asio/ip/tcp.hpp>

#include <gtest/gtest.h>

#include <future>

namespace klen::webhooks {
namespace {

using namespace testing_support;

constexpr char const* hello = "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n";

constexpr char const* wait_request = "GET /wait HTTP/1.1\r\nHost: a\r\n\r\n";

TEST(server_stop, idle_connections_are_closed_at_once) {
    running_server server(sample_routes());
    raw_client fresh(server.port());
    raw_client used(server.port());
    EXPECT_EQ(used.exchange(hello).status, 200);
    EXPECT_LT(server.stop(seconds(10)), seconds(5));
    EXPECT_TRUE(fresh.ended());
    EXPECT_TRUE(used.ended());
    EXPECT_EQ(server.stats().connections, 0U);
}

TEST(server_stop, what_is_under_way_is_answered_first) {
    gate g;
    running_server server(g.routes());
    raw_client client(server.port());
    client.send(wait_request);
    g.entered.get_future().wait();
    auto stopping = server.stopping(seconds(10));
    EXPECT_EQ(stopping.wait_for(milliseconds(50)), std::future_status::timeout);
    g.release.set()(true);
    auto const got = client.receive();
    EXPECT_EQ(got.body, "\"late\"");
    EXPECT_EQ(got.header("Connection"), "close");
    EXPECT_TRUE(client.ended());
    EXPECT_LT(stopping.get(), seconds(5));
}

TEST(server_stop, a_request_that_is_half_there_may_be_finished) {
    running_server server(sample_routes());
    raw_client client(server.port());
    raw_client witness(server.port());
    client.send("GET /hello HTTP/1.1\r\nHo");
    EXPECT_EQ(witness.exchange(hello).status, 200);
    // Both connections are dealt to different threads: one more exchange on the first thread makes sure that the half
    // request was read.
    raw_client same_thread(server.port());
    EXPECT_EQ(same_thread.exchange(hello).status, 200);
    auto stopping = server.stopping(seconds(10));
    EXPECT_TRUE(same_thread.ended());
    client.send("st: a\r\n\r\n");
    EXPECT_EQ(client.receive().status, 200);
    EXPECT_TRUE(client.ended());
    EXPECT_LT(stopping.get(), seconds(5));
}

TEST(server_stop, at_its_time_what_is_left_is_cut_off) {
    gate g;
    running_server server(g.routes());
    raw_client stuck(server.port());
    stuck.send(wait_request);
    g.entered.get_future().wait();
    raw_client slow(server.port());
    slow.send("GET /hello HTT");
    auto const took = server.stop(milliseconds(100));
    EXPECT_GE(took, milliseconds(100));
    EXPECT_LT(took, seconds(5));
    EXPECT_EQ(stuck.receive().status, 0);
    EXPECT_EQ(slow.receive().status, 0);
    g.release.set()(true); // its answer is dropped
}

TEST(server_stop, it_may_be_asked_for_twice_at_once) {
    running_server server(sample_routes());
    raw_client client(server.port());
    EXPECT_EQ(client.exchange(hello).status, 200);
    auto first = server.stopping(seconds(10));
    auto second = server.stopping(seconds(10));
    first.get();
    second.get();
    EXPECT_LT(server.stop(seconds(10)), seconds(5));
}

TEST(server_stop, nobody_gets_in_afterwards) {
    running_server server(sample_routes());
    auto const port = server.port();
    server.stop(seconds(1));
    asio::io_context context;
    asio::ip::tcp::socket socket(context);
    boost::system::error_code ec;
    socket.connect({asio::ip::address_v4::loopback(), port}, ec);
    EXPECT_EQ(ec, asio::error::connection_refused);
}

TEST(server_stop, a_server_that_was_never_started_stops_too) {
    asio::io_context context;
    fixed_keys const keys;
    auto const server =
        api::server::create({&context}, running_server::quick_limits(), "127.0.0.1", 0, sample_routes(), keys).value();
    bool stopped = false;
    asio::co_spawn(context, server->stop(std::chrono::steady_clock::now()),
                   [&](std::exception_ptr) { stopped = true; });
    context.run();
    EXPECT_TRUE(stopped);
}

} // namespace
} // namespace klen::webhooks
