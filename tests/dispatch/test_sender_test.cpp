// What a test call sends, and what is said to have been sent, against what arrives at a real receiver.
#include "klen/webhooks/dispatch/test_sender.hpp"

#include "klen/webhooks/signing/secret.hpp"
#include "klen/webhooks/signing/signer.hpp"
#include "support/fake_dns.hpp"
#include "support/scripted_receiver.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <vector>

namespace klen::webhooks::dispatch {
namespace {

using namespace std::chrono_literals;
using policy::error_class;
using testing::script;
using testing::scripted_receiver;

class test_sender : public ::testing::Test {
  protected:
    test_sender() {
        egress_.allow_http = true;
        egress_.allowed_ranges = {"127.0.0.0/8"};
        egress_.dns_servers = {names.server()};
        egress_.dns_timeout = 2s;
        egress_.connect_timeout = 3s;
        delivery.attempt_timeout = 5s;
        delivery.header_prefix = "X-Klen-";
        delivery.user_agent = "klen-webhooks/9.9.9";
        delivery.response_header_bytes_max = 8192;
        delivery.response_body_bytes_max = 4096;
        context_ = egress::make_client_context(egress_, delivery).value();
        client_ = egress::make_net_client(io_.get_executor(), context_);
        to.id = make_id<webhook_id>();
        to.account_id = "acme";
        event.id = make_id<event_id>();
        event.account_id = "acme";
        event.event_type = "webhook.test";
        event.body = R"({"event_type":"webhook.test","message":"Grüße"})";
        add_secret(signing::secret::generate());
    }
    ~test_sender() override {
        run(client_->stop());
        client_.reset();
    }

    /// It becomes the newest one; the one before goes on for a day.
    void add_secret(signing::secret const& value) {
        if (!to.secrets.empty())
            to.secrets.front().expires_at = system_clock().wall() + std::chrono::hours(24);
        store::sealed_secret sealed;
        sealed.id = make_id<secret_id>();
        sealed.key_id = seals.key_id();
        sealed.sealed = seals.seal(value.text(), {"webhook_secrets", sealed.id.value, to.account_id});
        to.secrets.insert(to.secrets.begin(), sealed);
    }

    void run(task<void> what) {
        bool ended = false;
        asio::co_spawn(executor(io_.get_executor()), std::move(what), [&](std::exception_ptr) { ended = true; });
        io_.restart();
        while (!ended)
            io_.run_one();
    }
    task<void> send_to(std::optional<test_outcome>* out) {
        test_environment const with{client_.get(), &seals, &system_clock(), egress::url_policy_of(*context_),
                                    &delivery};
        test_request const what{to, event};
        *out = co_await send_test(with, what);
    }
    test_outcome send() {
        std::optional<test_outcome> out;
        run(send_to(&out));
        return std::move(out).value();
    }

    /// The header lines, from what is kept of an attempt that was sent with the present configuration.
    result<std::string> again(test_outcome const& sent, std::int64_t signed_at) const {
        store::request_origin const origin{to.url, to.headers, delivery.header_prefix, delivery.user_agent, to.secrets};
        store::attempt_row attempt;
        attempt.attempt = 1;
        attempt.signed_at = signed_at;
        store::delivery_row of;
        of.id = sent.id;
        of.account_id = to.account_id;
        store::event_row row;
        row.event_type = event.event_type;
        row.body = event.body;
        row.traceparent = event.traceparent;
        return written_again(origin, attempt, of, row, seals);
    }
    static std::int64_t signed_at(testing::received_request const& arrived) {
        return std::stoll(arrived.header("X-Klen-Timestamp").value());
    }

