#pragma once

#include "klen/webhooks/egress/http_client.hpp"
#include "support/fake_dns.hpp"
#include "support/scripted_receiver.hpp"

#include <boost/asio/io_context.hpp>

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>
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
        std::chrono::milliseconds within = 5s;
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

} // namespace klen::webhooks::egress

namespace klen::webhooks::policy {
/// For gtest's messages.
void PrintTo(error_class what, std::ostream* to);
} // namespace klen::webhooks::policy
