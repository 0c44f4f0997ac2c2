#pragma once

#include "klen/webhooks/egress/http_client.hpp"
#include "support/fake_dns.hpp"
#include "support/scripted_receiver.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>

#include <gtest/gtest.h>

#include <openssl/ssl.h>

#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

namespace klen::webhooks::egress {

using namespace std::chrono_literals;
using policy::attempt_result;
using policy::error_class;
using testing::black_hole;
using testing::closed_port;
using testing::dns_answer;
using testing::fake_dns;
using testing::received_request;
using testing::script;
using testing::scripted_receiver;
using testing::test_ca;

/// One client in the test's own thread. Loopback is allowed unless a test changes that before its first post.
class client_test : public ::testing::Test {
  protected:
    client_test();
    ~client_test() override;

    /// How a request differs from the usual one.
    struct how {
        std::chrono::milliseconds within = 5s; ///< from before the attempt begins, whose own time is a little less
        std::string account = "account-1";
        std::string body = R"({"event_type":"call.ended"})";
        std::string headers = "Content-Type: application/json\r\nX-Test: 1\r\n";
        std::function<bool()> may_send = [] { return true; };
    };

    net_client& client();
    attempt_result post(std::string const& url) { return post(url, how{}); }
    attempt_result post(std::string const& url, how with);
    /// All at the same time; the results in the order of the URLs.
    std::vector<attempt_result> post_all(std::vector<std::string> const& urls) { return post_all(urls, how{}); }
    std::vector<attempt_result> post_all(std::vector<std::string> const& urls, how with);

    /// Runs the coroutine and the client until it ends; throws what it throws.
    void run(std::function<task<void>()> body);
    /// Runs the client for so long.
    void run_for(std::chrono::milliseconds time);
    void stop();

    asio::io_context io;
    egress_config config;
    delivery_config delivery;
    std::vector<own_endpoint> ours; ///< of ours, that no request may reach

  private:
    std::unique_ptr<net_client> client_;
};

/// Sets the descriptor limit so that none is free while it lives.
class no_descriptors {
  public:
    no_descriptors();
    ~no_descriptors();
    no_descriptors(no_descriptors const&) = delete;
    no_descriptors& operator=(no_descriptors const&) = delete;

  private:
    unsigned long soft_ = 0;
    unsigned long hard_ = 0;
};

/// Takes one connection, on an address of 127.0.0.1, and talks to it by hand, in a thread of its own: for what no
/// script of a `scripted_receiver` says.
class lone_receiver {
  public:
    using conversation = std::function<void(asio::ip::tcp::socket&)>;
    /// `receive_buffer` in bytes; 0: the system's.
    explicit lone_receiver(conversation talk, int receive_buffer = 0);
    ~lone_receiver() { wait(); }
    lone_receiver(lone_receiver const&) = delete;
    lone_receiver& operator=(lone_receiver const&) = delete;

    /// https.
    std::string url() const;
    /// Until the conversation has ended.
    void wait();

  private:
    asio::io_context io_;
    asio::ip::tcp::acceptor acceptor_{io_, asio::ip::tcp::v4()};
    std::thread thread_;
};
/// What is said when the handshake is over; that it succeeds is expected.
lone_receiver::conversation over_tls(testing::tls_identity const& identity, std::function<void(SSL*)> talk,
                                     int version_max = 0);

} // namespace klen::webhooks::egress

namespace klen::webhooks::policy {
/// For gtest's messages.
void PrintTo(error_class what, std::ostream* to);
} // namespace klen::webhooks::policy