    /// Sends to the webhook and compares what arrived with both tellings of it.
    void expect_told_as_sent(scripted_receiver const& receiver) {
        auto const before = receiver.requests().size();
        auto const sent = send();
        ASSERT_TRUE(sent.result.succeeded()) << sent.result.message;
        ASSERT_EQ(receiver.requests().size(), before + 1);
        auto const arrived = receiver.requests().back();
        EXPECT_EQ(arrived.request_line() + "\r\n" + sent.request_headers, arrived.head);
        auto const repeated = again(sent, signed_at(arrived));
        ASSERT_TRUE(repeated.has_value()) << repeated.error().message;
        EXPECT_EQ(arrived.request_line() + "\r\n" + *repeated, arrived.head);
        EXPECT_EQ(arrived.body, event.body);
        EXPECT_EQ(arrived.header("webhook-id"), sent.id.text());
        EXPECT_EQ(arrived.header("X-Klen-Attempt"), "1");
    }

    testing::fake_dns names;
    signing::sealer seals = signing::sealer::create(signing::generate_master_key(), "k1").value();
    delivery_config delivery;
    store::webhook to;
    accepted_event event;

  private:
    egress_config egress_;
    asio::io_context io_;
    egress::client_context_ptr context_;
    std::unique_ptr<egress::net_client> client_;
};

TEST_F(test_sender, tells_what_it_sent_byte_for_byte) {
    scripted_receiver const receiver(script().answer(200).again());
    to.url = receiver.url();
    expect_told_as_sent(receiver);
}

TEST_F(test_sender, tells_rotated_secrets_custom_headers_and_traceparent) {
    scripted_receiver const receiver(script().answer(200).again());
    to.url = receiver.url("/hook?x=1&y=%20");
    auto const newest = signing::secret::generate();
    add_secret(signing::secret::generate());
    add_secret(newest);
    to.headers = {{"X-Team", "blue"}, {"authorization", "Basic eA=="}, {"X-Team", "red"}, {"Content-Type", "x/evil"}};
    event.traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    delivery.header_prefix = "X-Klen-";
    expect_told_as_sent(receiver);
    auto const arrived = receiver.requests().back();
    EXPECT_TRUE(signing::verify_klen(newest, arrived.header("X-Klen-Signature").value(), arrived.body));
    EXPECT_EQ(arrived.header("traceparent"), event.traceparent);
    auto const signatures = arrived.header("webhook-signature").value();
    EXPECT_EQ(std::count(signatures.begin(), signatures.end(), ' '), 2);
}

TEST_F(test_sender, tells_secrets_that_expired_before_as_not_signing) {
    scripted_receiver const receiver(script().answer(200).again());
    to.url = receiver.url();
    add_secret(signing::secret::generate());
    to.secrets[1].expires_at = system_clock().wall() - 1h;
    expect_told_as_sent(receiver);
    EXPECT_EQ(receiver.requests().back().header("webhook-signature").value().find(' '), std::string::npos);
}

TEST_F(test_sender, tells_the_host_as_it_was_sent) {
    scripted_receiver const receiver(script().answer(200).again());
    names.tell("receiver.test", {{testing::dns_answer::kind::addresses, {"127.0.0.1"}, 60, false}});
    names.tell("xn--bcher-kva.test", {{testing::dns_answer::kind::addresses, {"127.0.0.1"}, 60, false}});
    auto const port = std::to_string(receiver.port());
    for (auto const& [host, as_sent] : std::vector<std::pair<std::string, std::string>>{
             {"Receiver.test.", "receiver.test"}, {"bücher.test", "xn--bcher-kva.test"}, {"127.0.0.1", "127.0.0.1"}}) {
        to.url = receiver.url("/hook", host);
        expect_told_as_sent(receiver);
        EXPECT_EQ(receiver.requests().back().header("Host"), as_sent + ":" + port);
    }
}

TEST_F(test_sender, tells_an_ipv6_host_in_brackets) {
    scripted_receiver const receiver(script().answer(200).again());
    to.url = "http://[::FFFF:127.0.0.1]:" + std::to_string(receiver.port()) + "/hook";
    auto const tried = send();
    if (tried.result.error == error_class::connect_failure)
        GTEST_SKIP() << "no IPv6 on this machine: " << tried.result.message;
    expect_told_as_sent(receiver);
    EXPECT_EQ(receiver.requests().back().header("Host"), "[::ffff:127.0.0.1]:" + std::to_string(receiver.port()));
}

TEST_F(test_sender, written_again_knows_hosts_and_ports_that_are_refused_now) {
    test_outcome sent;
    sent.id = make_id<delivery_id>();
    for (auto const& [url, host] :
         std::vector<std::pair<std::string, std::string>>{{"https://hooks.example.com/a", "hooks.example.com"},
                                                          {"https://hooks.example.com:25/", "hooks.example.com:25"},
                                                          {"http://localhost/", "localhost"},
                                                          {"http://[2001:db8::1]:8080/x?y", "[2001:db8::1]:8080"}}) {
        to.url = url;
        auto const lines = again(sent, 1'800'000'000);
        ASSERT_TRUE(lines.has_value()) << url;
        EXPECT_TRUE(lines->starts_with("Host: " + host + "\r\nContent-Length: " + std::to_string(event.body.size()) +
                                       "\r\nContent-Type: application/json\r\n"))
            << *lines;
    }
}

TEST_F(test_sender, nothing_is_written_again_of_what_was_not_sent_or_cannot_be_opened) {
    test_outcome sent;
    sent.id = make_id<delivery_id>();
    to.url = "https://hooks.example.com/a";
    EXPECT_EQ(again(sent, 0).value(), "");
    to.secrets[0].sealed.back() ^= 1;
    EXPECT_EQ(again(sent, 0).value(), "");
    ASSERT_FALSE(again(sent, 1'800'000'000).has_value());
    EXPECT_EQ(again(sent, 1'800'000'000).error().kind, fault::corrupt);
}

TEST_F(test_sender, tells_the_receivers_answer) {
    scripted_receiver const receiver(script().answer(503, "busy", "Retry-After: 7\r\n"));
    to.url = receiver.url();
    to.enabled = false; // just as well
    auto const sent = send();
    EXPECT_EQ(sent.result.error, error_class::http_status);
    EXPECT_EQ(sent.result.status, 503);
    EXPECT_EQ(sent.result.response_body, "busy");
    EXPECT_NE(sent.result.response_headers.find("Retry-After: 7\r\n"), std::string::npos);
    EXPECT_EQ(sent.result.remote_address, "127.0.0.1:" + std::to_string(receiver.port()));
    EXPECT_GT(sent.result.duration.count(), 0);
}

TEST_F(test_sender, ends_with_the_attempts_time) {
    scripted_receiver const receiver(script().read_request().hang());
    to.url = receiver.url();
    delivery.attempt_timeout = 200ms;
    auto const sent = send();
    EXPECT_EQ(sent.result.error, error_class::timeout);
    EXPECT_GE(sent.result.duration, 200ms);
}

TEST_F(test_sender, url_or_secret_that_cannot_be_used_is_an_outcome) {
    to.url = "ftp://hooks.example.com/";
    auto sent = send();
    EXPECT_EQ(sent.result.error, error_class::url_not_allowed);
    EXPECT_TRUE(sent.result.message.starts_with("url: ")) << sent.result.message;
    EXPECT_TRUE(sent.request_headers.empty());

    to.url = "http://10.0.0.1/";
    sent = send();
    EXPECT_EQ(sent.result.error, error_class::address_not_allowed);
    EXPECT_FALSE(sent.request_headers.empty()) << "what would have been sent";

    to.secrets[0].sealed.back() ^= 1;
    sent = send();
    EXPECT_EQ(sent.result.error, error_class::local_failure);
    EXPECT_FALSE(sent.result.message.empty());
    EXPECT_TRUE(sent.request_headers.empty());
}

} // namespace
} // namespace klen::webhooks::dispatch
